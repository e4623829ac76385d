"""What answers of the OpenAI and Anthropic families look like, for `/openapi.json`.

Writers make the bytes; these say what is in them. Clients may meet fields that are not named here.
"""

from typing import Any, Literal

from pydantic import BaseModel


class OpenAiTrouble(BaseModel):
    """What went wrong: `type` is the kind, `code` what programs know it by, `param` the field."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiError(BaseModel):
    """An error of the OpenAI family."""

    error: OpenAiTrouble


class AnthropicTrouble(BaseModel):
    """What went wrong."""

    type: str
    message: str


class AnthropicError(BaseModel):
    """An error of the Anthropic family."""

    type: Literal["error"]
    error: AnthropicTrouble


class TokenUsage(BaseModel):
    """Tokens counted by the runner, the chat template included."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]
    completion_tokens_details: dict[str, int]


class AssistantMessage(BaseModel):
    """The answer of a choice; `content` is null where it only calls tools."""

    role: Literal["assistant"]
    content: str | None
    tool_calls: list[dict[str, Any]]


class ChatChoice(BaseModel):
    """One answer of a chat completion."""

    index: int
    message: AssistantMessage
    finish_reason: Literal["stop", "length", "tool_calls"]


class ChatCompletion(BaseModel):
    """A chat completion; `model` is the id of the instance that answered."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage
    system_fingerprint: str


class TextChoice(BaseModel):
    """One continued text."""

    index: int
    text: str
    finish_reason: Literal["stop", "length", "tool_calls"]


class TextCompletion(BaseModel):
    """A text completion."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: TokenUsage


class Vector(BaseModel):
    """The vector of the text number `index`: numbers, or their 32 bits in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class TextUsage(BaseModel):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class VectorList(BaseModel):
    """The vectors of texts, in order."""

    object: Literal["list"]
    data: list[Vector]
    model: str
    usage: TextUsage


class ListedModel(BaseModel):
    """A public name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ListedModels(BaseModel):
    """Every public name that is served."""

    object: Literal["list"]
    data: list[ListedModel]


class ResponseObject(BaseModel):
    """A response, and what it repeats of its request."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["completed", "incomplete", "failed", "in_progress", "cancelled"]
    incomplete_details: dict[str, Any] | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[dict[str, Any]]
    error: dict[str, Any] | None
    tools: list[dict[str, Any]]
    tool_choice: Any
    text: dict[str, Any]
    reasoning: dict[str, Any]
    usage: dict[str, Any] | None
    store: bool
    background: bool
    metadata: dict[str, Any]


class DeletedResponse(BaseModel):
    """A response that is forgotten."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class ListedItems(BaseModel):
    """A page of the items a response was asked with."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class MessageUsage(BaseModel):
    """Tokens of a message; those read from the cache are counted apart."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int


class AnthropicMessage(BaseModel):
    """A message in Anthropic's dialect."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[dict[str, Any]]
    stop_reason: Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]
    stop_sequence: str | None
    usage: MessageUsage


class CountedTokens(BaseModel):
    """How many tokens a prompt has."""

    input_tokens: int
