"""Notices as bytes on disk and back, without loss."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cxr_node.domain.errors import NotConformant
from cxr_node.domain.notice import Notice

_NOTICE: TypeAdapter[Notice] = TypeAdapter(Notice)


def encode_notice(notice: Notice) -> bytes:
    """A notice as UTF-8 JSON; the same notice gives the same bytes."""
    return _NOTICE.dump_json(notice)


def read_notice(path: Path) -> Notice:
    """The notice that a file holds. Raises :class:`NotConformant` where it holds none."""
    try:
        return _NOTICE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise NotConformant("the notice cannot be read") from error
