"""Text to objects and problems: every kind of manifest, read strictly, each value with its place. Pure."""
