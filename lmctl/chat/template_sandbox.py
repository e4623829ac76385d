"""The Jinja environment of chat templates: jinja2's immutable sandbox, with a meter on everything.

A template reaches the filters that templates in the wild use and no others; each is either cheap, or
looks first at what it would make. The meter lies in the context under a name that no template can
write, so that none can refill it.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NoReturn, cast

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.filters import FILTERS
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from lmctl.chat import template_budget as budget
from lmctl.chat.template_budget import Meter, refused

METER: Final = " meter"
_OF_A_CALL: Final = 3  # steps; a turn of a loop takes a third of its time
_GROWING: Final = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "translate"})
_FLAT: Final = frozenset({"list", "items", "reverse", "attr"})
"""Filters that do not look into what is in a container."""
_FREE: Final = frozenset({"length", "count", "first", "last", "default", "d", "safe"})
_OTHERS: Final = frozenset(
    {
        "select", "selectattr", "reject", "rejectattr", "dictsort", "sort", "unique", "min", "max",
        "string", "upper", "lower", "trim", "capitalize", "title", "escape", "e", "int", "float",
        "round", "abs", "wordcount",
    }
)  # fmt: skip
_SEARCHING: Final = frozenset({"append", "index", "count"})
_MANY: Final = frozenset({"varargs", "kwargs"})


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`: marks the assistant's text for training; only its body."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it as an instance variable

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Metering(NodeTransformer):
    """Puts the meter into a template wherever a loop turns, a text grows or a value is looked through."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - jinja2 finds it by this name
        self.generic_visit(node)
        node.iter = _filter("turned", node.iter)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if node.name in _FREE:
            return node
        if node.node is not None:
            node.node = _filter("weighed" if node.name in _FLAT else "whole", node.node)
        return cast("nodes.Node", _filter("weighed", node))

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.nodes = [_filter("listed", each) for each in node.nodes]
        return cast("nodes.Node", _filter("weighed", node))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return cast("nodes.Node", _filter("weighed", node))
        node.arg = _filter("whole", node.arg)
        return node

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        many = node.ctx == "load" and node.name in _MANY
        return cast("nodes.Node", _filter("whole", node)) if many else node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        return self._container(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        return self._container(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return self._container(node) if node.ctx == "load" else node

    def _container(self, node: nodes.Expr) -> nodes.Node:
        """Weigh what is put into another with all that is in it: it may be there many times."""
        self.generic_visit(node)
        return cast("nodes.Node", _filter("whole", node))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filter("whole", node.expr)
        for each in node.ops:
            each.expr = _filter("whole", each.expr)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.args = [_filter("whole", each) for each in node.args or ()]
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        found = nodes.Filter(node.filter, "weighed", [], [], None, None, lineno=node.lineno)
        found.environment = node.environment
        node.filter = found
        return node


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment itself."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return cast("nodes.Template", _Metering().visit(super()._parse(source, name, filename)))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow `list.append` and `pop`: real templates collect with them, and what they are given
        is theirs. No method that makes a text of any width.
        """
        if isinstance(obj, list) and attr in {"append", "pop"}:
            return True
        if isinstance(obj, str) and attr in _GROWING:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        budget.check_operands(operator, left, right)
        if operator == "%":
            _meter(context).weigh_whole(right)
        found = super().call_binop(context, operator, left, right)
        if operator == "*":
            _meter(context).weigh_whole(found)
        else:
            _meter(context).weigh(found)
        return found

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as jinja2 has it
        """Call what a template calls: a macro, a function of ours, a method of a value."""
        meter = _meter(__context)
        meter.spend(_OF_A_CALL + len(args) + len(kwargs))
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps `format`
        owner = getattr(method, "__self__", None)
        if isinstance(owner, str):
            meter.weigh(owner)
            args = _checked(meter, owner, method.__name__, args, kwargs)
        elif isinstance(owner, list | tuple) and method.__name__ in _SEARCHING:
            meter.weigh_whole([owner if method.__name__ != "append" else None, *args])
        for each in args:
            (meter.weigh_whole if isinstance(each, tuple) else meter.weigh)(each)
        found = super().call(__context, __obj, *args, **kwargs)
        (meter.weigh_whole if __obj is dict else meter.weigh)(found)
        return found


def _checked(
    meter: Meter, text: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    """Return the arguments of a text's method once it is clear that what it makes fits."""
    match method, args:
        case "replace", (str(old), str(new), *_):
            budget.check_replaced(text, old, new)
        case "join", (pieces,):
            args = (list(pieces),)
            budget.check_joined(args[0], text)
        case "format" | "format_map", _:
            budget.check_format(text)
            meter.weigh_whole([*args, *kwargs.values()])
    return args


@lru_cache(maxsize=1)
def environment() -> Sandbox:
    """Return the environment all templates are made in."""
    extensions = ["jinja2.ext.loopcontrols", _Generation]
    found = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=extensions, finalize=_listed)
    known = _FREE | _FLAT | _OTHERS
    found.filters = {name: FILTERS[name] for name in known} | {
        "tojson": _to_json,
        "map": _map,
        "join": _join,
        "replace": _replace,
        "indent": _indent,
        "format": _format,
        "turned": _turned,
        "weighed": _weighed,
        "whole": _whole,
        "listed": _listed,
    }
    found.globals["raise_exception"] = _raise
    for name in ("lipsum", "cycler", "joiner"):
        del found.globals[name]
    return found


def _filter(name: str, value: Any) -> Any:
    """Return a node with a filter of ours around it; what stands in the template itself needs none."""
    if isinstance(value, nodes.Const):
        return value
    found = nodes.Filter(cast("nodes.Expr", value), name, [], [], None, None, lineno=value.lineno)
    found.environment = value.environment
    return found


def _meter(context: Context) -> Meter:
    return cast("Meter", context[METER])


@jinja2.pass_context
def _turned(context: Context, values: Any) -> Any:
    """Count a loop's turns before they begin."""
    found = list(values)
    _meter(context).spend(len(found))
    return found


@jinja2.pass_context
def _weighed(context: Context, value: Any) -> Any:
    _meter(context).weigh(value)
    return value


@jinja2.pass_context
def _whole(context: Context, value: Any) -> Any:
    _meter(context).weigh_whole(value)
    return value


@jinja2.pass_context
def _listed(context: Context, value: Any) -> Any:
    """Count what becomes a text and is none yet: lists are written with all that is in them."""
    if not isinstance(value, str):
        _meter(context).weigh_whole(value)
    return value


@jinja2.pass_context
def _map(context: Context, *args: Any, **kwargs: Any) -> Iterator[Any]:
    for each in FILTERS["map"](context, *args, **kwargs):
        _meter(context).spend()
        _meter(context).weigh(each)
        yield each


@jinja2.pass_context
def _join(context: Context, value: Any, d: str = "", attribute: str | int | None = None) -> Any:
    pieces = list(value)
    budget.check_joined(pieces, d)
    return FILTERS["join"](context.eval_ctx, pieces, d, attribute)


@jinja2.pass_context
def _replace(context: Context, s: Any, old: str, new: str, count: int | None = None) -> Any:
    budget.check_replaced(str(s), old, new)
    return FILTERS["replace"](context.eval_ctx, s, old, new, count)


def _indent(s: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> Any:  # noqa: FBT001, FBT002 - as jinja2 has it
    budget.check_indented(str(s), width)
    return FILTERS["indent"](s, width, first, blank)


def _format(value: Any, *args: Any, **kwargs: Any) -> Any:
    budget.check_percent(str(value))
    return FILTERS["format"](value, *args, **kwargs)


def _raise(message: object) -> NoReturn:
    raise refused(str(message))


def _to_json(
    value: Any,
    *,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: Sequence[str] | None = None,
    sort_keys: bool = False,
    default: Any = None,
) -> str:
    """Return JSON as Hugging Face's filter does: no HTML escapes, non-ASCII as it is."""
    budget.check_indented("", indent or 0)
    parts = (separators[0], separators[1]) if separators else None
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=parts,
        sort_keys=sort_keys,
        default=default,
    )
