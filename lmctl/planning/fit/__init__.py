"""How much memory an instance takes, and whether it fits: before anything is loaded.

`estimate` says what one instance takes, `budget` what all of them may take together, `placing`
who gets a place, and `learned` corrects estimates by what was measured on this box.
"""

from lmctl.planning.fit.estimate import estimate, memory

__all__ = ["estimate", "memory"]
