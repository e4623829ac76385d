"""Where secrets go, and which redirects are followed."""

import httpx2
import pytest

from lmctl.adapters.weights.http_get import Address, TryAgain, get
from lmctl.base.errors import Refused


def answering(table, seen):
    """A transport, as httpx2 itself offers it, that answers by address; TLS needs no server here."""

    def answer(request):
        seen.append(request)
        status, headers = table[str(request.url)]
        return httpx2.Response(status, headers=headers)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(answer))


async def status_of(table, url, seen=None, **headers):
    async with (
        answering(table, seen if seen is not None else []) as client,
        get(client, Address(url, headers), {"Range": "bytes=5-"}) as response,
    ):
        return response.status_code


async def test_a_redirect_from_https_to_http_is_refused():
    table = {"https://hub/f": (302, {"Location": "http://hub/f"}), "http://hub/f": (200, {})}
    with pytest.raises(Refused, match="which is not encrypted"):
        await status_of(table, "https://hub/f")


async def test_a_redirect_to_a_file_of_this_machine_is_refused():
    with pytest.raises(Refused, match="passwd, which is not an http or https address"):
        await status_of({"http://h/f": (302, {"Location": "file:///etc/passwd"})}, "http://h/f")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("https://hub/g", True),
        ("/g", True),
        ("https://cdn/g", False),
        ("https://hub:8443/g", False),
        ("https://hub.evil/g", False),
    ],
)
async def test_the_secret_stays_with_its_origin(target, told):
    absolute = f"https://hub{target}" if target.startswith("/") else target
    table = {"https://hub/f": (307, {"Location": target}), absolute: (206, {})}
    seen = []

    assert await status_of(table, "https://hub/f", seen, Authorization="Bearer s") == 206

    assert seen[0].headers["authorization"] == "Bearer s"
    assert ("authorization" in seen[1].headers) is told
    assert seen[1].headers["range"] == "bytes=5-"


async def test_a_secret_header_comes_back_when_the_chain_returns_home():
    table = {
        "https://hub/f": (302, {"Location": "https://cdn/f"}),
        "https://cdn/f": (302, {"Location": "https://hub/g"}),
        "https://hub/g": (200, {}),
    }
    seen = []

    await status_of(table, "https://hub/f", seen, Authorization="Bearer s")

    assert ["authorization" in each.headers for each in seen] == [True, False, True]


async def test_a_compressed_answer_is_refused():
    with pytest.raises(Refused, match="gzip-encoded"):
        await status_of({"http://h/f": (200, {"Content-Encoding": "gzip"})}, "http://h/f")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({}, None),
        ({"Retry-After": "soon"}, None),
        (
            {
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
                "Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT",
            },
            30.0,
        ),
    ],
)
async def test_retry_after_is_understood_in_both_forms(headers, wait):
    with pytest.raises(TryAgain) as caught:
        await status_of({"http://h/f": (503, headers)}, "http://h/f")

    assert caught.value.wait == wait


def test_an_address_does_not_show_its_secrets():
    shown = repr(Address("https://u:p@h/f?sig=s", {"Authorization": "Bearer t"}))
    assert shown == "Address(https://h/f)"
