"""How long a refusal takes tells nothing of a token: every declared one is compared, and whole."""

import ast
from pathlib import Path

AUTH = Path(__file__).parents[2] / "lmctl" / "api" / "auth.py"


def test_every_declared_token_is_looked_at_whatever_was_found_before():
    [known] = [
        each
        for each in ast.walk(ast.parse(AUTH.read_text()))
        if isinstance(each, ast.FunctionDef) and each.name == "_known"
    ]
    [loop] = [each for each in known.body if isinstance(each, ast.For)]
    inside = list(ast.walk(loop))

    assert not [each for each in inside if isinstance(each, ast.Break | ast.Continue | ast.Return)]
    compared = [ast.unparse(each) for each in inside if isinstance(each, ast.Call)]
    assert "hmac.compare_digest(known, shown)" in compared
    assert not [each for each in inside if isinstance(each, ast.Compare)]


def test_nothing_else_compares_what_was_shown():
    """A test for equality stops at the first letter that differs."""
    found = [
        ast.unparse(each)
        for each in ast.walk(ast.parse(AUTH.read_text()))
        if isinstance(each, ast.Compare)
        and {name.id for name in ast.walk(each) if isinstance(name, ast.Name)}
        & {"token", "shown", "known"}
    ]
    assert found == []
