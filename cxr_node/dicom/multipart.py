"""Takes the parts of a multipart/related body apart (RFC 2387, RFC 2046 §5.1)."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from email.message import Message

from cxr_node.domain.errors import Unreadable

_LONGEST_HEAD = 4096
MOST_PARTS = 256


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names for DICOM objects.

    Raises :class:`Unreadable` where the type is another one or the boundary is none.
    """
    head = Message()
    head["content-type"] = content_type
    kind, boundary = head.get_param("type"), head.get_boundary()
    if head.get_content_type() != "multipart/related" or kind != "application/dicom":
        raise Unreadable('the body must be multipart/related; type="application/dicom"')
    if not boundary or len(boundary) > 70 or not boundary.isascii():
        raise Unreadable("the content type names no usable boundary")
    return boundary.encode("ascii")


def parts(body: mmap.mmap, boundary: bytes) -> Iterator[slice]:
    """Where each part's content stands in ``body``.

    Raises :class:`Unreadable` where the body is cut, or has no parts or too many.
    """
    delimiter = b"--" + boundary
    at = 0 if body[: len(delimiter)] == delimiter else body.find(b"\r\n" + delimiter) + 2
    if body[at : at + len(delimiter)] != delimiter:
        raise Unreadable("the body has no part")
    for _ in range(MOST_PARTS):
        at += len(delimiter)
        if body[at : at + 2] == b"--":
            return
        head = body.find(b"\r\n\r\n", at, at + _LONGEST_HEAD)
        end = body.find(b"\r\n" + delimiter, max(head, at))
        if head < 0 or end < head + 4:
            raise Unreadable("the body is cut or malformed")
        yield slice(head + 4, end)
        at = end + 2
    raise Unreadable("the body has too many parts")
