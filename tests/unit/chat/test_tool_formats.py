"""Answers of every family: what they mean, however they are cut."""

import json

import pytest

from tests.support.written import BY_NAME, FORMATS, THOUGHTS, Heard, arguments, heard, reading

PARIS = ("weather", {"city": "Paris", "days": 2})
OSLO = ("weather", {"city": "Oslo"})
NOW = ("now", {})


def case(family, text, *calls, said="", thought="", thoughts="think", name=""):
    return pytest.param(family, thoughts, text, list(calls), said, thought, id=name or family)


CASES = [
    case("hermes", '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris", "days": 2}}\n</tool_call>', PARIS),
    case("hermes", 'Let me look.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Paris", "days": 2}}\n</tool_call>\n<tool_call>\n{"arguments": {"city": "Oslo"}, "name": "weather"}\n</tool_call>\n', PARIS, OSLO, said="Let me look.\n", name="hermes-parallel"),
    case("hermes", '<think>\nWhere is it?\n</think>\n\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>', NOW, thought="Where is it?", name="qwen3-thinking"),
    case("hermes", '<tool_calls>[{"name": "weather", "arguments": {"city": "Paris", "days": 2}, "id": "1"}, {"name": "now", "arguments": null}]</tool_calls>', PARIS, NOW, name="apriel"),
    case("llama3", '{"name": "weather", "parameters": {"city": "Paris", "days": 2}}', PARIS),
    case("llama3", '<|python_tag|>{"name": "weather", "parameters": {"city": "Paris", "days": 2}}; {"name": "weather", "parameters": {"city": "Oslo"}}', PARIS, OSLO, name="llama3-mark"),
    case("llama3", 'One moment. <|python_tag|>{"type": "function", "function": {"name": "now", "parameters": {}}}', NOW, said="One moment. ", name="llama3-later"),
    case("llama3", "[weather(city='Paris', days=2), now()]", PARIS, NOW, name="llama-pythonic"),
    case("llama3", '<|python_start|>[weather(city="Oslo")]<|python_end|>', OSLO, name="llama4"),
    case("functionary", '<function=weather>{"city": "Paris", "days": 2}</function><function=now>{}</function>', PARIS, NOW),
    case("lfm2", "<|tool_call_start|>[weather(city='Paris', days=2)]<|tool_call_end|>Looking.", PARIS, said="Looking."),
    case("mistral", '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris", "days": 2}, "id": "abcdefghi"}, {"name": "now", "arguments": {}}]', PARIS, NOW, name="mistral-list"),
    case("mistral", '[TOOL_CALLS]weather[ARGS]{"city": "Paris", "days": 2}[TOOL_CALLS]now[CALL_ID]123456789[ARGS]{}', PARIS, NOW, name="mistral-named"),
    case("mistral", '[THINK]Hm.[/THINK]Right: [TOOL_CALLS]weather[ARGS]{"city": "Oslo"}', OSLO, said="Right: ", thought="Hm.", thoughts="magistral", name="magistral"),
    case("granite", '<|tool_call|>[{"name": "weather", "arguments": {"city": "Paris", "days": 2}}]', PARIS),
    case("granite", "<think>So.</think><response>Four.</response>", said="Four.", thought="So.", thoughts="granite", name="granite-response"),
    case("gemma", '<|tool_call>call:weather{city:<|"|>Paris<|"|>,days:2}<tool_call|>', PARIS, thoughts="gemma4", name="gemma4"),
    case("gemma", '<|channel>thought\nHm.\n<channel|><|tool_call>call:weather{deep:{a:[1,null,<|"|>x"y\n<|"|>]},all:true}<tool_call|><|tool_call>call:now{}<tool_call|>', ("weather", {"deep": {"a": [1, None, 'x"y\n']}, "all": True}), NOW, thought="Hm.", thoughts="gemma4", name="gemma4-deep"),
    case("gemma", "<start_function_call>call:weather{city:<escape>Oslo<escape>}<end_function_call>", OSLO, name="function-gemma"),
    case("deepseek", '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{"city": "Paris", "days": 2}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>', PARIS, NOW, name="deepseek-r1"),
    case("deepseek", 'Sure.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Paris", "days": 2}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>', PARIS, NOW, said="Sure.", name="deepseek-v3.1"),
    case("deepseek", '<｜DSML｜function_calls>\n<｜DSML｜invoke name="weather">\n<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name="now">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>', PARIS, NOW, name="deepseek-v3.2"),
    case("glm", "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>", PARIS),
    case("glm", "<think>Hm</think><tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_value></tool_call><tool_call>now</tool_call>", OSLO, NOW, thought="Hm", name="glm-4.7"),
    case("kimi", '<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city": "Paris", "days": 2}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>', PARIS, NOW),
    case("qwen-coder", "I look.\n<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>", PARIS, said="I look.\n"),
    case("qwen-coder", '<function=weather>\n<parameter=city>\nline "one"\nline two\n</parameter>\n<parameter=deep>\n{"a": [1, 2]}\n</parameter>\n<parameter=all>\nTrue\n</parameter>\n</function>\n</tool_call>', ("weather", {"city": 'line "one"\nline two', "deep": {"a": [1, 2]}, "all": True}), name="qwen-coder-without-tag"),
    case("qwen-coder", "<seed:think>Hm.</seed:think>\n<seed:tool_call>\n<function=now>\n</function>\n<function=weather>\n<parameter=city>Oslo</parameter>\n</function>\n</seed:tool_call>", NOW, OSLO, thought="Hm.", thoughts="seed", name="seed-oss"),
    case("invoke", '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">Paris</parameter>\n<parameter name="days">2</parameter>\n</invoke>\n<invoke name="now">\n</invoke>\n</minimax:tool_call>', PARIS, NOW),
    case("minicpm", '<function name="weather"><param name="city">Paris</param><param name="days">2</param></function>', PARIS),
    case("nemotron", '<TOOLCALL>[{"name": "weather", "arguments": {"city": "Paris", "days": 2}}]</TOOLCALL>', PARIS),
    case("cohere", '<|START_THINKING|>I will look.<|END_THINKING|><|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Paris", "days": 2}}\n]<|END_ACTION|>', PARIS, thought="I will look.", thoughts="cohere"),
    case("cohere", "<|START_RESPONSE|>It rains.<|END_RESPONSE|>", said="It rains.", thoughts="cohere", name="cohere-response"),
    case("gigachat", '<|function_call|>{"name": "weather", "arguments": {"city": "Oslo"}}', OSLO),
    case("solar", '<|think|>Hm.<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>ab12<|tool_call:name|>weather<|tool_call:args|>{"city": "Oslo"}<|tool_call:end|><|calls|>', OSLO, thought="Hm.", thoughts="solar"),
    case("harmony", '<|channel|>analysis<|message|>Need data.<|end|><|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Paris", "days": 2}<|call|>', PARIS, thought="Need data."),
    case("harmony", "<|channel|>commentary<|message|>I look it up.<|end|><|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>Noon.<|return|>", NOW, said="I look it up.Noon.", name="harmony-preamble"),
    case("plain", '[TOOL_REQUEST]{"name": "weather", "arguments": {"city": "Paris", "days": 2}}[END_TOOL_REQUEST]\n[TOOL_REQUEST]{"name": "now"}[END_TOOL_REQUEST]', PARIS, NOW),
    case("plain", '```json\n{"name": "weather", "arguments": {"city": "Paris", "days": 2}}\n```', PARIS, name="fenced"),
    case("plain", 'So:\n```\n[{"name": "weather", "arguments": {"city": "Oslo"}}]\n```\nDone.', OSLO, said="So:\nDone.", name="fenced-list"),
    case("plain", '{"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}', OSLO, name="bare-text-arguments"),
    case("plain", '\n{"name": "now", "arguments": {}}', NOW, name="bare"),
    case("plain", '<tool_call>{"function": "now", "arguments": {}}</tool_call>', NOW, name="other-tag"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "thoughts", "text", "calls", "said", "thought"), CASES)
def test_an_answer_means_the_same_however_it_is_cut(family, thoughts, text, calls, said, thought):
    how = reading(family, thoughts)

    whole = heard(how, text)

    assert arguments(whole) == calls
    assert (whole.text, whole.thought) == (said, thought)
    assert whole.whole == list(range(len(calls)))
    assert heard(how, *text) == whole
    for place in range(1, len(text)):
        assert heard(how, text[:place], text[place:]) == whole


@pytest.mark.parametrize(("family", "thoughts", "text", "calls", "said", "thought"), CASES)
def test_an_answer_that_breaks_off_at_any_byte_makes_up_no_call(
    family, thoughts, text, calls, said, thought
):
    how = reading(family, thoughts)
    whole = heard(how, text)

    for place in range(len(text.encode())):
        cut = text.encode()[:place].decode(errors="ignore")
        found = heard(how, cut)
        names = [name for name, _ in found.calls]
        assert names == [name for name, _ in whole.calls][: len(names)]
        assert found.calls[:-1] == whole.calls[: len(names)][:-1]
        assert heard(how, *(cut[n : n + 7] for n in range(0, len(cut), 7))) == found


@pytest.mark.parametrize("thoughts", sorted(THOUGHTS))
def test_each_way_to_think_means_the_same_however_it_is_cut(thoughts):
    frame = THOUGHTS[thoughts]
    text = f"{frame.begin}\nHm, \u201cso\u201d <b>.\n{frame.end}\n\nRight."
    how = reading("plain", thoughts)

    whole = heard(how, text)

    assert (whole.thought.strip(), whole.text.strip()) == ("Hm, \u201cso\u201d <b>.", "Right.")
    assert heard(how, *text) == whole
    for place in range(1, len(text)):
        assert heard(how, text[:place], text[place:]) == whole
        assert heard(how, text[:place]) == heard(how, *text[:place])


def test_every_family_is_in_the_table():
    assert {each.values[0] for each in CASES} == set(BY_NAME)


@pytest.mark.parametrize(
    "text",
    [
        "Plain words.",
        "Use `<tool_call>` to call, or <think> to think.",
        '<tool_call>\n{"name": "unknown", "arguments": {}}\n</tool_call>',
        '<tool_call>\n{"name": "weather", "argum',
        "<tool_call> is a tag",
        '{"city": "Paris"}',
        '{"name": "weather"}',
        "[1, 2, 3]",
        "[weather] is a word",
        '```json\n{"name": "Ada", "arguments": []}\n```',
        "```python\nprint(1)\n```\n",
        "````\n```",
        "<function=unknown>\n<parameter=a>",
        "[TOOL_CALLS]weather",
        "  \n",
        "<",
    ],
)  # fmt: skip
@pytest.mark.parametrize("family", ["hermes", "plain", "qwen-coder", "mistral"])
def test_what_is_no_call_is_content(family, text):
    how = reading(family)

    found = heard(how, *text)

    assert (found.text, found.calls, found.thought) == (text, [], "")
    assert heard(how, text) == found


LONG = "Some words, “quoted” and\nbroken. " * 1000


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("hermes", '<tool_call>{"name": "weather", "arguments": %s}</tool_call>'),
        ("mistral", "[TOOL_CALLS]weather[ARGS]%s"),
        ("qwen-coder", "<function=weather><parameter=city>%s</parameter></function>"),
        ("gemma", '<|tool_call>call:weather{city:<|"|>%s<|"|>}<tool_call|>'),
        ("lfm2", "<|tool_call_start|>[weather(city='%s')]<|tool_call_end|>"),
    ],
)
def test_long_arguments_come_whole(family, text):
    python = LONG.replace("\n", "\\n")
    value = {"lfm2": python, "qwen-coder": LONG, "gemma": LONG}.get(family)
    text %= json.dumps({"city": LONG}) if value is None else value

    found = heard(reading(family), *(text[n : n + 7] for n in range(0, len(text), 7)))

    assert arguments(found) == [("weather", {"city": LONG})]
    assert (found.text, heard(reading(family), text)) == ("", found)


def test_a_cut_call_keeps_the_arguments_it_has():
    found = heard(reading("hermes"), '<tool_call>\n{"name": "weather", "arguments": {"city": "Par')

    assert found.calls == [["weather", '{"city": "Par']]
    assert found.whole == [0]
    assert found.text == ""


def test_a_cut_value_stays_visibly_cut():
    text = "<tool_call>\n<function=weather>\n<parameter=city>\nPar"

    found = heard(reading("qwen-coder"), *text)

    assert found.calls == [["weather", '{"city": "Par']]


def test_what_follows_broken_arguments_is_content():
    text = '<tool_call>\n{"name": "weather", "arguments": {"city": <oops>}}\n</tool_call>'

    found = heard(reading("hermes"), *text)

    assert found.calls == [["weather", '{"city": ']]
    assert "<oops>}}" in found.text


def test_one_call_at_most_ends_the_answer():
    text = CASES[1].values[2]

    found = heard(reading("hermes", single=True), *text)

    assert arguments(found) == [PARIS]


@pytest.mark.parametrize("between", ["", "\n", "\n</tool_call>\n"])
def test_an_answer_ends_where_a_model_makes_up_the_result(between):
    text = f'<tool_call>{{"name": "now", "arguments": {{}}}}{between}<tool_response>\nnoon'

    found = heard(reading("hermes"), *text)

    assert (arguments(found), found.text) == ([NOW], "")


def test_control_characters_in_strings_become_json():
    text = '<tool_call>{"name": "weather", "arguments": {"city": "a\n\tb"}}</tool_call>'

    assert arguments(heard(reading("hermes"), *text)) == [("weather", {"city": "a\n\tb"})]


def test_arguments_come_piece_by_piece():
    how = reading("hermes")
    found = Heard()
    seen = []
    from lmctl.chat.parse.parser import Parser

    parser = Parser(how, new_id=lambda: "1")
    for piece in ['<tool_call>{"name": "weather", "argum', 'ents": {"ci', 'ty": "Pa', 'ris"}}']:
        for event in parser.push(piece):
            found.add(event)
        seen.append(found.calls[0][1] if found.calls else None)

    assert seen == [None, '{"ci', '{"city": "Pa', '{"city": "Paris"}']


def test_without_tools_marks_of_calls_are_text():
    text = CASES[0].values[2]

    found = heard(reading("hermes", tools={}), *text)

    assert (found.text, found.calls) == (text, [])


def test_marks_of_every_family_are_told_once():
    for each in (*FORMATS.families, FORMATS.plain, FORMATS.lenient):
        assert len(set(each.marks())) == len(each.marks())
        assert json.dumps(each.marks())
