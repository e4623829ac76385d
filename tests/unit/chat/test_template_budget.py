"""Templates that want out of their sandbox, or more of the machine than a prompt can be worth."""

from datetime import UTC, datetime

import pytest

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Message
from lmctl.chat.template import render

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
HELLO = (Message("system", "Be brief."), Message("user", "Hello"))
LONG = "{% set x = 'x' * 8000000 %}"
EACH = "{% for i in range(99999) %}"
NEST = "{% set n = namespace(x=[0], y=[0]) %}{% for i in range(60) %}"
BOMB = NEST + "{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}"
TUPLES = (
    "{% set n = namespace(x=(0,)) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}"
)


def show(template):
    return render(template, HELLO, now=NOW)


def calling(*, times, deep, text):
    """Macros that each call the one before many times."""
    found = "{% macro m0() %}" + text + "{% endmacro %}"
    for number in range(1, deep):
        calls = f"{{{{ m{number - 1}() }}}}" * times
        found += f"{{% macro m{number}() %}}{calls}{{% endmacro %}}"
    return found + f"{{{{ m{deep - 1}() }}}}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ ''|attr('__cl' ~ 'ass__') }}",
        "{{ [''] | map(attribute='__class__') | list }}",
        "{{ [''] | map('attr', '__class__') | list }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{a.__class__}'.format_map({'a': 1}) }}",
        "{{ strftime_now.__globals__ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ raise_exception['__globals__'] }}",
        "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
        "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
        "{{ (messages|map('upper')).gi_frame }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self._TemplateReference__context.environment }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ messages.append.__self__ }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends '/etc/passwd' %}",
        "{{ meter.steps }}",
    ],
)
def test_nothing_of_what_is_behind_the_sandbox_is_seen(template):
    try:
        shown = show(template)
    except BadRequest:
        return
    assert shown in {"", "[Undefined]", "[Undefined, Undefined]"}


@pytest.mark.parametrize(
    "template",
    [
        # texts
        "{{ 'x'.center(10**9) }}",
        "{{ 'x'.ljust(10**9) }}",
        "{{ 'x'.zfill(10**9) }}",
        "{{ '\t'.expandtabs(10**9) }}",
        "{{ 'x' | center(10**9) }}",
        "{{ 'x' | wordwrap(1) }}",
        "{{ ('x\n' * 1000) | indent(10**7) }}",
        "{% filter indent(10**9) %}a\nb{% endfilter %}",
        "{% set y | indent(10**9) %}a\nb{% endset %}",
        "{{ [1] | tojson(indent=10**9) }}",
        "{{ ('x' * 10**6).replace('x', 'y' * 10**6) }}",
        "{{ ('x' * 10**6) | replace('x', 'y' * 10**6) }}",
        "{{ ['x' * 10**6] | map('replace', 'x', 'y' * 10**6) | list }}",
        "{{ ('x' * 10**6).join(['y'] * 10**5) }}",
        "{{ (['y'] * 10**5) | join('x' * 10**6) }}",
        "{{ '{:>1000000000}'.format('x') }}",
        "{{ '{:>{}}'.format('x', 10**9) }}",
        "{{ '{:>{n}}'.format_map({'n': 10**9}) }}",
        "{{ '{:.999999999f}'.format(1.0) }}",
        "{{ '%1000000000s' | format('x') }}",
        "{{ '%*d' | format(10**9, 1) }}",
        "{{ '%.999999999f' % 1.0 }}",
        ("{% set n = namespace(x='x') %}{% for i in range(60) %}{% set y %}{{ n.x }}{{ n.x }}{% endset %}"
        "{% set n.x = y %}{% endfor %}"),
        # what is kept
        LONG + "{% set l = [] %}" + EACH + "{% set _ = l.append(x.upper()) %}{% endfor %}",
        LONG + "{% set n = namespace(l=[]) %}" + EACH + "{% set n.l = n.l + [x[1:]] %}{% endfor %}",
        LONG + "{% set n = namespace(l=[]) %}" + EACH + "{% set n.l = n.l + [x ~ 'y'] %}{% endfor %}",
        LONG + EACH + "{% set y %}{{ x }}{% endset %}{% endfor %}",
        "{{ (['x' * 8000000] * 1000) | map('upper') | list | length }}",
        # time
        EACH + "{% set _ = range(99999) | list | sort %}{% endfor %}",
        LONG + EACH + "{% if 'y' in x %}{% endif %}{% endfor %}",
        LONG + EACH + "{% if 'y' is in(x) %}{% endif %}{% endfor %}",
        LONG + EACH + "{% set _ = x.count('y') %}{% endfor %}",
        "{% macro m() %}{% endmacro %}" + EACH + "{{ m(*range(9999)) }}{% endfor %}",
        calling(times=50, deep=5, text="xxxxxxxxxx"),
        calling(times=100, deep=5, text=""),
        "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        # lists that hold each other
        BOMB + "{{ n.x }}",
        BOMB + "{{ n.x | tojson }}",
        BOMB + "{{ n.x ~ '' }}",
        BOMB + "{{ n.x == n.y }}",
        BOMB + "{{ [n.x].index(n.y) }}",
        BOMB + "{{ [n.x, n.y] | sort | length }}",
        TUPLES + "{{ {n.x: 1} | length }}",
        TUPLES + "{{ messages[0].get(n.x) }}",
        NEST + "{% set n.x = dict(a=n.x, b=n.x) %}{% endfor %}",
        NEST + "{% set n.x = namespace(a=n.x, b=n.x) %}{% endfor %}{{ n.x }}",
        NEST + "{% set l = [] %}{% set _ = l.append(n.x) %}{% set _ = l.append(n.x) %}{% set n.x = l %}"
        "{% endfor %}",
        ("{% set n = namespace(x=1) %}{% macro m() %}{% set n.x = varargs %}{% endmacro %}"
        "{% for i in range(60) %}{{ m(n.x, n.x) }}{% endfor %}"),
        "{% set n = namespace(x=[1]) %}{% for i in range(6) %}{% set n.x = [n.x] * 1000 %}{% endfor %}",
    ],
)  # fmt: skip
def test_more_than_its_share_is_refused_before_it_is_taken(template):
    with pytest.raises(BadRequest, match="chat template"):
        show(template)


def test_a_template_can_neither_refill_nor_replace_its_meter():
    hostile = (
        "{% set meter = none %}{% set context = {} %}" + EACH + "{% endfor %}" * 1
        + "".join(EACH + "{% endfor %}" for _ in range(11))
    )  # fmt: skip

    with pytest.raises(BadRequest, match="more than 1000000 steps"):
        show(hostile)


def test_a_long_conversation_is_no_attack():
    template = (
        "{% set n = namespace(x='') %}{% for m in messages %}"
        "{% if loop.index0 == messages|length - 1 %}last {% endif %}"
        "{% set n.x = n.x ~ '<' ~ m.role ~ '>' ~ (m.content | trim) %}{% endfor %}{{ n.x }}"
    )
    turns = tuple(Message("user", "hello " * 20) for _ in range(2000))

    assert render(template, turns, now=NOW).startswith("last <user>hello ")
