"""A real gateway and clients that do not keep to the rules: raw bytes over a socket."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from lmctl.planning.surface import Limits
from tests.contract.conftest import _PATIENCE

BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "one two"}]}).encode()
LENGTH = b"content-length: %d\r\n" % len(BODY)


@asynccontextmanager
async def connected(gateway):
    host, _, port = gateway.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def sent(gateway, *pieces):
    """Return all that comes back for these bytes until the gateway closes the connection."""
    async with connected(gateway) as (reader, writer), asyncio.timeout(_PATIENCE):
        for each in pieces:
            writer.write(each)
            await writer.drain()
        return await reader.read()


def post(*headers, path=b"/v1/chat/completions"):
    lines = b"".join(each + b"\r\n" for each in headers)
    return b"POST %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n%b" % (path, lines)


def statuses(answer):
    return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(
            post(b"content-length: 5", b"transfer-encoding: chunked") + b"\r\n0\r\n\r\n" + SMUGGLED,
            id="both lengths",
        ),
        pytest.param(
            post(b"content-length: 0", b"content-length: 44") + b"\r\n" + SMUGGLED,
            id="two lengths",
        ),
        pytest.param(
            post(b"transfer-encoding: xchunked") + b"\r\n0\r\n\r\n" + SMUGGLED, id="odd coding"
        ),
        pytest.param(
            post(b"transfer-encoding : chunked") + b"\r\n0\r\n\r\n" + SMUGGLED,
            id="space before the colon",
        ),
        pytest.param(post(b"content-length: +5") + b"\r\n12345" + SMUGGLED, id="signed length"),
        pytest.param(post(b"content-length: 5x") + b"\r\n12345" + SMUGGLED, id="no number"),
        pytest.param(post(b"x: a\r\n folded: b") + b"\r\n" + SMUGGLED, id="folded header"),
        pytest.param(post(b"x\x00y: a") + b"\r\n" + SMUGGLED, id="NUL in a name"),
    ],
)
async def test_a_request_with_two_readings_is_refused_and_nothing_behind_it_is_answered(
    gateway, runner, request_
):
    found = statuses(await sent(gateway, request_))
    assert len(found) <= 1
    assert all(400 <= each < 600 for each in found)
    assert runner.calls == []


async def test_headers_have_a_size(gateway):
    huge = post(b"x: " + b"a" * 100_000)
    many = post(*(b"x-%d: a" % number for number in range(500)))
    for each in (huge, many):
        assert all(400 <= found < 500 for found in statuses(await sent(gateway, each + b"\r\n")))


async def test_an_oversized_body_is_refused_before_it_is_read(box, gateway, runner):
    box.serve(box.route("chat"), limits=Limits(body_size=1000))
    head = post(b"content-length: 100000000", b"content-type: application/json") + b"\r\n"
    async with connected(gateway) as (reader, writer), asyncio.timeout(_PATIENCE):
        writer.write(head + b"{")
        line = await reader.readline()
    assert line.split()[1] == b"413"
    assert runner.calls == []


async def test_a_body_that_trickles_is_given_up_and_the_rest_goes_on(box, gateway, client):
    box.serve(box.route("chat"), limits=Limits(body_timeout=0.3))
    async with connected(gateway) as (reader, writer), asyncio.timeout(_PATIENCE):
        writer.write(post(LENGTH.rstrip()) + b"\r\n" + BODY[:10])
        beside = await client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "still here"}]
        )
        line = await reader.readline()
    assert beside.choices[0].message.content == "still here"
    assert line.split()[1] == b"408"


async def test_who_sends_no_header_to_its_end_holds_up_nobody(gateway, client):
    async with connected(gateway) as (_, writer):
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: loc")
        answer = await client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "still here"}]
        )
    assert answer.choices[0].message.content == "still here"


async def test_a_proxys_word_about_who_asks_is_not_believed(gateway):
    """`x-forwarded-for: 127.0.0.1` makes nobody local; a forwarded request is none of this machine."""
    request_ = post(
        b"x-forwarded-for: 127.0.0.1", b"content-length: 2", path=b"/api/v1/models/load"
    )
    assert statuses(await sent(gateway, request_ + b"\r\n{}")) == [403]
