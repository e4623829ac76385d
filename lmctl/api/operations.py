"""What can be asked of the gateway, operation by operation: the table `/openapi.json` is made of."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from lmctl.api import answer_shapes as openai
from lmctl.api import native_shapes as native
from lmctl.api.anthropic_body import CountBody, MessagesBody
from lmctl.api.native_chat_body import NativeChatBody
from lmctl.api.native_models import LoadBody, UnloadBody
from lmctl.api.openai_chat import ChatBody
from lmctl.api.openai_completions import CompletionBody
from lmctl.api.openai_embeddings import EmbeddingsBody
from lmctl.api.responses_body import ResponsesBody

Kind = type[BaseModel]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path: what it takes, what it answers, and whether it can stream that.

    `query` are its parameters beside those of the path, each as OpenAPI writes it.
    """

    method: str
    path: str
    summary: str
    answer: Kind
    body: Kind | None = None
    streams: bool = False
    query: tuple[dict[str, Any], ...] = ()


_PAGE: Final[tuple[dict[str, Any], ...]] = (
    {"name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
    {"name": "order", "schema": {"enum": ["asc", "desc"], "default": "desc"}},
    {"name": "after", "schema": {"type": "string"}},
)

OPERATIONS: Final = (
    Operation(
        "post",
        "/v1/chat/completions",
        "Answer a conversation",
        openai.ChatCompletion,
        ChatBody,
        streams=True,
    ),
    Operation(
        "post",
        "/v1/completions",
        "Go on with a text",
        openai.TextCompletion,
        CompletionBody,
        streams=True,
    ),
    Operation(
        "post", "/v1/embeddings", "Turn texts into vectors", openai.VectorList, EmbeddingsBody
    ),
    Operation(
        "post",
        "/v1/responses",
        "Answer, and remember it",
        openai.ResponseObject,
        ResponsesBody,
        streams=True,
    ),
    Operation("get", "/v1/responses/{response_id}", "Read a response", openai.ResponseObject),
    Operation("delete", "/v1/responses/{response_id}", "Forget a response", openai.DeletedResponse),
    Operation(
        "get",
        "/v1/responses/{response_id}/input_items",
        "List what a response was asked with",
        openai.ListedItems,
        query=_PAGE,
    ),
    Operation(
        "post",
        "/v1/responses/{response_id}/cancel",
        "Call off a response in the background",
        openai.ResponseObject,
    ),
    Operation("get", "/v1/models", "List public names", openai.ListedModels),
    Operation("get", "/v1/models/{model}", "Read one public name", openai.ListedModel),
    Operation(
        "post",
        "/v1/messages",
        "Answer a conversation in Anthropic's dialect",
        openai.AnthropicMessage,
        MessagesBody,
        streams=True,
    ),
    Operation(
        "post",
        "/v1/messages/count_tokens",
        "Count the tokens of a prompt",
        openai.CountedTokens,
        CountBody,
    ),
    Operation(
        "post",
        "/api/v1/chat",
        "Answer a turn of a conversation that is remembered",
        native.NativeChatResult,
        NativeChatBody,
        streams=True,
    ),
    Operation("get", "/api/v1/models", "List models", native.NativeModelList),
    Operation("post", "/api/v1/models/load", "Load a model", native.LoadedModel, LoadBody),
    Operation(
        "post", "/api/v1/models/unload", "Unload an instance", native.UnloadedModel, UnloadBody
    ),
    Operation("get", "/api/v0/models", "List variants of models", native.V0ModelList),
    Operation("get", "/api/v0/models/{model}", "Read one variant", native.V0ModelEntry),
    Operation(
        "post",
        "/api/v0/chat/completions",
        "Answer a conversation, and tell how",
        native.V0ChatCompletion,
        ChatBody,
        streams=True,
    ),
    Operation(
        "post",
        "/api/v0/completions",
        "Go on with a text, and tell how",
        native.V0TextCompletion,
        CompletionBody,
        streams=True,
    ),
    Operation(
        "post", "/api/v0/embeddings", "Turn texts into vectors", openai.VectorList, EmbeddingsBody
    ),
)
