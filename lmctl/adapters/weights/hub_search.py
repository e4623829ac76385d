"""Looking for repositories on the hub by words."""

from collections.abc import Iterable
from functools import partial
from typing import Final, Literal

from huggingface_hub import HfApi
from huggingface_hub.hf_api import ModelInfo

from lmctl.adapters.weights.hub import TROUBLE, answered, endpoint, translate
from lmctl.planning.downloads import FoundRepo
from lmctl.planning.gguf_names import PREFERENCE, is_gguf, is_projector, quantization

Format = Literal["gguf", "mlx"]
MOST: Final = 100


async def search(text: str, *, format: Format = "gguf", limit: int = 20) -> tuple[FoundRepo, ...]:  # noqa: A002 - the word people know
    """Return repositories of a format that fit words, those downloaded most first.

    Raises Unreachable, NotReady or Refused as other questions to the hub do.
    """
    where = endpoint()
    return await answered(partial(_found, text, format, min(limit, MOST), where), where)


def _found(text: str, format_: Format, limit: int, where: str) -> tuple[FoundRepo, ...]:
    try:
        listed = HfApi(endpoint=where).list_models(
            search=text or None, filter=format_, sort="downloads", limit=limit, full=True
        )
        return tuple(_told(each) for each in listed)
    except TROUBLE as error:
        translate(error, "the search", "main", where)


def _told(info: ModelInfo) -> FoundRepo:
    names = [each.rfilename for each in info.siblings or ()]
    return FoundRepo(
        repo=info.id,
        downloads=info.downloads or 0,
        likes=info.likes or 0,
        updated=info.last_modified.isoformat() if info.last_modified else "",
        gated=bool(info.gated),
        quantizations=_quantizations(names),
    )


def _quantizations(names: Iterable[str]) -> tuple[str, ...]:
    mains = [name for name in names if is_gguf(name) and not is_projector(name)]
    found = {named for name in mains if (named := quantization(name)) is not None}
    return tuple(sorted(found, key=PREFERENCE.index))
