"""Pydantic's complaints -> our diagnostics: where it stands, what was expected, what to do."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic
from lmctl.manifests import suggest
from lmctl.manifests.rules import show
from lmctl.manifests.shapes import Path, fields_of, trace, types_of, unknown_keys, words_of
from lmctl.manifests.yaml_source import Document

_EXPECTED: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
# pydantic's word -> ours, and the name of the bound in its context
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}
_PATTERNS: Mapping[str, tuple[str, str]] = {
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": (
        "a name of lower-case letters, digits and dashes, starting and ending with a letter or digit",
        "for example `chat` or `qwen-coder`",
    ),
    r"^[^/\s]+/[^/\s]+$": ("a model key", "write `publisher/name`, with exactly one slash"),
    r"^[^/@\s]+/[^/@\s]+(@[^/@\s]+)?$": (
        "a model",
        "write `publisher/name`, or `publisher/name@variant`",
    ),
    r"^[0-9a-fA-F]{64}$": ("a sha256", "64 hexadecimal digits, as `sha256sum FILE` prints"),
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": (
        "a name on the hub",
        "`user` and `repo` are two fields; neither has a slash",
    ),
    r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$": (
        "the name of a package",
        "letters, digits, `.`, `-` and `_`",
    ),
    r"^[A-Za-z_][A-Za-z0-9_]*$": (
        "the name of an environment variable",
        "for example LMCTL_CI_TOKEN",
    ),
    r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$": (
        "a name",
        "letters, digits, `.`, `-` and `_`, starting with a letter, digit or `_`",
    ),
    r"^\$\..+": ("a custom field", "write `$.name` of a field in `customFields`"),
    r"^[0-9][0-9A-Za-z.!+_-]*$": ("an exact version", 'for example "0.3.36"; ranges pin nothing'),
    r"^[^/\\]+$": ("a file name without folders", "for example model.gguf"),
}


def from_validation(
    error: ValidationError, document: Document, root: type[BaseModel], *, hidden: int = 0
) -> Iterator[Diagnostic]:
    """Yield a problem per complaint. The first `hidden` parts of every path are not shown, for
    documents that leave the envelope out.
    """
    found = error.errors(include_url=False)
    for each in found:
        if any(_echoes(each, other) for other in found if other is not each):
            continue
        location = each["loc"]
        if location[-1:] == ("[key]",):  # pydantic's word for a key that is wrong itself
            location = location[:-1]
        path, here = trace(root, location)
        if each["type"] == "extra_forbidden":
            yield _extra(each, document, path, root, hidden)
            continue
        message, hint = _explain(each, here)
        settings_key = each["type"] == "settings" and path in document.keys and "unknown" in message
        if each["type"] == "union_tag_invalid":
            path = (*path, "type")
        place = document.key_place(path) if settings_key else document.place(path)
        where = shown_path(path[hidden:])
        if each["type"] == "missing":
            message = f"`{where}` is required and missing"
        else:
            message = f"{where}: {message}"
        yield diagnostics.error(place, message, hint)


def overlooked(
    document: Document, root: type[BaseModel], *, hidden: int = 0
) -> Iterator[Diagnostic]:
    """Yield a warning per key that a native file has and this version does not know."""
    for path, known in unknown_keys(root, document.value):
        yield diagnostics.warning(
            document.key_place(path),
            f"unknown field `{shown_path(path[hidden:])}` is ignored",
            suggest.hint(path[-1], known, what="fields here"),
        )


def shown_path(path: Path) -> str:
    """Return a path as people write it: `spec.checks[0].prompt`."""
    words = ""
    for part in path:
        words += f"[{part}]" if isinstance(part, int) else f".{part}"
    return words.removeprefix(".")


def _echoes(parent: ErrorDetails, child: ErrorDetails) -> bool:
    """Say whether a complaint only repeats another one further down (a list "too short")."""
    return parent["type"] == "too_short" and child["loc"][: len(parent["loc"])] == parent["loc"]


def _extra(
    each: ErrorDetails, document: Document, path: Path, root: type[BaseModel], hidden: int
) -> Diagnostic:
    _, parent = trace(root, each["loc"][:-1])
    hint = suggest.hint(path[-1], fields_of(parent), what="fields here")
    message = f"unknown field `{shown_path(path[hidden:])}`"
    return diagnostics.error(document.key_place(path), message, hint)


def _explain(each: ErrorDetails, here: Any) -> tuple[str, str | None]:
    """Return message and hint of one complaint."""
    kind, context, value = each["type"], each.get("ctx", {}), each["input"]
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {show(value)}", _type_hint(kind, value)
    if kind in _BOUNDS:
        word, name = _BOUNDS[kind]
        return f"expected {word} {context[name]:g}, found {show(value)}", None
    match kind:
        case "settings":
            return each["msg"], context.get("hint")
        case "literal_error" | "union_tag_invalid":
            return _word(context, value, here)
        case "union_tag_not_found":
            return "`type` is required and missing", f"types: {', '.join(types_of(here))}"
        case "string_pattern_mismatch":
            what, hint = _PATTERNS[context["pattern"]]
            return f"expected {what}, found {show(value)}", hint
    return _phrase(each, context), None


def _phrase(each: ErrorDetails, context: Mapping[str, Any]) -> str:
    """Return the message of a complaint that needs no hint."""
    match each["type"]:
        case "string_too_short":
            return "expected text, found an empty one"
        case "string_too_long":
            return f"expected at most {context['max_length']} characters"
        case "too_short":
            return "expected at least one item, found an empty list"
    words = each["msg"].removeprefix("Value error, ")
    return words[:1].lower() + words[1:] if words == each["msg"] else words


def _word(context: Mapping[str, Any], value: Any, here: Any) -> tuple[str, str | None]:
    """Explain a word that is none of those allowed."""
    if "tag" in context:
        words = types_of(here)
        value = context["tag"]
        message = f"unknown type `{value}`, expected one of {', '.join(words)}"
    else:
        words = words_of(here)
        expected = words[0] if len(words) == 1 else f"one of {', '.join(words)}"
        message = f"expected {expected}, found {show(value, named=True)}"
    return message, suggest.did_you_mean(value, words) or None


def _type_hint(kind: str, value: Any) -> str | None:
    match kind, value:
        case "model_type" | "model_attributes_type" | "mapping_type" | "tuple_type", None:
            return "indent what belongs to it below the key"
        case _, None:
            return "give a value, or leave the line out"
        case "string_type", bool() | int() | float():
            return "put it in quotes"
        case "bool_type", str():
            return "YAML 1.2 knows only `true` and `false`, without quotes"
        case "int_type" | "float_type", str():
            return "write the number without quotes and without a unit"
    return None
