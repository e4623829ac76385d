"""From a conversation to what the model reads, and to how its answer is to be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from lmctl.base.talk import Chat, Message, Tool, ToolCall
from lmctl.chat import thinking
from lmctl.chat.ability import Ability, ability
from lmctl.chat.described import described
from lmctl.chat.formats import Channels, Format, Formats, Frame, Json
from lmctl.chat.parse.calls import Offered
from lmctl.chat.parse.parser import Reading
from lmctl.chat.template import Markers, render
from lmctl.chat.tool_names import told_names
from lmctl.chat.writing import Written, with_calls_written


@dataclass(frozen=True, slots=True)
class Calling:
    """The tools that may be called, or have to be, by the names the model was told, and how it
    writes calls; there may be none where even a plain answer is written in a way of its own.
    `strict`: those it decides to make are held to the schemas of their tools.
    """

    tools: tuple[Tool, ...]
    way: Written | Channels
    single: bool
    required: bool
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """The prompt, how the answer is read, the marks in it that may be tokens of their own, what
    ends a thought that has gone on for long enough, and what can be called, if anything.
    """

    prompt: str
    reading: Reading
    marks: tuple[str, ...]
    enough: str
    calling: Calling | None = None


def conversation(
    chat: Chat, template: str, *, now: datetime, markers: Markers, formats: Formats
) -> Conversation:
    """Return the conversation as this template writes it. Raises BadRequest when it refuses."""
    able = ability(template, formats)
    names = _names(chat)
    offered = chat.tools if chat.tool_choice.mode != "none" else ()
    tools = tuple(msgspec.structs.replace(each, name=names[each.name]) for each in offered)
    messages = _renamed(chat.messages, names, able)
    if not able.tools:
        messages, tools = described(messages, tools, formats.described), ()
    elif not able.calls and able.written is not None:
        messages = with_calls_written(messages, able.written)
    told = thinking.variables(chat.reasoning, able, formats.thoughts, template=template)
    prompt = render(
        template,
        messages,
        now=now,
        markers=markers,
        tools=tools,
        variables=chat.template.variables | told | chat.template_variables,
    )
    return _read_as(chat, _ended(prompt, chat, able, formats), names, able, formats)


def _ended(prompt: str, chat: Chat, able: Ability, formats: Formats) -> str:
    """Return the prompt with the end that keeps the model from thinking, where that is wanted."""
    channels = able.format.channels if able.format else None
    if channels is not None and (
        thinking.off(chat.reasoning) or chat.tool_choice.mode == "required"
    ):
        return prompt + channels.skipped
    if not thinking.off(chat.reasoning):
        return prompt
    thought = thinking.thought_of(chat.reasoning, able, formats.thoughts)
    return thinking.closed(prompt, thought, able, formats.thoughts)


def _read_as(
    chat: Chat, prompt: str, names: Mapping[str, str], able: Ability, formats: Formats
) -> Conversation:
    offered = chat.tools if chat.tool_choice.mode != "none" else ()
    thought = thinking.thought_of(chat.reasoning, able, formats.thoughts)
    calling = _calling(chat, names, able)
    known = _known(able, formats, calling) if offered else ()
    channels = able.format.channels if able.format else None
    reading = Reading(
        formats=known,
        thought=thought,
        channels=channels,
        tools={names[each.name]: Offered(each.name, each.parameters or {}) for each in offered},
        inside=prompt.rstrip().endswith(thought.begin),
        separate=chat.reasoning.separate,
        single=not chat.tool_choice.parallel,
        strangers=_framed(able) if chat.strangers and offered else (),
    )
    marks = [mark for each in known for mark in each.marks()]
    if channels is not None and able.format is not None:
        marks += able.format.marks()
    marks += (thought.begin, thought.end, *thought.drops)
    enough = channels.enough if channels else thought.empty.removeprefix(thought.begin)
    return Conversation(prompt, reading, tuple(dict.fromkeys(marks)), enough, calling)


def _calling(chat: Chat, names: Mapping[str, str], able: Ability) -> Calling | None:
    choice = chat.tool_choice
    way = able.written or (able.format.channels if able.format else None)
    offered = chat.tools if choice.mode != "none" else ()
    if way is None or not (offered or isinstance(way, Channels)):
        return None
    wanted = tuple(
        msgspec.structs.replace(each, name=names[each.name])
        for each in offered
        if choice.name in (None, each.name)
    )
    required = choice.mode == "required"
    strict = choice.mode == "auto" and any(each.strict for each in wanted)
    return Calling(
        wanted,
        way,
        single=not choice.parallel,
        required=required,
        strict=strict and isinstance(way, Written),
    )


def _known(able: Ability, formats: Formats, calling: Calling | None) -> tuple[Format, ...]:
    """Return every format the answer may have calls in: the model's own counts first. Where calls
    are held to schemas it is only what their grammar holds: its one way, and JSON.
    """
    known = (able.format,) if able.format else ()
    every = (*known, formats.plain, formats.lenient)
    if calling is None or not calling.strict or not isinstance(calling.way, Written):
        return every
    own = able.format if able.tools and able.format else formats.plain
    opens = (calling.way.opened,) if calling.way.opened else ()
    only = msgspec.structs.replace(own, frames=(calling.way.frame,), opens=opens)
    return (only, *(_in_json(each) for each in every if each is not own))


def _in_json(form: Format) -> Format:
    frames = tuple(each for each in form.frames if isinstance(each.body, Json))
    return msgspec.structs.replace(form, frames=frames)


def _framed(able: Ability) -> tuple[Frame, ...]:
    """Return the frames in which the model writes nothing but calls."""
    return tuple(each for each in able.format.frames if each.begin) if able.format else ()


def _names(chat: Chat) -> Mapping[str, str]:
    said = (call.name for message in chat.messages for call in message.tool_calls)
    every = dict.fromkeys((*(each.name for each in chat.tools), *said))
    return told_names(every, chat.tool_naming)


def _renamed(
    messages: tuple[Message, ...], names: Mapping[str, str], able: Ability
) -> tuple[Message, ...]:
    """Return the turns with names, and ids, as the model was told them."""
    functions = able.format is not None and able.format.ids == "functions"
    ids: dict[str, str] = {}
    answers: dict[str, str] = {}
    renamed = []
    for message in messages:
        calls = []
        for number, call in enumerate(message.tool_calls, start=len(ids)):
            name = names[call.name]
            ids[call.id] = f"functions.{name}:{number}" if functions else call.id
            answers[call.id] = name
            calls.append(ToolCall(ids[call.id], name, call.arguments))
        answered = message.tool_call_id
        renamed.append(
            msgspec.structs.replace(
                message,
                name=answers.get(answered, message.name) if answered else message.name,
                tool_calls=tuple(calls),
                tool_call_id=ids.get(answered, answered) if answered else None,
            )
        )
    return tuple(renamed)
