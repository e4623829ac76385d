"""Completion as a shell sees it: bash with the script, and what zsh and fish are answered."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lmctl.adapters.home import Home
from lmctl.adapters.state.store import open_store
from lmctl.planning.transitions import Remembered

PROGRAMS = Path(sys.executable).parent
KEYS = ("box", "instance/chat", "instance/other", "model/acme/small")

ASK = """
source <(lmctl completion bash)
for line in "$@"; do
    COMP_WORDS=($line)
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _lmctl_completion lmctl
    echo "${COMPREPLY[*]}" | tr '\\n' ' '
    echo
done
"""


@pytest.fixture
def environment(tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    with closing(open_store(home.database, clock=lambda: 0.0)) as store:
        store.standings.remember({key: Remembered() for key in KEYS})
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    return os.environ | {"LMCTL_HOME": str(home.root), "PATH": path}


def asked(words, environment, **more):
    ran = subprocess.run(
        words, env=environment | more, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def in_bash(environment, *lines) -> list[list[str]]:
    out = asked(["bash", "--norc", "-c", ASK, "bash", *lines], environment)
    return [line.split() for line in out.splitlines()]


def test_bash_completes_commands_options_and_objects(environment):
    commands, options, keys, events, goals = in_bash(
        environment,
        "lmctl stat",
        "lmctl status --wa",
        "lmctl get instance/",
        "lmctl events --for ",
        "lmctl wait instance/chat --for ge",
    )
    assert commands == ["status", "state"]
    assert options == ["--watch"]
    assert keys == ["instance/chat", "instance/other"]
    assert events == ["box", "instance/chat", "instance/other", "model/acme/small"]
    assert goals == ["generation="]


def test_without_a_home_there_are_only_kinds_and_no_trouble(environment, tmp_path):
    nowhere = environment | {"LMCTL_HOME": str(tmp_path / "none")}
    assert in_bash(nowhere, "lmctl get inst", "lmctl suspend ") == [["instance"], ["box"]]
    assert not (tmp_path / "none").exists()


def test_zsh_and_fish_are_answered_in_their_own_way(environment):
    told = asked(
        ["lmctl"], environment, _LMCTL_COMPLETE="complete_zsh",
        _TYPER_COMPLETE_ARGS="lmctl get instance/",
    )  # fmt: skip
    assert told == """_arguments '*: :(("instance/chat"\n"instance/other"))'\n"""
    told = asked(
        ["lmctl"], environment, _LMCTL_COMPLETE="complete_fish",
        _TYPER_COMPLETE_FISH_ACTION="get-args", _TYPER_COMPLETE_ARGS="lmctl get instance/",
    )  # fmt: skip
    assert told.split() == ["instance/chat", "instance/other"]


@pytest.mark.parametrize(
    ("shell", "piece"), [("bash", "complete -o default"), ("zsh", "#compdef lmctl"), ("fish", "--command lmctl")]
)  # fmt: skip
def test_each_shell_has_a_script(environment, shell, piece):
    assert piece in asked(["lmctl", "completion", shell], environment)
