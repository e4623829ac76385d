"""The catalogue that ships with lmctl."""

from functools import cache

from lmctl.base.shipped import shipped_at
from lmctl.planning.catalogue import CatalogueModel, decode


@cache
def shipped() -> tuple[CatalogueModel, ...]:
    """Return the models of `config/catalogue`, the best last. Raises ValueError naming a wrong file."""
    folder = shipped_at("catalogue")
    found = sorted(each for each in folder.iterdir() if each.is_dir())
    texts = {
        each.name: tuple((each / name).read_text() for name in ("model.yaml", "about.toml"))
        for each in found
    }
    return decode({name: (model, about) for name, (model, about) in texts.items()})
