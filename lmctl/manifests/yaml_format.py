"""The one layout of a manifest: indentation, spaces and blank lines; nothing else is touched.

Words, quotes, comments, order, line breaks, and block or flow style are the user's. Only what
stands between two tokens of the parser is written anew, so nothing can get lost: two spaces per
level, items of a list one level below their key, one space behind `:`, `,` and `-` and before a
comment, at most one blank line in a row, one line end at the end.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml import tokens as yaml

from lmctl.base.digests import canonical
from lmctl.manifests.yaml_layout import STEP, Gap, block_scalar, folded
from lmctl.manifests.yaml_source import parse
from lmctl.manifests.yaml_spans import BLOCK_SCALARS, parsable

_OPENING: Final = (yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)
_CLOSING: Final = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_MARKS: Final = (yaml.DocumentStartToken, yaml.DocumentEndToken, yaml.DirectiveToken)


def formatted(file: str, text: str) -> str | None:
    """Return the text of a manifest in its one layout, or None when it cannot be had without
    changing what the manifest says.

    Only for text that reads without an error.
    """
    text = text.replace("\r\n", "\n")
    made = _Formatter(text, json=file.endswith(".json")).formatted()
    before, after = parse(file, text.encode()), parse(file, made.encode())
    values = [canonical([each.value for each in parsed.documents]) for parsed in (before, after)]
    if values[0] != values[1] or len(after.diagnostics) > len(before.diagnostics):
        return None
    return made


@dataclass(frozen=True, slots=True)
class _Level:
    """A block collection: the column it had and the one it gets. The items of an `indentless`
    list stood at the column of their key.
    """

    old: int
    new: int
    mapping: bool = False
    indentless: bool = False


@dataclass(frozen=True, slots=True)
class _State:
    """Where the formatter is: the block collections it is in, and the columns of the lines that
    the brackets it is in were opened on.
    """

    levels: tuple[_Level, ...] = ()
    brackets: tuple[int, ...] = ()

    @property
    def inner(self) -> int:
        """Return the column of what stands deeper than the innermost block collection."""
        return self.levels[-1].new + STEP if self.levels else 0


class _Formatter:
    def __init__(self, text: str, *, json: bool) -> None:
        self._text = text
        self._seen = parsable(text) if json else text
        self._state = _State()
        self._line = 0  # the column the current line of a flow collection begins at
        self._key = False  # whether the next token is a key

    def formatted(self) -> str:
        """Return the text with every gap between tokens written anew."""
        parts: list[str] = []
        end, before, above = 0, None, self._state
        for token in YAML(typ="safe", pure=True).scan(self._seen):
            self._state = self._entered(token)
            last = isinstance(token, yaml.StreamEndToken)
            words = self._words(token)
            if not words and not last:
                continue
            start = token.start_mark.index
            fresh = not parts or parts[-1].endswith("\n")
            gap = Gap(self._text[end:start], fresh=fresh, last=last)
            parts.append(self._between(gap, before, token, above))
            parts.append(self._placed(token, words))
            self._state, self._key = self._left(token), False
            end, before, above = start + len(words), token, self._state
        return "".join(parts)

    def _entered(self, token: Any) -> _State:
        """Return where a token is."""
        state, column = self._state, token.start_mark.column
        levels = state.levels
        match token:
            case yaml.BlockMappingStartToken():
                return replace(state, levels=(*levels, _Level(column, state.inner, mapping=True)))
            case yaml.BlockSequenceStartToken():
                return replace(state, levels=(*levels, _Level(column, state.inner)))
            case yaml.BlockEndToken():
                return replace(state, levels=_without_indentless(levels)[:-1])
            case yaml.BlockEntryToken() if levels and levels[-1].mapping:
                level = _Level(column, state.inner, indentless=True)
                return replace(state, levels=(*levels, level))
            case yaml.KeyToken():
                self._key = True
                if not state.brackets:
                    return replace(state, levels=_without_indentless(levels))
            case yaml.DocumentStartToken() | yaml.DocumentEndToken():
                return _State()
        return state

    def _left(self, token: Any) -> _State:
        """Return where what follows a token is."""
        state = self._state
        if isinstance(token, _OPENING):
            if not state.brackets:
                self._line = state.inner
            return replace(state, brackets=(*state.brackets, self._line))
        if isinstance(token, _CLOSING):
            return replace(state, brackets=state.brackets[:-1])
        return state

    def _words(self, token: Any) -> str:
        """Return the words of a token, without what only ends its last line."""
        words = self._text[token.start_mark.index : token.end_mark.index]
        if getattr(token, "style", None) in BLOCK_SCALARS and "+" not in words.split("\n", 1)[0]:
            return words.rstrip("\n ") if words.strip() else words
        return words

    def _between(self, gap: Gap, before: Any, token: Any, above: _State) -> str:
        if not gap.broken:
            return _space(before, token) if before is not None else ""
        indent = self._column(token)
        if self._state.brackets:
            self._line = indent
        comments = [self._of_comment(each, above, indent) for each in gap.columns]
        return gap.text(indent, comments, last=isinstance(token, yaml.StreamEndToken))

    def _column(self, token: Any) -> int:
        """Return the column of a token that begins a line."""
        state = self._state
        if state.brackets:
            return state.brackets[-1] + (0 if isinstance(token, _CLOSING) else STEP)
        if not state.levels or isinstance(token, _MARKS):
            return 0
        first = self._key or isinstance(token, yaml.BlockEntryToken | yaml.ValueToken)
        return state.levels[-1].new if first else state.inner

    def _of_comment(self, column: int, above: _State, indent: int) -> int:
        """Return the column of a comment: that of the collection it stood in, as far as one can tell."""
        if above.brackets:
            return above.brackets[-1] + STEP
        levels = (*self._state.levels[::-1], *above.levels[::-1])
        if not levels:
            return indent
        return min(levels, key=lambda each: abs(each.old - column)).new

    def _placed(self, token: Any, words: str) -> str:
        """Return a token's words, the lines of a long scalar moved to where it stands now."""
        if not isinstance(token, yaml.ScalarToken) or "\n" not in words:
            return words
        state = self._state
        level = state.levels[-1] if state.levels else _Level(0, 0)
        if token.style in BLOCK_SCALARS:
            inner = state.inner or STEP
            return block_scalar(words, parent=(level.old, level.new), indent=inner)
        return folded(words, state.brackets[-1] + STEP if state.brackets else state.inner)


def _without_indentless(levels: tuple[_Level, ...]) -> tuple[_Level, ...]:
    return levels[:-1] if levels and levels[-1].indentless else levels


def _space(before: Any, token: Any) -> str:
    """Return what stands between two tokens on one line."""
    if isinstance(before, yaml.ValueToken):
        return " "
    if isinstance(before, _OPENING) or isinstance(token, (*_CLOSING, yaml.FlowEntryToken)):
        return ""
    return "" if isinstance(token, yaml.ValueToken) else " "
