"""The words of a conversation: what a client asks and what comes back, in no client's dialect.

Every dialect of `api/` translates into a `Call` and back from `Event`s; the runner speaks
nothing else. The values cross the runner's socket, so they are msgspec structs: frozen, tagged,
and encoded without a second description of the same thing.
"""

from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls"]


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn. `tool_calls` and `tool_call_id` have OpenAI's meaning and shape."""

    role: Role
    content: str = ""
    name: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str | None = None


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


class Chat(msgspec.Struct, frozen=True, tag=True):
    """A conversation to continue; rendered with the model's own template."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    template_variables: dict[str, Any] = {}


class Prompt(msgspec.Struct, frozen=True, tag=True):
    """Raw text to continue; no template."""

    text: str


class Call(msgspec.Struct, frozen=True):
    """One request for generated text, every setting already decided.

    `max_tokens` None means until the model stops or the context is full. `queue` is behind how
    many others it may wait for a slot and `queue_deadline` for how many seconds; None leaves
    both to the runner's spec.
    """

    id: str
    input: Chat | Prompt
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    queue: int | None = None
    queue_deadline: float | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens counted by the runner: `prompt_tokens` includes the template, `cached_tokens` of
    them did not have to be computed again.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


class Started(msgspec.Struct, frozen=True, tag=True):
    """The prompt has been read; text follows."""

    prompt_tokens: int


class TextDelta(msgspec.Struct, frozen=True, tag=True):
    """More text: whole characters, never a part of a stop string."""

    text: str


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The last event of every call that went well. Times are in seconds."""

    reason: FinishReason
    usage: Usage
    stop_string: str | None = None
    time_to_first_token: float = 0.0
    generation_time: float = 0.0


Event = Started | TextDelta | Finished
