"""The catalogue that ships with lmctl: in the package, or beside it in a checkout."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from lmctl.planning.catalogue import CatalogueModel, decode


@cache
def shipped() -> tuple[CatalogueModel, ...]:
    """Return the models of `config/catalogue`, the best last. Raises ValueError naming a wrong file."""
    folder = Path(str(files("lmctl"))) / "config" / "catalogue"
    if not folder.is_dir():
        folder = Path(str(files("lmctl"))).parent / "config" / "catalogue"
    found = sorted(each for each in folder.iterdir() if each.is_dir())
    texts = {
        each.name: tuple((each / name).read_text() for name in ("model.yaml", "about.toml"))
        for each in found
    }
    return decode({name: (model, about) for name, (model, about) in texts.items()})
