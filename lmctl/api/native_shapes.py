"""What answers of LM Studio's own APIs look like, for `/openapi.json`."""

from typing import Any, Literal

from pydantic import BaseModel

from lmctl.api.answer_shapes import ChatCompletion, TextCompletion


class NativeTrouble(BaseModel):
    """What went wrong."""

    type: str
    message: str
    code: str | None
    param: str | None


class NativeError(BaseModel):
    """An error of the native API."""

    error: NativeTrouble


class ChatStats(BaseModel):
    """How an answer came about; times are in seconds."""

    input_tokens: int
    total_output_tokens: int
    reasoning_output_tokens: int
    tokens_per_second: float
    time_to_first_token_seconds: float
    tool_definition_tokens: int = 0


class NativeChatResult(BaseModel):
    """A turn of the native chat; `response_id` is there when it was stored, `warnings` where tools
    weigh much.
    """

    model_instance_id: str
    output: list[dict[str, Any]]
    stats: ChatStats
    response_id: str = ""
    warnings: list[str] = []


class Quantization(BaseModel):
    """How weights are packed."""

    name: str | None
    bits_per_weight: float | None


class LoadedInstance(BaseModel):
    """An instance, and the settings it was loaded with."""

    id: str
    config: dict[str, Any]


class NativeModel(BaseModel):
    """A model that is here, loaded or not."""

    type: Literal["llm", "embedding"]
    publisher: str
    key: str
    display_name: str
    quantization: Quantization | None
    size_bytes: int
    params_string: str | None
    loaded_instances: list[LoadedInstance]
    max_context_length: int
    format: Literal["gguf", "mlx"] | None


class NativeModelList(BaseModel):
    """Every model that is here."""

    models: list[NativeModel]


class LoadedModel(BaseModel):
    """An instance that is loaded now."""

    type: Literal["llm", "embedding"]
    instance_id: str
    load_time_seconds: float
    status: Literal["loaded"]


class UnloadedModel(BaseModel):
    """An instance that is gone."""

    instance_id: str


class DownloadJob(BaseModel):
    """A download; of a model that is here already nothing but the status is told. `error` says why
    it failed, or what it waits for.
    """

    status: Literal["downloading", "paused", "completed", "failed", "already_downloaded"]
    job_id: str = ""
    total_size_bytes: int = 0
    downloaded_bytes: int = 0
    bytes_per_second: float = 0
    estimated_completion: str = ""
    started_at: str = ""
    completed_at: str = ""
    error: str = ""


class V0ModelEntry(BaseModel):
    """A variant of a model that is here, with its state."""

    id: str
    object: Literal["model"]
    type: Literal["llm", "vlm", "embeddings"]
    publisher: str
    arch: str
    compatibility_type: Literal["gguf", "mlx"] | None
    quantization: str
    state: Literal["loaded", "not-loaded"]
    max_context_length: int
    capabilities: list[str]


class V0ModelList(BaseModel):
    """Every variant that is here."""

    object: Literal["list"]
    data: list[V0ModelEntry]


class V0Told(BaseModel):
    """What v0 tells beside an answer."""

    stats: dict[str, Any]
    model_info: dict[str, Any]
    runtime: dict[str, Any]


class V0ChatCompletion(ChatCompletion, V0Told):
    """A chat completion, with how it came about."""


class V0TextCompletion(TextCompletion, V0Told):
    """A text completion, with how it came about."""
