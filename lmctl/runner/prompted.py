"""What a call is for one engine: the text of its prompt, what reads its answer, what it is held to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lmctl.base.errors import BadRequest
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Chat, Constraint, Grammar, JsonDocument, Prompt
from lmctl.chat.conversation import Calling, Conversation, conversation
from lmctl.chat.forced import forced
from lmctl.chat.held import held
from lmctl.chat.template import Markers
from lmctl.chat.writing import Written
from lmctl.runner.answer_reader import AnswerReader, Budget, marks_of
from lmctl.runner.constraining import Constraining
from lmctl.runner.format_files import shipped
from lmctl.runner.port import Engine, Matcher, Model


@dataclass(frozen=True, slots=True)
class Prompted:
    """A call in the model's own terms; `free` says that its constraint leaves text as it is, and ends
    nothing in time.
    """

    text: str
    reader: AnswerReader
    constraint: Constraint | None
    free: bool = False

    def matcher(self, constraining: Constraining, *, most: int) -> Matcher | None:
        """Return what holds the answer, of `most` tokens, to its constraint from where the answer
        begins. Raises BadRequest when the constraint cannot be kept.
        """
        if self.constraint is None:
            return None
        limit = None if self.free else most
        return constraining.matcher(self.constraint, waits=self.reader.thinking, most=limit)


def prompted(
    engine: Engine, call: Call, given: Chat | Prompt, *, load: LoadSettings, now: datetime
) -> Prompted:
    """Return the call for this engine, loaded as `load` says. Raises BadRequest when its template
    refuses it.
    """
    if isinstance(given, Prompt):
        return Prompted(given.text, AnswerReader(), call.constraint)
    found = conversed(engine, given, chat_template=load.chat_template, now=now)
    marks = marks_of(engine, found.marks)
    budget = _budget(engine, given, f"{load.thought_ending}{found.enough}")
    reader = AnswerReader(found.reading, marks=marks, budget=budget)
    calling = found.calling
    constraint = _constraint(call.constraint, calling, marks)
    free = constraint is not None and calling is not None and _is_free(call.constraint, calling)
    return Prompted(found.prompt, reader, constraint, free)


def _is_free(asked: Constraint | None, calling: Calling) -> bool:
    return asked is None and not calling.required and calling.strict


def conversed(
    engine: Model, chat: Chat, *, chat_template: str | None, now: datetime
) -> Conversation:
    """Return a conversation as this model reads it. Raises BadRequest."""
    facts = engine.facts
    loaded = chat_template if chat_template is not None else facts.chat_template
    template = chat.template.text or loaded
    if template is None:
        raise BadRequest(
            "this model has no chat template",
            param="messages",
            hint="set `promptTemplate` of the instance, or send a raw prompt (`/v1/completions`)",
        )
    return conversation(
        chat, template, now=now, markers=Markers(facts.bos, facts.eos), formats=shipped()
    )


def _constraint(
    asked: Constraint | None, calling: Calling | None, marks: Mapping[int, bytes]
) -> Constraint | None:
    """Return what the answer is held to: calls where they must be made, and where they may be made
    either calls or the document that was asked for; or only its calls, where a tool is strict.
    """
    document = asked if isinstance(asked, JsonDocument) else None
    tokens = {text.decode(): token for token, text in marks.items()}
    if calling is not None and _is_free(asked, calling) and isinstance(calling.way, Written):
        text = held(calling.way, calling.tools, tokens, single=calling.single)
        return Grammar(text, "lark")
    if calling is None or not (calling.required or document):
        return asked
    otherwise = None
    if document is not None and not calling.required:
        otherwise = {"type": "object"} if document.json_schema is None else document.json_schema
    grammar = forced(calling.way, calling.tools, tokens, single=calling.single, otherwise=otherwise)
    return Grammar(grammar, "lark")


def _budget(engine: Engine, chat: Chat, enough: str) -> Budget | None:
    if not chat.reasoning.budget:
        return None
    ending = engine.tokenize(enough, add_bos=False, parse_special=True)
    return Budget(chat.reasoning.budget, tuple(ending))
