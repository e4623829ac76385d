"""`--json`, as `lms` has it: `-o json` in one word, for every command that prints data."""

import typer
from typer.core import TyperCommand

_FLAG = "--json"


class Command(TyperCommand):
    """A command that reads `--json` as `--output=json`."""

    # typer's own types of the context are private to it
    def parse_args(self, ctx, args):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        """Parse words; those behind `--` are no options."""
        end = args.index("--") if "--" in args else len(args)
        options = ["--output=json" if each == _FLAG else each for each in args[:end]]
        return super().parse_args(ctx, [*options, *args[end:]])


def read_json_flag(app: typer.Typer) -> None:
    """Let every command below an app read it."""
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            read_json_flag(group.typer_instance)
