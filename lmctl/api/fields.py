"""Kinds of fields that request bodies of several dialects have, and what they say of settings."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from lmctl.chat.effective import PREFIX


def _stop_list(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Stop = Annotated[tuple[str, ...], BeforeValidator(_stop_list)]


def layer_of(body: BaseModel, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return what the body says about prediction, by full key; `keys` has the tail of the key of
    each field. A field that is absent or null says nothing.
    """
    said = {tail: getattr(body, name) for name, tail in keys.items()}
    return {PREFIX + tail: value for tail, value in said.items() if value is not None}
