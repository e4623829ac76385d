"""`mcp.json`: the tool servers of this box, in Cursor's notation."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lmctl.manifests.envelope import HOT, Items, NativeNode, NonEmpty


class McpAuth(NativeNode):
    """An OAuth application of one's own, registered with the server by hand."""

    client_id: Annotated[NonEmpty, Field(alias="CLIENT_ID")]
    """Its identifier."""
    client_secret: Annotated[NonEmpty | None, Field(alias="CLIENT_SECRET")] = None
    """Its secret, as `${secret:NAME}`."""


class McpServer(NativeNode):
    """One tool server: a command to start here, or an address elsewhere."""

    kind: ClassVar[str] = "McpServer"

    command: NonEmpty | None = None
    """Program to start."""
    args: Items[str] = ()
    """Arguments of the program."""
    env: Mapping[str, str] = Field(default_factory=dict)
    """Environment variables of the program."""
    cwd: str | None = None
    """Folder the program starts in."""
    url: NonEmpty | None = None
    """Address of a remote server."""
    headers: Mapping[str, str] = Field(default_factory=dict)
    """Headers sent to a remote server."""
    type: Literal["stdio", "http", "streamable-http", "streamableHttp", "sse"] | None = None
    """How it is spoken to; without it a `command` is stdio, and a `url` streamable HTTP, or SSE where
    that is not understood."""
    auth: McpAuth | None = None
    """Who asks, where a remote server wants OAuth; without it lmctl registers itself."""


class McpFile(NativeNode):
    """A whole mcp.json."""

    mcp_servers: Annotated[Mapping[str, McpServer], HOT] = Field(default_factory=dict)
    """The tool servers, by name."""
