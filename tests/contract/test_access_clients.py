"""What the official clients make of a missing token, a wrong one and a missing scope."""

import hashlib

import anthropic
import openai
import pytest

from lmctl.planning.surface import Access, ServedToken

TOKEN = "sk-lm-Ab3dEf9h:0123456789abcdefghij"
HELLO = [{"role": "user", "content": "one two three"}]


def known(*scopes):
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    return Access(required=True, tokens=(ServedToken("ci", scopes, digest),))


@pytest.fixture
def serve(box, gateway):
    return lambda *scopes: box.serve(box.route("chat"), access=known(*scopes))


def openai_client(gateway, token):
    return openai.AsyncOpenAI(base_url=f"http://{gateway.address}/v1", api_key=token, max_retries=0)


def anthropic_client(gateway, **given):
    return anthropic.AsyncAnthropic(base_url=f"http://{gateway.address}", max_retries=0, **given)


async def test_openai(gateway, serve):
    serve("inference")
    async with openai_client(gateway, TOKEN) as good, openai_client(gateway, "wrong") as bad:
        answer = await good.chat.completions.create(model="chat", messages=HELLO)
        with pytest.raises(openai.AuthenticationError) as unknown:
            await bad.chat.completions.create(model="chat", messages=HELLO, stream=True)
        with pytest.raises(openai.PermissionDeniedError) as barred:
            await good.models.list()

    assert answer.choices[0].message.content == "one two three"
    assert unknown.value.code == "invalid_api_key"
    assert "models:read" in barred.value.message


async def test_anthropic(gateway, serve):
    serve("inference")
    ask = {"model": "chat", "max_tokens": 9, "messages": HELLO}
    for given in ({"api_key": TOKEN}, {"auth_token": TOKEN}):
        async with anthropic_client(gateway, **given) as good:
            answer = await good.messages.create(**ask)
        assert answer.content[0].text == "one two three"
    async with anthropic_client(gateway, api_key="wrong") as bad:
        with pytest.raises(anthropic.AuthenticationError) as unknown:
            await bad.messages.create(**ask)
    serve("models:read")
    async with anthropic_client(gateway, api_key=TOKEN) as barred:
        with pytest.raises(anthropic.PermissionDeniedError) as lacking:
            await barred.messages.create(**ask)

    assert unknown.value.body["error"]["type"] == "authentication_error"
    assert lacking.value.body["error"]["type"] == "permission_error"


async def test_no_token_is_in_the_log(gateway, serve):
    serve("inference")
    async with openai_client(gateway, TOKEN) as client:
        await client.chat.completions.create(model="chat", messages=HELLO)
    (line,) = await gateway.logged("request")

    assert line["token"] == "ci"
    assert TOKEN.partition(":")[2] not in repr(gateway.lines)
