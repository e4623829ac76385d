"""What is written below a field of a manifest, for schemas and `explain`.

Pydantic can read these texts too, but does it whenever a model is imported: a fifth of what a command
takes to start. Here they are read where they are needed.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


def field_texts(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the text below each field of a model by its name, those of its parents included."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            found |= _classes(each.__module__).get(each.__qualname__, {})
    return found


@cache
def _classes(module: str) -> Mapping[str, Mapping[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        node.name: dict(_below(node.body)) for node in tree.body if isinstance(node, ast.ClassDef)
    }


def _below(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, after in pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, inspect.cleandoc(text)
