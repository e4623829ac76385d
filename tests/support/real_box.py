"""A box of real weights that does all that clients ask of one: `chat` calls tools and sees, `thinker`
thinks, `vectors` embeds, `script` says what it is told, `broken` never loads. It hosts a tool server
from a package.
"""

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support import colour_eye, thinking_weights
from tests.support.box import Box, box_in
from tests.support.minilm import minilm
from tests.support.models import qwen_coder, smollm2

TOKEN = "sk-lm-Ab3dEf9h:0123456789abcdefghij"
READER = "sk-lm-Zz9yXx8w:abcdefghij0123456789"
"""May list models and nothing else."""
BODY_SIZE = 2 * 2**20
AT_ONCE = 6
CONTEXT = 2048
_STOPS = "{contextOverflowPolicy: stopAtLimit}"


@contextlib.contextmanager
def real_box(root: Path) -> Iterator[Box]:
    """Give the box with all of it up; every call needs a token."""
    weights = root / "weights"
    weights.mkdir(parents=True)
    (weights / "coder.gguf").symlink_to(qwen_coder())
    colour_eye.write(weights / "coder.gguf", weights / "mmproj-colours.gguf")
    thinking = thinking_weights.write(smollm2(), root / "thinking.gguf")
    with box_in(root / "box") as box:
        _server(box)
        _model(box, "chat", weights / "coder.gguf", f"contextLength: {CONTEXT}, parallel: 2")
        _model(box, "thinker", thinking, "contextLength: 1024, parallel: 1")
        _model(box, "vectors", minilm()[1], "contextLength: 256", operation="{}")
        box.echo("script")
        box.echo("broken", script='{"fail_load": "no"}', residency="{mode: jit}")
        box.apply()
        yield box
        box.lmctl("daemon", "down")
        assert box.left_over() == [], "something outlived `lmctl daemon down`"


def _server(box: Box) -> None:
    known = [
        f'{{name: {name}, scopes: {scopes}, hash: "sha256:{hashlib.sha256(token.encode()).hexdigest()}"}}'
        for name, scopes, token in (
            ("all", '[inference, "models:read", "models:write", "mcp:local"]', TOKEN),
            ("reader", '["models:read"]', READER),
        )
    ]
    box.write(
        "server.yaml",
        f"listen: {{host: 127.0.0.1, port: {box.port}, workers: 1}}\n"
        f"limits: {{bodySize: {BODY_SIZE // 2**20}Mi, concurrency: {AT_ONCE}}}\n"
        f"auth: {{required: true, tokens: [{', '.join(known)}]}}\n"
        "mcp: {allowFile: true, rounds: 1}\n",
    )
    clock = {"command": str(Path(sys.executable).parent / "mcp-server-time")}
    box.write("mcp.json", json.dumps({"mcpServers": {"clock": clock}}))


def _model(box: Box, name: str, path: Path, load: str, *, operation: str = _STOPS) -> None:
    box.write(
        f"models/{name}/model.yaml",
        f"""\
        model: acme/{name}
        base:
          - key: acme/{name}-gguf
            sources:
              - {{type: file, path: "{path}"}}
        """,
    )
    # Two threads that wait for each other take ten times as long beside other tests.
    load = f"{{{load}, cpuThreadPoolSize: 1}}"
    box.instance(name, f"acme/{name}", load=load, operation=operation)
