"""Small GGUF files, written byte by byte."""

import struct

_TYPES = {int: (4, "<I"), float: (6, "<f"), bool: (7, "<?")}


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(found) -> bytes:
    """Return type and value; lists are arrays of their first item's type."""
    if isinstance(found, str):
        return struct.pack("<I", 8) + text(found)
    if isinstance(found, list):
        items = [value(each) for each in found]
        return (
            struct.pack("<I", 9)
            + items[0][:4]
            + struct.pack("<Q", len(items))
            + b"".join(each[4:] for each in items)
        )
    kind, form = _TYPES[type(found)]
    return struct.pack("<I", kind) + struct.pack(form, found)


def gguf(metadata: dict, tensors=(), *, version: int = 3, data: bytes = b"\0" * 64) -> bytes:
    """Return a file with this metadata and tensors (name, shape, type, offset)."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, found in metadata.items():
        out += text(key) + value(found)
    for name, shape, kind, offset in tensors:
        out += text(name) + struct.pack("<I", len(shape))
        out += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", kind, offset)
    return out + data
