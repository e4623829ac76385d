"""Bodies of LM Studio's own API: closed, and told apart by codes of their own (contract 1.3)."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lmctl.api.catalogue import InvalidJson, MissingParameter, UnrecognizedKeys
from lmctl.api.reading import parse
from lmctl.base.errors import BadRequest

_Body = TypeVar("_Body", bound=BaseModel)


def parse_native(kind: type[_Body], data: bytes) -> _Body:
    """Return the body as `kind`. Raises UnrecognizedKeys, MissingParameter or BadRequest, the most
    telling one first.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
    unknown = [str(each["loc"][0]) for each in problems if _unknown(each["type"], each["loc"])]
    if unknown:
        raise UnrecognizedKeys(f"unrecognized keys: {', '.join(unknown)}")
    for each in problems:
        if each["type"] == "missing" and len(each["loc"]) == 1:
            name = str(each["loc"][0])
            raise MissingParameter(f"`{name}` is required", param=name)
    if problems and problems[0]["loc"][:1] == ("input",):
        message = "`input` should be a string or a list of text and image items"
        raise BadRequest(message, param="input", code="invalid_union")
    try:
        return parse(kind, data)
    except InvalidJson:
        raise
    except BadRequest as error:
        error.code = error.code or "invalid_value"
        raise


def _unknown(kind: str, location: tuple[int | str, ...]) -> bool:
    return kind == "extra_forbidden" and len(location) == 1
