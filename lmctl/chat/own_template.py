"""A chat template that settings give in place of the model's own: in Jinja, or as what stands around
each turn, which becomes a small Jinja template here.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

_ROLES: Final = (("system", "System"), ("assistant", "Assistant"))


def own_template(value: Any) -> tuple[str, tuple[str, ...]]:
    """Return the template of a `promptTemplate` setting, empty for the model's own, and the strings
    it wants an answer to stop at.
    """
    if not isinstance(value, Mapping):
        return "", ()
    stops = tuple(each for each in value.get("stopStrings", ()) if each)
    manual = value.get("manualPromptTemplate")
    jinja = (value.get("jinjaPromptTemplate") or {}).get("template") or ""
    if value.get("type", "jinja" if jinja else "manual") == "jinja":
        return jinja, stops
    return (_in_jinja(tuple(sorted(manual.items()))) if manual else ""), stops


@lru_cache(maxsize=64)
def _in_jinja(pieces: tuple[tuple[str, str], ...]) -> str:
    """Return the template that writes these prefixes and suffixes: a conversation, then what begins
    the assistant's next turn. Turns of other roles are written as the user's.
    """
    texts = dict(pieces)
    turns = [
        f"{{% {'elif' if number else 'if'} turn.role == '{role}' %}}{_around(name, texts)}"
        for number, (role, name) in enumerate(_ROLES)
    ]
    written = f"{''.join(turns)}{{% else %}}{_around('User', texts)}{{% endif %}}"
    begin = _literal(texts.get("beforeAssistant", ""))
    return (
        f"{{% for turn in messages %}}{written}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{begin}{{% endif %}}"
    )


def _around(name: str, texts: Mapping[str, str]) -> str:
    before, after = (_literal(texts.get(f"{place}{name}", "")) for place in ("before", "after"))
    return f"{before}{{{{ turn.content }}}}{after}"


def _literal(text: str) -> str:
    """Return what writes a text as it is: quoted, since in it `{{` would mean something."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""
