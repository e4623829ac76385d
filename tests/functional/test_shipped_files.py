"""A wheel has the data in it that lmctl looks for beside its code: formats, models, build flags."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
KINDS = {".toml", ".yaml", ".cmake"}
DATA = "lmctl/config/"


def test_a_wheel_has_all_of_them_in_it(tmp_path):
    built = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))

    names = {name for name in zipfile.ZipFile(built).namelist() if name.startswith(DATA)}

    folders = (ROOT / "config" / each for each in ("build", "catalogue", "formats"))
    shipped = {path for each in folders for path in each.rglob("*") if path.suffix in KINDS}
    assert {path.suffix for path in shipped} == KINDS
    assert names == {f"lmctl/{path.relative_to(ROOT).as_posix()}" for path in shipped}
