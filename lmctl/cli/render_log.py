"""What a log stream tells: events in the field names of `lms log stream --json`, and as lines. Pure."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from lmctl.api.rates import stop_reason, tokens_per_second
from lmctl.base.spec import RunnerSpec
from lmctl.base.talk import Finished
from lmctl.planning.known_models import KnownModel, ModelInstance
from lmctl.runner import wire

Found = tuple[KnownModel, ModelInstance] | None
_SERVER: Final = "server.log"
_RUNTIME: Final = "runtime.log"
_LEVELS: Final = {"warning": "warn", "critical": "error", "exception": "error"}


def event(data: dict[str, Any], now: float) -> dict[str, Any]:
    """Return data as an event; `now` in seconds, its `timestamp` is in milliseconds."""
    return {"timestamp": round(now * 1000), "data": data}


def prediction(
    told: wire.Given | wire.Made, spec: RunnerSpec, known: Found, *, stats: bool
) -> dict[str, Any]:
    """Return what a model was given, or what it made of that."""
    name = known[1].identifier if known else spec.name
    if isinstance(told, wire.Given):
        path = known[0].path if known else ""
        return {
            "type": "llm.prediction.input",
            "modelPath": path or spec.model,
            "modelIdentifier": name,
            "input": told.text,
        }
    output: dict[str, Any] = {
        "type": "llm.prediction.output",
        "modelIdentifier": name,
        "output": told.text,
    }
    if stats:
        broken = {"stopReason": "userStopped"}
        output["stats"] = _stats(told.finished) if told.finished else broken
    return output


def _stats(done: Finished) -> dict[str, Any]:
    usage, drafted = done.usage, done.drafted
    found: dict[str, Any] = {
        "stopReason": stop_reason(done),
        "tokensPerSecond": round(tokens_per_second(done), 2),
        "timeToFirstTokenSec": round(done.time_to_first_token, 3),
        "totalTimeSec": round(done.time_to_first_token + done.generation_time, 3),
        "promptTokensCount": usage.prompt_tokens,
        "predictedTokensCount": usage.completion_tokens,
        "totalTokensCount": usage.prompt_tokens + usage.completion_tokens,
    }
    if done.stop_string is not None:
        found["stopString"] = done.stop_string
    if drafted is not None:
        found |= {
            "usedDraftModelKey": drafted.drafter,
            "totalDraftTokensCount": drafted.total,
            "acceptedDraftTokensCount": drafted.accepted,
            "rejectedDraftTokensCount": drafted.rejected,
            "ignoredDraftTokensCount": drafted.ignored,
        }
    return found


def log_line(source: str, line: str) -> dict[str, Any]:
    """Return a line of the gateway's log (`server`) or of the daemon's (`daemon`)."""
    words, level = _read(line)
    return {"type": f"{source}.log", "content": words, "level": level}


def runtime_line(line: str, spec: RunnerSpec, pid: int | None, known: Found) -> dict[str, Any]:
    """Return a line of a runner's log."""
    words, level = _read(line)
    return {
        "type": _RUNTIME,
        "level": level,
        "engineName": spec.engine,
        "engineVersion": known[1].runtime_version if known else "",
        "engineType": known[0].type if known else "llm",
        "modelIdentifier": known[1].identifier if known else spec.name,
        "pid": pid,
        "message": words,
    }


def _read(line: str) -> tuple[str, str]:
    """Return the words and the level of a line; engines write theirs without any form."""
    try:
        said = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line, "info"
    level = str(said.pop("level", "info"))
    said.pop("timestamp", None)
    what = str(said.pop("event", ""))
    rest = " ".join(f"{name}={_shown(value)}" for name, value in said.items())
    return f"{what} {rest}".strip(), _LEVELS.get(level, level)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def render_logged(told: dict[str, Any]) -> str:
    """Return an event for people: its time, whose it is, what it says."""
    data = told["data"]
    at = datetime.fromtimestamp(told["timestamp"] / 1000, UTC).strftime("%H:%M:%SZ")
    match data["type"]:
        case "llm.prediction.input":
            return f"{at}  {data['modelIdentifier']}  input\n{data['input']}"
        case "llm.prediction.output":
            stats = f"\n{_said(data['stats'])}" if "stats" in data else ""
            return f"{at}  {data['modelIdentifier']}  output\n{data['output']}{stats}"
        case "runtime.log":
            return f"{at}  {data['modelIdentifier']}  {data['level']}  {data['message']}"
        case _:
            who = data["type"].removesuffix(".log")
            return f"{at}  {who}  {data['level']}  {data['content']}"


def _said(stats: dict[str, Any]) -> str:
    if "tokensPerSecond" not in stats:
        return f"-- {stats['stopReason']}"
    return (
        f"-- {stats['tokensPerSecond']:.1f} tokens/s, first after"
        f" {stats['timeToFirstTokenSec']:.2f} s, {stats['promptTokensCount']} read,"
        f" {stats['predictedTokensCount']} written, {stats['stopReason']}"
    )
