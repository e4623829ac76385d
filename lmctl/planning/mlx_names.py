"""What the names in an MLX folder say: its weights, what belongs to them, and that it is one.

A folder that mlx-lm reads has `config.json`, a tokenizer and `model*.safetensors`; whatever else
lies there is for others.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

CONFIG: Final = "config.json"
TOKENIZER: Final = "tokenizer.json"
SETTINGS: Final = "tokenizer_config.json"
TEMPLATES: Final = ("chat_template.jinja", "chat_template.json")
BESIDE: Final = (CONFIG, "generation_config.json", "hf_quant_config.json", TOKENIZER, SETTINGS)
"""Files that say what the weights are; the first must be there."""

_WEIGHTS: Final = "model*.safetensors"
_SHARD: Final = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.safetensors")
_SAYS_MLX: Final = re.compile(r"(?<![a-z0-9])mlx(?![a-z0-9])")


def is_mlx(path: str) -> bool:
    """Whether a file is what mlx-lm loads as weights."""
    return fnmatchcase(path.rpartition("/")[2], _WEIGHTS)


def says_mlx(name: str) -> bool:
    """Whether a name calls what it names MLX: `mlx-community/x`, `X-4bit-mlx`."""
    return _SAYS_MLX.search(name.lower()) is not None


def mlx_folder(names: Iterable[str], weights: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the files of an MLX folder, the first weights first; empty where there is none.

    `weights` are those that were asked for; without, all that lie at the top count. Shards that are
    missing are named too, so that the caller notices.
    """
    everything = list(names)
    asked = weights or [each for each in everything if is_mlx(each) and "/" not in each]
    if not asked:
        return ()
    folder = min(asked, key=lambda name: (name.count("/"), name)).rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    inside = {name for name in everything if name.rpartition("/")[0] == folder}
    if f"{prefix}{CONFIG}" not in inside:
        return ()
    loaded = {shard for name in inside if is_mlx(name) for shard in _shards(name)}
    beside = [name for name in (*BESIDE, *TEMPLATES) if f"{prefix}{name}" in inside]
    return (*sorted(loaded), *(f"{prefix}{name}" for name in beside))


def _shards(name: str) -> tuple[str, ...]:
    """Return all shards of the set a file belongs to; itself if there are no others."""
    found = _SHARD.fullmatch(name)
    if found is None:
        return (name,)
    count = int(found["count"])
    return tuple(
        f"{found['stem']}-{part:05d}-of-{count:05d}.safetensors" for part in range(1, count + 1)
    )


def template_of(jinja: str | None, beside: Any, settings: Any) -> str | None:
    """Return a folder's chat template: a file of its own counts, then `chat_template.json`, then
    what the tokenizer's settings say; of several templates the one that is called `default`.
    """
    if jinja is not None:
        return jinja
    for told in (beside, settings):
        found = told.get("chat_template") if isinstance(told, dict) else None
        if isinstance(found, list):
            named = {each.get("name"): each.get("template") for each in found}
            found = named.get("default")
        if isinstance(found, str):
            return found
    return None
