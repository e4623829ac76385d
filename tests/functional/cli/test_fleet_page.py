"""docs/tasks/write-a-fleet.md: its files, taken from the page as they stand there, are a valid fleet."""

import re
from pathlib import Path

from lmctl.manifests.bundle import read
from lmctl.planning.resolve import HostFacts, resolve

PAGE = Path(__file__).parents[3] / "docs" / "tasks" / "write-a-fleet.md"
FILE = re.compile(r"```yaml\n# (fleet/\S+)\n(.*?)```", re.DOTALL)


def test_the_files_of_the_page_are_a_fleet_without_a_warning():
    files = {name: text.encode() for name, text in FILE.findall(PAGE.read_text())}
    reading = read(files)
    assert reading.diagnostics == ()
    assert set(reading.bundle.instances) == {"chat"}
    resolution = resolve(reading.bundle, HostFacts(sockets="/run/lmctl"))
    assert resolution.diagnostics == ()
    names = {each.name for each in resolution.desired.surface.routes}
    assert names == {"chat"}
