"""Identifiers parsed once, at the edge, into value types.

A received text becomes one of these or is refused; nothing downstream checks again.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass

from cxr_node.domain.errors import MalformedUid, NotConformant

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+\Z")
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}\Z")
RESULT_SPACE = uuid.UUID("5f2b1a52-6f0e-5c0a-9f39-6a4ed5a4c1a7")


@dataclass(frozen=True, slots=True, order=True)
class Uid:
    """A DICOM unique identifier (PS3.5 §9).

    Raises :class:`MalformedUid` for anything longer than 64 characters or not
    made of dotted decimal components without leading zeros.
    """

    text: str

    def __post_init__(self) -> None:
        if len(self.text) > 64 or not _UID.match(self.text):
            raise MalformedUid(f"UID of {len(self.text)} characters is malformed")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class AETitle:
    """An application entity title (PS3.5 §6.2, VR AE): 1 to 16 characters, no backslash.

    Leading and trailing blanks are not significant and are removed.
    """

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.strip(" "))
        if not _AE_TITLE.match(self.text):
            raise NotConformant("AE title is empty, too long or holds forbidden characters")

    def __str__(self) -> str:
        return self.text


def result_uid(*parts: str | int) -> Uid:
    """A UID computed from what it names, so that sending twice is harmless (PS3.5 §B.2)."""
    return Uid(f"2.25.{uuid.uuid5(RESULT_SPACE, '|'.join(map(str, parts))).int}")


def work_key(study: Uid, image_digests: list[str], model: str, templates: str) -> str:
    """The identity of one piece of reading work: same study, pixels, model and templates.

    The order in which images arrived does not matter.
    """
    parts = [study.text, *sorted(image_digests), model, templates]
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()
