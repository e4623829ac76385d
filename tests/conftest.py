"""For all tests: an example of a property may take as long as a busy machine needs for it."""

from hypothesis import settings

settings.register_profile("lmctl", deadline=None)
settings.load_profile("lmctl")
