"""`python -m lmctl` is `lmctl`."""

from lmctl.cli.main import run

run()
