"""The words of a conversation: what a client asks and what comes back, in no client's dialect.

Every dialect of `api/` translates into a `Call` and back from `Event`s; the runner speaks
nothing else. The values cross the runner's socket, so they are msgspec structs: frozen, tagged,
and encoded without a second description of the same thing.
"""

from typing import Any, Literal

import msgspec

from lmctl.base.template_override import TemplateOverride

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls"]


class Text(msgspec.Struct, frozen=True, tag=True):
    """A piece of text in a message of several parts."""

    text: str


class Image(msgspec.Struct, frozen=True, tag=True):
    """An encoded image (PNG, JPEG, …) in a message, as the client sent it."""

    data: bytes
    media_type: str = ""


Content = str | tuple[Text | Image, ...]


class ToolCall(msgspec.Struct, frozen=True):
    """A call the model made. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn. `tool_call_id` says which call a tool's turn answers."""

    role: Role
    content: Content = ""
    name: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function the model may call; `parameters` is a JSON Schema, None for none. `strict` asks
    that arguments follow it to the letter.
    """

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool = False


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether the model may, must or must not call: `required` with a `name` must call that one.
    Without `parallel` it calls one at most.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None
    parallel: bool = True


ToolNaming = Literal["removeSpecial", "passThrough", "snakeCase", "camelCase"]


class Reasoning(msgspec.Struct, frozen=True, omit_defaults=True):
    """Thinking before the answer. None leaves a choice to the model's template; `budget` is in
    tokens. `start` and `end` frame it in the model's text; not `separate` leaves it in the content.
    """

    enabled: bool | None = None
    effort: str | None = None
    budget: int | None = None
    separate: bool = True
    start: str = "<think>"
    end: str = "</think>"


class JsonDocument(msgspec.Struct, frozen=True, tag=True):
    """The answer is JSON that the schema allows; None allows any object."""

    json_schema: dict[str, Any] | bool | None = None


class Grammar(msgspec.Struct, frozen=True, tag=True):
    """The answer follows a GBNF (llama.cpp) or Lark grammar."""

    grammar: str
    syntax: Literal["gbnf", "lark"] = "gbnf"


class Pattern(msgspec.Struct, frozen=True, tag=True):
    """The whole answer matches a regular expression."""

    regex: str


class OneOf(msgspec.Struct, frozen=True, tag=True):
    """The answer is one of these texts."""

    choices: tuple[str, ...]


Constraint = JsonDocument | Grammar | Pattern | OneOf


class Mirostat(msgspec.Struct, frozen=True):
    """Sampling that steers towards a target surprise; replaces top-k, top-p and min-p."""

    version: Literal[1, 2]
    learning_rate: float = 0.1
    target_entropy: float = 5.0


class Sampling(msgspec.Struct, frozen=True):
    """How the next token is chosen; defaults are LM Studio's (contract 3.2).

    `temperature` 0 is greedy. `None` turns a sampler off. `seed` None draws a fresh one.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float | None = 0.95
    min_p: float | None = 0.05
    repeat_penalty: float | None = 1.1
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    typical_p: float | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    mirostat: Mirostat | None = None


class Drafting(msgspec.Struct, frozen=True, omit_defaults=True):
    """Speculative decoding for this call; None leaves a choice to the instance.

    `draft` False turns it off. `model` names what guesses: `prompt-lookup`, or the draft model the
    instance has loaded. `most` and `least` are tokens per draft; `least_probability` is where the
    draft model stops guessing.
    """

    draft: bool | None = None
    model: str | None = None
    most: int | None = None
    least: int | None = None
    least_probability: float | None = None


class Chat(msgspec.Struct, frozen=True, tag=True):
    """A conversation to continue; rendered with the model's own template.

    What `template` says counts below `template_variables`, which the request itself gives.
    `tool_naming` is how names of tools are written for the model; calls have the tools' own names.
    With `strangers` what is written as a call of a tool nobody offered is one, else it is text.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    tool_naming: ToolNaming = "removeSpecial"
    reasoning: Reasoning = Reasoning()
    template: TemplateOverride = TemplateOverride()
    template_variables: dict[str, Any] = {}
    strangers: bool = False


class Prompt(msgspec.Struct, frozen=True, tag=True):
    """Raw text, or tokens of the model, to continue; no template. A `suffix` asks for what lies
    between the two (fill in the middle).
    """

    text: str = ""
    tokens: tuple[int, ...] | None = None
    suffix: str | None = None


class Texts(msgspec.Struct, frozen=True, tag=True):
    """Texts (or their tokens) to turn into vectors; what is longer than the context is cut.

    `dimensions` keeps that many numbers of each, scaled to length 1 again; None keeps all.
    """

    texts: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None


Overflow = Literal["stopAtLimit", "truncateMiddle", "rollingWindow"]


class Call(msgspec.Struct, frozen=True):
    """One request, every setting already decided.

    `max_tokens` None means until the model stops or the context is full; `overflow` is what then
    happens (contract 3.2). `logprobs` asks for the log probability of each token and of that many
    alternatives, None for none. `progress` asks for `PromptProgress` events. `queue` is behind how
    many others it may wait for a slot and `queue_deadline` for how many seconds; None leaves
    both to the runner's spec.
    """

    id: str
    input: Chat | Prompt | Texts
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    queue: int | None = None
    queue_deadline: float | None = None
    constraint: Constraint | None = None
    overflow: Overflow = "truncateMiddle"
    logprobs: int | None = None
    drafting: Drafting = Drafting()
    progress: bool = False


class Usage(msgspec.Struct, frozen=True):
    """Tokens counted by the runner: `prompt_tokens` includes the template, `cached_tokens` of
    them did not have to be computed again; `reasoning_tokens` are part of `completion_tokens`.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Drafted(msgspec.Struct, frozen=True):
    """What speculative decoding did for one answer, in tokens (contract 1.12): `total` is the sum of
    the others. `rejected` are all from the first wrong one of a draft on; `ignored` were drafted
    for nothing, because the draft was too short or the answer had ended.
    """

    drafter: str
    total: int = 0
    accepted: int = 0
    rejected: int = 0
    ignored: int = 0


class TokenChoice(msgspec.Struct, frozen=True):
    """A token and the natural logarithm of its probability, before any sampler changed it."""

    token: int
    piece: bytes
    logprob: float


class ChosenToken(msgspec.Struct, frozen=True):
    """The token that was taken, and the likeliest ones in its place, likeliest first."""

    chosen: TokenChoice
    likeliest: tuple[TokenChoice, ...] = ()


class PromptProgress(msgspec.Struct, frozen=True, tag=True):
    """So many tokens of the prompt are read, the cached ones included."""

    done: int
    total: int


class Started(msgspec.Struct, frozen=True, tag=True):
    """The prompt has been read; text follows."""

    prompt_tokens: int
    cached_tokens: int = 0


class TextDelta(msgspec.Struct, frozen=True, tag=True):
    """More text: whole characters, never a part of a stop string. `tokens` are those read since
    the last delta, when asked for.
    """

    text: str
    tokens: tuple[ChosenToken, ...] = ()


class ReasoningDelta(msgspec.Struct, frozen=True, tag=True):
    """More of what the model thinks before it answers."""

    text: str


class ToolCallStarted(msgspec.Struct, frozen=True, tag=True):
    """The model calls a tool; `index` counts the calls of this answer from 0."""

    index: int
    id: str
    name: str


class ToolCallDelta(msgspec.Struct, frozen=True, tag=True):
    """More of the arguments, a piece of JSON text."""

    index: int
    arguments: str


class ToolCallEnded(msgspec.Struct, frozen=True, tag=True):
    """The call is complete; `arguments` is all of their JSON text."""

    index: int
    arguments: str


class Embedded(msgspec.Struct, frozen=True, tag=True):
    """The vectors of the next texts, in order: little-endian float32, `dimensions` numbers each, of
    length 1.
    """

    vectors: tuple[bytes, ...]
    dimensions: int


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The last event of every call that went well. Times are in seconds. `context_full` tells the
    two kinds of `length` apart.
    """

    reason: FinishReason
    usage: Usage
    stop_string: str | None = None
    context_full: bool = False
    time_to_first_token: float = 0.0
    generation_time: float = 0.0
    drafted: Drafted | None = None


Event = (
    PromptProgress
    | Started
    | TextDelta
    | ReasoningDelta
    | ToolCallStarted
    | ToolCallDelta
    | ToolCallEnded
    | Embedded
    | Finished
)
