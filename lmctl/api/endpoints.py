"""Every endpoint of the gateway, in one table: the routes of the app and `/openapi.json` are made of it."""

from functools import partial
from typing import Any, Final

from lmctl.api import answer_shapes as openai
from lmctl.api import native_shapes as native
from lmctl.api.anthropic_body import CountBody, MessagesBody
from lmctl.api.anthropic_messages import CountTokens, Messages
from lmctl.api.metrics import Metrics
from lmctl.api.native_chat import NativeChat
from lmctl.api.native_chat_body import NativeChatBody
from lmctl.api.native_downloads import DownloadBody, DownloadModel, DownloadStatus
from lmctl.api.native_listing import NativeModels
from lmctl.api.native_models import LoadBody, LoadModel, UnloadBody, UnloadModel
from lmctl.api.openai_chat import ChatBody, ChatCompletions
from lmctl.api.openai_completions import CompletionBody, Completions
from lmctl.api.openai_embeddings import Embeddings, EmbeddingsBody
from lmctl.api.openai_models import Model, Models
from lmctl.api.openapi import OpenApi
from lmctl.api.operations import Endpoint, Operation, Parts
from lmctl.api.probes import Alive, Greeting, Ready
from lmctl.api.responses import CancelResponse, InputItems, Responses, StoredResponse
from lmctl.api.responses_body import ResponsesBody
from lmctl.api.v0 import V0Model, V0Models, V0Writer

_ASK: Final = "inference"
_LOOK: Final = "models:read"
_CHANGE: Final = "models:write"
_PAGE: Final[tuple[dict[str, Any], ...]] = (
    {"name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
    {"name": "order", "schema": {"enum": ["asc", "desc"], "default": "desc"}},
    {"name": "after", "schema": {"type": "string"}},
)

_get = partial(Operation, "get")
_post = partial(Operation, "post")


def _v0(parts: Parts) -> Any:
    return partial(V0Writer, parts.gateway)


_OPENAI: Final = (
    Endpoint(
        "/v1/chat/completions",
        _ASK,
        lambda parts: ChatCompletions(parts.gateway),
        (_post("Answer a conversation", openai.ChatCompletion, ChatBody, streams=True),),
    ),
    Endpoint(
        "/v1/completions",
        _ASK,
        lambda parts: Completions(parts.gateway),
        (_post("Go on with a text", openai.TextCompletion, CompletionBody, streams=True),),
    ),
    Endpoint(
        "/v1/embeddings",
        _ASK,
        lambda parts: Embeddings(parts.gateway),
        (_post("Turn texts into vectors", openai.VectorList, EmbeddingsBody),),
    ),
    Endpoint(
        "/v1/responses",
        _ASK,
        lambda parts: Responses(parts.gateway, parts.conversations),
        (_post("Answer, and remember it", openai.ResponseObject, ResponsesBody, streams=True),),
    ),
    Endpoint(
        "/v1/responses/{response_id}",
        _ASK,
        lambda parts: StoredResponse(parts.conversations),
        (
            _get("Read a response", openai.ResponseObject),
            Operation("delete", "Forget a response", openai.DeletedResponse),
        ),
    ),
    Endpoint(
        "/v1/responses/{response_id}/input_items",
        _ASK,
        lambda parts: InputItems(parts.conversations),
        (_get("List what a response was asked with", openai.ListedItems, query=_PAGE),),
    ),
    Endpoint(
        "/v1/responses/{response_id}/cancel",
        _ASK,
        lambda parts: CancelResponse(parts.gateway, parts.conversations),
        (_post("Call off a response in the background", openai.ResponseObject),),
    ),
    Endpoint(
        "/v1/models",
        _LOOK,
        lambda parts: Models(parts.gateway),
        (_get("List public names", openai.ListedModels),),
    ),
    Endpoint(
        "/v1/models/{model:path}",
        _LOOK,
        lambda parts: Model(parts.gateway),
        (_get("Read one public name", openai.ListedModel),),
    ),
)

_ANTHROPIC: Final = (
    Endpoint(
        "/v1/messages",
        _ASK,
        lambda parts: Messages(parts.gateway),
        (
            _post(
                "Answer a conversation in Anthropic's dialect",
                openai.AnthropicMessage,
                MessagesBody,
                streams=True,
            ),
        ),
    ),
    Endpoint(
        "/v1/messages/count_tokens",
        _ASK,
        lambda parts: CountTokens(parts.gateway),
        (_post("Count the tokens of a prompt", openai.CountedTokens, CountBody),),
    ),
)

_NATIVE: Final = (
    Endpoint(
        "/api/v1/chat",
        _ASK,
        lambda parts: NativeChat(parts.gateway, parts.conversations),
        (
            _post(
                "Answer a turn of a conversation that is remembered",
                native.NativeChatResult,
                NativeChatBody,
                streams=True,
            ),
        ),
    ),
    Endpoint(
        "/api/v1/models",
        _LOOK,
        lambda parts: NativeModels(parts.gateway),
        (_get("List models", native.NativeModelList),),
    ),
    Endpoint(
        "/api/v1/models/load",
        _CHANGE,
        lambda parts: LoadModel(parts.gateway),
        (_post("Load a model", native.LoadedModel, LoadBody),),
    ),
    Endpoint(
        "/api/v1/models/unload",
        _CHANGE,
        lambda parts: UnloadModel(parts.gateway),
        (_post("Unload an instance", native.UnloadedModel, UnloadBody),),
    ),
    Endpoint(
        "/api/v1/models/download",
        _CHANGE,
        lambda parts: DownloadModel(parts.gateway),
        (_post("Download a model", native.DownloadJob, DownloadBody),),
    ),
    Endpoint(
        "/api/v1/models/download/status/{job_id}",
        _LOOK,
        lambda parts: DownloadStatus(parts.gateway),
        (_get("Read how far a download is", native.DownloadJob),),
    ),
)

_OLDER: Final = (
    Endpoint(
        "/api/v0/models",
        _LOOK,
        lambda parts: V0Models(parts.gateway),
        (_get("List variants of models", native.V0ModelList),),
    ),
    Endpoint(
        "/api/v0/models/{model:path}",
        _LOOK,
        lambda parts: V0Model(parts.gateway),
        (_get("Read one variant", native.V0ModelEntry),),
    ),
    Endpoint(
        "/api/v0/chat/completions",
        _ASK,
        lambda parts: ChatCompletions(parts.gateway, dress=_v0(parts)),
        (
            _post(
                "Answer a conversation, and tell how",
                native.V0ChatCompletion,
                ChatBody,
                streams=True,
            ),
        ),
    ),
    Endpoint(
        "/api/v0/completions",
        _ASK,
        lambda parts: Completions(parts.gateway, dress=_v0(parts)),
        (
            _post(
                "Go on with a text, and tell how",
                native.V0TextCompletion,
                CompletionBody,
                streams=True,
            ),
        ),
    ),
    Endpoint(
        "/api/v0/embeddings",
        _ASK,
        lambda parts: Embeddings(parts.gateway),
        (_post("Turn texts into vectors", openai.VectorList, EmbeddingsBody),),
    ),
)

DESCRIBED: Final = (*_OPENAI, *_ANTHROPIC, *_NATIVE, *_OLDER)
ENDPOINTS: Final = (
    *DESCRIBED,
    Endpoint("/openapi.json", None, lambda _: OpenApi(DESCRIBED)),
    Endpoint("/lmstudio-greeting", None, lambda _: Greeting()),
    Endpoint("/livez", None, lambda _: Alive()),
    Endpoint("/readyz", None, lambda parts: Ready(parts.gateway)),
    Endpoint("/metrics", None, lambda parts: Metrics(parts.gateway)),
)
