"""One conversation in a terminal: what is asked, what is shown, where the next turn goes on."""

import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, TextIO

from rich.console import Console

from lmctl.base.errors import LmctlError
from lmctl.cli.gateway_client import GatewayClient

_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"


class Interrupted(Exception):
    """Whoever asked did not want the rest of the answer."""


@dataclass(slots=True)
class Settings:
    """What every turn is asked with; `reasoning`, `system` and `preset` None leave it to the model."""

    model: str
    system: str | None = None
    reasoning: str | None = None
    preset: str | None = None
    tools: tuple[str, ...] = ()
    stats: bool = False


class Session:
    """Asks a gateway turn by turn. Answers go to `out`, everything else to `notes`."""

    def __init__(
        self, client: GatewayClient, settings: Settings, *, out: TextIO, notes: Console
    ) -> None:
        self.settings = settings
        self._client = client
        self._out = out
        self._notes = notes
        self._before: str | None = None
        self._shows_thoughts = out.isatty()

    def clear(self) -> None:
        """Begin a new conversation."""
        self._before = None

    def ask(self, text: str) -> None:
        """Print the answer as it comes.

        Raises Interrupted on Ctrl-C: the turn is not part of the conversation then; LmctlError when
        there is no answer.
        """
        printed = _Printed(self._out, self._notes, thoughts=self._shows_thoughts)
        try:
            with closing(self._client.chat(self._body(text))) as events:
                result = printed.all(events)
        except KeyboardInterrupt:
            raise Interrupted from None
        finally:
            printed.end()
        self._before = result.get("response_id", self._before)
        if self.settings.stats:
            self._notes.print(stats_line(result["stats"]), markup=False, style="dim")

    def _body(self, text: str) -> dict[str, Any]:
        settings = self.settings
        body: dict[str, Any] = {
            "model": settings.model,
            "input": text,
            "system_prompt": settings.system,
            "reasoning": settings.reasoning,
            "preset": settings.preset,
            "previous_response_id": self._before,
            "integrations": list(settings.tools) or None,
        }
        return {key: value for key, value in body.items() if value is not None}


class _Printed:
    """What is on the terminal of one answer."""

    def __init__(self, out: TextIO, notes: Console, *, thoughts: bool) -> None:
        self._out = out
        self._notes = notes
        self._thoughts = thoughts
        self._open = False
        self._waits = False

    def all(self, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Print events until the last; return the whole answer. Raises LmctlError for an error."""
        trouble = ""
        for event in events:
            if event["type"] == "error":
                trouble = event["error"]["message"]
            elif event["type"] == "chat.end":
                break
            else:
                self._show(event)
        else:
            trouble = trouble or "the answer broke off"
        if trouble:
            raise LmctlError(trouble)
        result: dict[str, Any] = event["result"]
        return result

    def _show(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "message.delta":
                self._write(event["content"])
            case "reasoning.delta" if self._thoughts:
                self._write(f"{_DIM}{event['content']}{_PLAIN}")
            case "reasoning.end" if self._thoughts:
                self._write("\n")
            case "model_load.progress" | "prompt_processing.progress":
                self._wait(event)
            case "tool_call.arguments":
                self._note(f"calls {event['tool']}({_short(event['arguments'])})")
            case "tool_call.failure":
                self._note(f"a call failed: {event['reason']}")

    def end(self) -> None:
        """Leave the cursor at the beginning of a line."""
        self._no_wait()
        if self._open:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._no_wait()
        self._out.write(text)
        self._out.flush()
        self._open = bool(text) and not text.endswith("\n")

    def _note(self, text: str) -> None:
        self.end()
        self._notes.print(text, markup=False, style="dim")

    def _wait(self, event: dict[str, Any]) -> None:
        if self._notes.is_terminal and not self._open:
            what = "loading" if event["type"].startswith("model_load") else "reading"
            self._waits = True
            self._notes.print(f"\r{what} {event['progress']:4.0%}", markup=False, end="")

    def _no_wait(self) -> None:
        if self._waits:
            self._waits = False
            self._notes.print(f"\r{' ' * 20}\r", end="")


def stats_line(stats: dict[str, Any]) -> str:
    """Return the counts of an answer as a line."""
    parts = [
        f"{stats['input_tokens']} tokens read",
        f"{stats['total_output_tokens']} written",
        f"{stats['tokens_per_second']:.1f} tokens/s",
        f"the first after {stats['time_to_first_token_seconds']:.2f} s",
    ]
    if loading := stats.get("model_load_time_seconds"):
        parts.append(f"loaded in {loading:.1f} s")
    return ", ".join(parts)


def _short(arguments: Any, most: int = 200) -> str:
    text = ", ".join(f"{key}={value!r}" for key, value in dict(arguments).items())
    return text if len(text) <= most else f"{text[:most]}…"


def piped() -> str:
    """Return what was piped in, empty at a terminal."""
    return "" if sys.stdin.isatty() else sys.stdin.read()
