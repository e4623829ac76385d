"""What secrets look like: formats of known tokens, names of fields that hold one, and hiding both."""

import re
from typing import Final

# Formats as their makers document them; none of them is a word a person would write. Nothing here
# may look back far for the same text twice: a manifest is up to a megabyte.
_FORMATS: Final = (
    ("a Hugging Face token", r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    ("an LM Studio token", r"(?<![\w-])sk-lm-[A-Za-z0-9]+:[A-Za-z0-9]{16,}"),
    ("an API key", r"(?<![\w-])sk-(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]*[A-Za-z0-9]{16,}[\w-]*"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    ("a GitLab token", r"(?<![\w-])glpat-[\w-]{20,}"),
    ("a Slack token", r"(?<![\w-])xox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a Google API key", r"(?<![\w-])AIza[\w-]{35}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}"),
    ("a PyPI token", r"(?<![\w-])pypi-AgEI[\w-]{30,}"),
    ("a Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{20,}"),
    ("a JSON web token", r"(?<![\w.-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    ("a private key", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"),
)
_KNOWN = re.compile("|".join(f"({pattern})" for _, pattern in _FORMATS))
_PASSWORD = re.compile(
    r"(?:\b[a-zA-Z][\w+.-]{0,20}://[^/\s:@\"']{0,200}:)(?P<value>[^/\s@\"']{1,500})(?=@)"
)
_QUERY = re.compile(r"[?&](?P<name>[\w.-]{1,64})=(?P<value>[^&#\s\"']+)")
_REFERENCE = re.compile(r"\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*|<[^<>]*>")
_SCHEME = re.compile(r"(?:bearer|basic|token|digest|apikey)(?:\s+|$)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"(?:your|insert)[-_ ].*|[x.*_-]+|todo|none|null", re.IGNORECASE)
_PLAIN = re.compile(r"\d{1,3}|true|false|yes|no|on|off", re.IGNORECASE)
_PATH = re.compile(r"(?:~|\.{1,2})?/[^\s=]*|[\w.-]+\.(?:json|pem|key|crt|txt|ini|toml|env|ya?ml)")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_ENDINGS: Final = ("token", "secret", "password", "passwd", "passphrase", "apikey")
_WHOLE: Final = frozenset({"pwd", "authorization", "cookie", "credential", "credentials"})
_KEYS: Final = frozenset({"api", "access", "secret", "private", "auth", "signing", "encryption"})
_OF_PATS: Final = frozenset({"github", "gitlab", "azure", "devops", "access", "personal"})
# Tokens of another kind: the ones a model reads and writes.
_OF_A_MODEL: Final = frozenset(
    {"eos", "bos", "stop", "pad", "unk", "sep", "mask", "cls", "special", "start", "end", "think"}
)
# Values are looked ahead at: in `args: [TOKEN=x]` what is one pair's value is another's name.
_VALUE: Final = r"""(?=(?P<value>"[^"]{0,2000}"?|'[^']{0,2000}'?|(?:bearer\s+|basic\s+)?[^\s,"'{}\[\]]{1,2000}))"""
_PAIRS: Final = tuple(
    re.compile(pattern + _VALUE, re.IGNORECASE)
    for pattern in (
        r"""(?<![\w.-])(?<!\$\{)["']?(?P<name>[\w.-]{1,64})["']?\s*[:=]\s*\[?\s*""",
        r"""(?<!\S)["']?--?(?P<name>[\w-]{1,64})["']?(?:\s*,\s*|\s+)""",
        r"""\[["']?--?(?P<name>[\w-]{1,64})["']?\s*,\s*""",
    )
)
_BLOB = re.compile(
    r"(?<![A-Za-z0-9+])(?=[a-z0-9+]*[A-Z])(?=[A-Z0-9+]*[a-z])(?=[A-Za-z+]*\d)[A-Za-z0-9+]{32,}"
    r"|^(?!\s*/)(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=\D*\d)\s*[A-Za-z0-9+/]{60,76}={0,2}\s*$"
)


def names_a_secret(name: str) -> bool:
    """Say whether a field of this name would hold a secret: `apiKey`, `GITHUB_TOKEN`, `X-Api-Key`."""
    words = [each.lower() for each in _WORDS.findall(name)]
    if not words:
        return False
    *before, last = words
    ending = next((each for each in _ENDINGS if last.endswith(each)), None)
    if ending:
        return _OF_A_MODEL.isdisjoint((*before, last.removesuffix(ending)))
    if last == "key":
        return not _KEYS.isdisjoint(before)
    return last in _WHOLE or (last == "pat" and not _OF_PATS.isdisjoint(before))


def literal(value: str) -> bool:
    """Say whether the value of a field that holds a secret is one, rather than a way to it.

    References (`${secret:NAME}`, `$NAME`), paths, switches and `<placeholders>` are none.
    """
    left = _SCHEME.sub("", _REFERENCE.sub("", value.strip())).strip()
    if not left or _PLAIN.fullmatch(left) or _PATH.fullmatch(left):
        return False
    return not _PLACEHOLDER.fullmatch(left)


def recognised(text: str) -> str | None:
    """Return what secret a text has in it by its form, whatever the field is called."""
    if found := _KNOWN.search(text):
        return _FORMATS[(found.lastindex or 1) - 1][0]
    if (url := _PASSWORD.search(text)) and literal(url["value"]):
        return "a password in an address"
    for each in _QUERY.finditer(text):
        if names_a_secret(each["name"]) and literal(each["value"]):
            return f"a secret in an address (`{each['name']}`)"
    return None


def hide(line: str) -> str:
    """Return a line of a manifest with all that looks like a secret blotted out, at the same length.

    Meant for a few thousand characters: what is behind each name is looked at anew.
    """
    line = _BLOB.sub(lambda each: "*" * len(each.group()), hide_known(line))
    shown = list(line)
    for pattern in _PAIRS:
        for each in pattern.finditer(line):
            if names_a_secret(each["name"]) and literal(each["value"].strip("\"'")):
                start, end = each.span("value")
                shown[start:end] = "*" * (end - start)
    return "".join(shown)


def hide_known(text: str) -> str:
    """Return prose with secrets of a known form blotted out, and those in addresses."""
    text = _KNOWN.sub(lambda each: "*" * len(each.group()), text)
    text = _PASSWORD.sub(_blot, text)
    return _QUERY.sub(lambda each: _blot(each) if names_a_secret(each["name"]) else each[0], text)


def _blot(found: re.Match[str]) -> str:
    value = found["value"]
    return found[0].removesuffix(value) + "*" * len(value) if literal(value) else found[0]
