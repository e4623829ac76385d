"""A small real tool server, run as a program: `python tool_server.py [http|sse PORT]`, else stdio.

Its tools say what they do; a log of what reached it goes to standard error.
"""

import asyncio
import os
import sys
from typing import Annotated, Any

from mcp import types
from mcp.server.mcpserver import (
    Context,
    Elicit,
    ElicitationResult,
    MCPServer,
    Resolve,
    Sample,
)
from pydantic import BaseModel

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
server = MCPServer("tiny")


class Colour(BaseModel):
    """What a person is asked for."""

    colour: str


async def _colour() -> Elicit[Colour]:
    return Elicit("Which colour?", Colour)


async def _poem() -> Sample:
    text = types.TextContent(type="text", text="Write a poem")
    message = types.SamplingMessage(role="user", content=text)
    return Sample(messages=[message], max_tokens=9)


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
def die() -> str:
    """End the process."""
    os._exit(3)


@server.tool()
async def die_soon() -> str:
    """Answer, and end the process when nobody asks any more."""
    asyncio.get_running_loop().call_later(0.1, os._exit, 3)
    return "farewell"


@server.tool()
async def sleep(seconds: float = 600.0) -> str:
    """Answer late."""
    await asyncio.sleep(seconds)
    return "awake"


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Return a text, an image and a resource."""
    return [
        types.TextContent(type="text", text="a pixel"),
        types.ImageContent(type="image", data=PIXEL, mime_type="image/png"),
        types.EmbeddedResource(
            type="resource",
            resource=types.TextResourceContents(
                uri="note://one", text="a note", mime_type="text/plain"
            ),
        ),
        types.ResourceLink(type="resource_link", uri="note://two", name="two"),
    ]


@server.tool()
def long(length: int) -> str:
    """Return many characters."""
    return "x" * length


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("no luck")


@server.tool()
async def favourite(colour: Annotated[ElicitationResult[Colour], Resolve(_colour)]) -> str:
    """Ask a person which colour they like."""
    return f"a person said {colour.action}"


@server.tool()
async def poem(poem: Annotated[types.CreateMessageResult, Resolve(_poem)]) -> str:
    """Ask the client's model for a poem."""
    return f"{poem.content}"


@server.tool()
async def grow(context: Context) -> str:
    """Offer one tool more."""
    server.add_tool(lambda: "more", name="more", description="One more.")
    await context.notify_tools_changed()
    return "grown"


@server.tool()
def who(context: Context) -> str:
    """Tell the header `x-who` and the variable `WHO`."""
    headers = context.headers or {}
    return f"{headers.get('x-who')} {os.environ.get('WHO')} {os.environ.get('HF_TOKEN')}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http", port]:
            server.run("streamable-http", port=int(port))
        case ["sse", port]:
            server.run("sse", port=int(port))
        case _:
            server.run()
