"""The llama.cpp engine, on llama-cpp-python's low-level API; the only room that imports it."""

from lmctl.runner.llamacpp.borrowed import borrow

borrow()  # whoever imports from this room next finds the bindings over the right library
