"""For all tests: an example of a property may take as long as a busy machine needs for it, and the
hundreds of processes they start keep compiled modules, as on a user's machine.
"""

import os

from hypothesis import settings

settings.register_profile("lmctl", deadline=None)
settings.load_profile("lmctl")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
