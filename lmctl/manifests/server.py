"""`Server`: how this box listens, who may ask, and its limits. At most one per bundle."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lmctl.manifests.drift import Reconcile
from lmctl.manifests.envelope import (
    API_VERSION,
    HOT,
    IDENTITY,
    RELOAD,
    REPLACE,
    SERVER_RESTART,
    Duration,
    Envelope,
    Items,
    Node,
    NonEmpty,
    Size,
    complaint,
    distinct,
)
from lmctl.manifests.secret_ref import SecretRef

TokenHash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Scope = Literal["models:read", "models:write", "inference", "mcp:ephemeral", "mcp:local", "admin"]


class Listen(Node):
    """Where the gateway listens."""

    enabled: bool = True
    """Whether it listens at all; `lmctl server stop` turns it off, models stay loaded."""
    host: NonEmpty = "127.0.0.1"
    """Address to listen on; `0.0.0.0` is every address of this machine."""
    port: Annotated[int, Field(ge=0, le=65535)] = 1234
    """TCP port; 0 takes a free one."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Number of gateway processes."""


class Token(Node):
    """A token clients can show."""

    name: NonEmpty
    """Name of the token, for people and logs."""
    scopes: Items[Scope] = ()
    """What its holder may do."""
    hash: TokenHash | None = None
    """What the token is known by, as `lmctl token create` writes it: `sha256:` and the token's SHA-256."""
    secret_ref: SecretRef | None = None
    """Where the token itself is found, in place of `hash`."""

    @model_validator(mode="after")
    def _known_one_way(self) -> Self:
        if (self.hash is None) == (self.secret_ref is None):
            found = "none" if self.hash is None else "both"
            raise ValueError(f"give `hash` or `secretRef`, found {found}")
        return self


class Auth(Node):
    """Who may ask."""

    required: bool = False
    """Whether every call needs a token."""
    tokens: Annotated[Items[Token], distinct("name")] = ()
    """The tokens there are."""


class CorsRules(Node):
    """Whether web pages of other origins may call."""

    enabled: bool = False
    """Whether they may."""
    origins: Items[NonEmpty] = ("*",)
    """Origins that may; `*` is any."""


class Jit(Node):
    """Loading on request."""

    enabled: bool = True
    """Whether a request loads a model that is not loaded."""
    ttl: Duration = 3600.0
    """How long such a model stays without requests."""
    auto_unload: bool = True
    """Whether such models are unloaded when that time is over."""
    keep_only_last: bool = True
    """Whether loading one unloads the one loaded before."""
    per_type: bool = True
    """Whether that leaves models of the other type alone: language models, and embedding models."""
    deadline: Annotated[Duration, Field(gt=0)] = 600.0
    """How long a request may wait until its model is loaded."""


def _network(text: str) -> str:
    """Return a network as it is written in full."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"expected a network such as 10.1.0.0/16: {error}") from error


Network = Annotated[str, AfterValidator(_network)]


class McpAccess(Node):
    """Which tool servers requests may use."""

    allow_file: bool = False
    """Whether requests may use the servers of mcp.json; needs `auth.required`."""
    allow_per_request: bool = False
    """Whether requests may bring remote servers of their own."""
    private_networks: Items[Network] = ()
    """Networks such servers may be in although they are not public, such as `10.1.0.0/16`."""
    rounds: Annotated[int, Field(ge=1, le=1000)] = 16
    """How often one answer may go on after tools were called."""
    call_timeout: Annotated[Duration, Field(gt=0)] = 60.0
    """How long a call may take."""
    max_output: Annotated[Size, Field(gt=0)] = 64 * 1024
    """How much of what a call answers is shown to the model; the rest is cut."""


class Guardrails(Node):
    """How careful loading is with memory."""

    mode: Literal["off", "relaxed", "balanced", "strict", "custom"] = "balanced"
    """How careful; `custom` goes by `customThreshold`."""
    custom_threshold: Size = 4 * 1024**3
    """Memory models may use together, in mode `custom`."""


class LoadDefaults(Node):
    """What instances are loaded with where neither they nor their models say anything."""

    context_length: Annotated[int, Field(ge=1)] | None = None
    """Tokens one request may use; none leaves it to lmctl's own default."""
    runtime: Annotated[NonEmpty | None, Field(examples=["llama.cpp"]), REPLACE] = None
    """Name of the Runtime that runs models in GGUF; the bundled `llama.cpp` if left out."""


class LimitRules(Node):
    """Bounds that keep one client from starving the rest."""

    queue: Annotated[int, Field(ge=0)] = 64
    """Requests that may wait per instance."""
    queue_deadline: Annotated[Duration, Field(gt=0)] = 30.0
    """How long a request may wait."""
    body_size: Annotated[Size, Field(gt=0)] = 32 * 1024**2
    """Largest request body."""
    body_timeout: Annotated[Duration, Field(gt=0)] = 30.0
    """How long a request body may take to come."""
    request_deadline: Annotated[Duration, Field(gt=0)] | None = None
    """How long a request for an answer may take from its first byte to its last; none is no limit."""
    concurrency: Annotated[int, Field(ge=1)] = 512
    """Requests one gateway process answers at once, those that wait included; more get a 429."""


class ConversationRules(Node):
    """How long conversations are stored for requests that go on from them."""

    keep: Annotated[Duration, Field(gt=0)] = 30 * 86400.0
    """How long after it was last gone on from."""
    most: Annotated[int, Field(ge=1)] = 100_000
    """Most turns stored; the ones last used stay."""


class Compat(Node):
    """Where clients expect what LM Studio does."""

    unknown_endpoint_status: Literal[404, 200] = 404
    """Status of what no endpoint takes: 404 (405 for a wrong method), or 200 as LM Studio answers."""
    separate_reasoning: bool = True
    """Whether chat completions tell thoughts apart, in `reasoning_content`; else they stand in `content`."""


class Logging(Node):
    """What is written down about requests."""

    requests: Literal["off", "succinct", "full"] = "succinct"
    """Lines per request: none unless it fails, one when it is over, or one when it begins too."""
    prompts: bool = False
    """Whether prompts and answers are logged."""
    tokens: bool = False
    """Whether every piece of an answer is logged as it comes."""


class ServerSpec(Node):
    """What a server.yaml says."""

    listen: Annotated[Listen, SERVER_RESTART] = Listen()
    """Where the gateway listens."""
    auth: Auth = Auth()
    """Who may ask."""
    cors: CorsRules = CorsRules()
    """Whether web pages of other origins may call."""
    jit: Jit = Jit()
    """Loading on request."""
    defaults: Annotated[LoadDefaults, RELOAD] = LoadDefaults()
    """What instances are loaded with where neither they nor their models say anything."""
    mcp: McpAccess = McpAccess()
    """Which tool servers requests may use."""
    guardrails: Guardrails = Guardrails()
    """How careful loading is with memory."""
    limits: LimitRules = LimitRules()
    """Bounds that keep one client from starving the rest."""
    conversations: ConversationRules = ConversationRules()
    """How long conversations are stored for requests that go on from them."""
    compat: Compat = Compat()
    """Where clients expect what LM Studio does."""
    secrets: Mapping[SecretName, SecretRef] = Field(default_factory=dict)
    """Secrets by the name other manifests use: `${secret:NAME}` in mcp.json and in a Runtime."""
    reconcile: Reconcile = Reconcile()
    """How the box is kept what the manifests say."""
    logging: Logging = Logging()
    """What is written down about requests."""

    @model_validator(mode="after")
    def _tools_need_tokens(self) -> Self:
        """LM Studio's rule (contract 2.1): tools of this machine only for known callers."""
        if self.mcp.allow_file and not self.auth.required:
            message = "needs `auth.required: true`"
            raise complaint(message, "mcp", "allowFile", hint="leave it out, or require tokens")
        return self


class Server(Envelope):
    """The box as clients see it."""

    kind: Annotated[Literal["Server"], IDENTITY]
    """Kind of object."""
    spec: Annotated[ServerSpec, HOT] = ServerSpec()
    """What it should be."""


DEFAULT: Final = Server.model_validate(
    {"apiVersion": API_VERSION, "kind": "Server", "metadata": {"name": "server"}}
)
