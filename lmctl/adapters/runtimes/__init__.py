"""Builds of engines on this disk: each a Python environment of its own, made by pip.

What to install, and whether it works, is not decided here.
"""
