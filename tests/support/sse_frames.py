"""The events of a stream whose data repeats the event's name."""

import json


def frames(data: bytes):
    """Return the data of each event, refusing one whose name is another."""
    told = []
    for frame in data.decode().split("\n\n")[:-1]:
        if frame.startswith(":"):
            continue  # a ping
        name, payload = frame.split("\n", 1)
        value = json.loads(payload.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        told.append(value)
    return told
