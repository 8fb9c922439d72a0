"""Messages between the node and its decoder: a JSON head and raw bytes, both counted.

JSON and not pickle: a child that a codec has taken over must not be able to make the
parent run anything.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

_COUNTS = struct.Struct(">II")
HEADER_BYTES = _COUNTS.size
LONGEST_HEAD = 1 << 16


def encode_frame(head: dict[str, Any], payload: bytes = b"") -> bytes:
    """One message as bytes."""
    text = json.dumps(head).encode("ascii")
    return _COUNTS.pack(len(text), len(payload)) + text + payload


def frame_counts(start: bytes) -> tuple[int, int]:
    """Length of head and payload, from the first ``HEADER_BYTES`` bytes."""
    head, payload = _COUNTS.unpack(start)
    return head, payload


def decode_head(text: bytes) -> dict[str, Any]:
    """The head as an object. Raises ValueError when it is not one."""
    head = json.loads(text)
    if not isinstance(head, dict):
        raise ValueError("not an object")
    return head


def write_frame(stream: BinaryIO, head: dict[str, Any], payload: bytes = b"") -> None:
    """Send one message."""
    stream.write(encode_frame(head, payload))
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Receive one message; None when the other side has closed."""
    start = stream.read(HEADER_BYTES)
    if len(start) < HEADER_BYTES:
        return None
    head, payload = frame_counts(start)
    return decode_head(stream.read(head)), stream.read(payload)
