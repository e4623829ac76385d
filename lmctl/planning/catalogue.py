"""The catalogue: good models to begin with, each a model.yaml with what is known of it beforehand."""

from collections.abc import Mapping, Sequence

import msgspec

from lmctl.manifests.model import Model
from lmctl.manifests.reading import read_file
from lmctl.manifests.suggest import closest
from lmctl.planning.model_facts import ModelFacts
from lmctl.planning.sources import sources_of
from lmctl.planning.weights_values import HubSource


class About(msgspec.Struct, frozen=True):
    """What is known of a model before its weights are here. `size` are the bytes to download, `active`
    those that are read for each token; `quality` orders models by how good their answers are.
    """

    title: str
    summary: str
    quality: int
    size: int
    active: int
    facts: ModelFacts


class CatalogueModel(msgspec.Struct, frozen=True):
    """A model of the catalogue: its short name, its key, the text of its model.yaml."""

    name: str
    key: str
    manifest: str
    about: About


def decode(files: Mapping[str, tuple[str, str]]) -> tuple[CatalogueModel, ...]:
    """Return the models of a catalogue from `(model.yaml, about.toml)` by name, the best last.

    Raises ValueError naming what is wrong.
    """
    found = []
    for name, (manifest, about) in files.items():
        try:
            told = msgspec.toml.decode(about, type=About)
        except msgspec.DecodeError as error:
            raise ValueError(f"catalogue/{name}/about.toml: {error}") from error
        found.append(CatalogueModel(name, _key_of(name, manifest), manifest, told))
    return tuple(sorted(found, key=lambda each: (each.about.quality, each.about.size, each.name)))


def _key_of(name: str, manifest: str) -> str:
    for line in manifest.splitlines():
        if line.startswith("model: "):
            return line.removeprefix("model: ").strip()
    raise ValueError(f"catalogue/{name}/model.yaml: no line `model: publisher/name`")


def find(models: Sequence[CatalogueModel], asked: str) -> CatalogueModel | None:
    """Return the model of that short name or key, in any case."""
    wanted = asked.casefold()
    return next((each for each in models if wanted in (each.name, each.key.casefold())), None)


def hub_source(model: CatalogueModel) -> HubSource | None:
    """Return where on the hub its weights are, None where they come from elsewhere only."""
    for declared in read_file(f"{model.name}/model.yaml", "", model.manifest.encode()).declared:
        if isinstance(declared.value, Model) and not isinstance(declared.value.base, str):
            sources = (
                each for entry in declared.value.base for each in sources_of(entry, user="/")
            )
            return next((each for each in sources if isinstance(each, HubSource)), None)
    return None


def near(models: Sequence[CatalogueModel], asked: str) -> str | None:
    """Return the short name that was probably meant."""
    return closest(asked.casefold(), [each.name for each in models])
