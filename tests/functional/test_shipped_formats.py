"""A wheel has the formats of tools and thoughts in it: a runner looks for them beside its code."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


def test_a_wheel_has_every_format_in_it(tmp_path):
    built = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))

    names = {name for name in zipfile.ZipFile(built).namelist() if name.endswith(".toml")}

    shipped = {path.relative_to(ROOT) for path in (ROOT / "config" / "formats").rglob("*.toml")}
    assert names == {f"lmctl/{path.as_posix()}" for path in shipped}
