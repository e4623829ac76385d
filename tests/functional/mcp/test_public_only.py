"""Where requests' own tool servers may be: judged by address, once, redirects and rebinding included."""

import asyncio
from ipaddress import ip_address

import httpx2
import pytest

from lmctl.adapters.mcp.public_only import MOST, PublicOnly, is_public
from lmctl.base.errors import Refused


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_what_is_public(address, public):
    assert is_public(ip_address(address)) is public


class Names:
    """A resolver that answers with one list after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def __call__(self, *_):
        return self.answers.pop(0)


@pytest.fixture
async def answering():
    """A server that answers with what the test puts there; yields its port and the list."""
    answers = []

    async def serve(reader, writer):
        while await reader.readline() not in (b"\r\n", b""):
            pass
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    yield server.sockets[0].getsockname()[1], answers
    server.close()


async def get(url, **given):
    async with httpx2.AsyncClient(
        transport=PublicOnly(url, **given), trust_env=False, follow_redirects=True
    ) as client:
        return await client.get(url)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"


async def test_a_name_is_resolved_once_and_what_it_says_later_leads_nowhere(answering):
    port, answers = answering
    answers += [OK, OK]
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    url = f"http://rebinding.example:{port}/"
    transport = PublicOnly(url, ["127.0.0.0/8"], resolve=names)
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
        assert [(await client.get(url)).text for _ in range(2)] == ["hi", "hi"]
    assert names.answers == [["10.0.0.1"]]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "10.0.0.1"]])
async def test_a_name_with_any_private_address_is_refused(addresses):
    with pytest.raises(Refused, match=r"10\.0\.0\.1, which is not a public address"):
        await get("http://inside.example/", resolve=Names(addresses))


async def test_a_redirect_elsewhere_is_refused(answering):
    port, answers = answering
    answers.append(
        b"HTTP/1.1 307 Go\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n"
    )
    with pytest.raises(Refused, match=r"leads to another host, `169\.254\.169\.254`"):
        await get(f"http://127.0.0.1:{port}/", allowed=["127.0.0.0/8"])


async def test_an_answer_without_end_is_cut_off(answering):
    port, answers = answering
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (MOST + 1)
    answers.append(head + bytes(MOST + 1))
    with pytest.raises(httpx2.ReadError, match="longer than"):
        await get(f"http://127.0.0.1:{port}/", allowed=["127.0.0.0/8"])
