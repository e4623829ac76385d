"""What was loaded on request: a file of its own, so that losing the database loses no wish."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.planning.desired import Leaving
from lmctl.planning.manual_loads import ManualLoad


class ManualLoads:
    """`manual.json`. A damaged file holds nothing."""

    def __init__(self, root: Path) -> None:
        self._path = root / "manual.json"

    def read(self) -> tuple[ManualLoad, ...]:
        """Return them in order of name."""
        content = read_if_there(self._path)
        if content is None:
            return ()
        try:
            return msgspec.json.decode(content, type=tuple[ManualLoad, ...])
        except msgspec.DecodeError:
            return ()

    def keep(self, load: ManualLoad) -> None:
        """Remember a load; an earlier one of its name is forgotten."""
        self._write([*(each for each in self.read() if each.name != load.name), load])

    def forget(self, name: str) -> bool:
        """Forget a load; says whether there was one."""
        before = self.read()
        left = [each for each in before if each.name != name]
        if len(left) < len(before):
            self._write(left)
        return len(left) < len(before)

    def release(self, name: str, leaving: Leaving) -> bool:
        """Note that a load is over, until it is forgotten; says whether there was one that was not."""
        before = self.read()
        found = [each for each in before if each.name == name and each.leaving is None]
        if found:
            over = msgspec.structs.replace(found[0], leaving=leaving)
            self._write([*(each for each in before if each.name != name), over])
        return bool(found)

    def _write(self, loads: Sequence[ManualLoad]) -> None:
        ordered = sorted(loads, key=lambda each: each.name)
        write_atomically(self._path, msgspec.json.encode(ordered))
