"""For all tests: an example of a property may take as long as a busy machine needs for it, the
hundreds of processes they start keep compiled modules, as on a user's machine, and a test that
fails shows what the processes of its box logged.
"""

import os

import pytest
from hypothesis import settings

from tests.support.box import Box

settings.register_profile("lmctl", deadline=None)
settings.load_profile("lmctl")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Box):
                report.sections.append((f"logs of {name}", value.logs()))
    return report
