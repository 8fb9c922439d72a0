"""The kinds of objects a result can leave the node as, and what some are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cxr_node.domain.identifiers import Uid


class ResultKind(StrEnum):
    """Kinds of DICOM objects beside the Structured Report; names in the configuration."""

    PAGE = "page"
    PDF = "pdf"
    KEY_OBJECT = "key-object"
    PRESENTATION_STATE = "gsps"
    SEGMENTATION = "seg"


class Structure(StrEnum):
    """What a mask covers."""

    RIGHT_LUNG = "right_lung"
    LEFT_LUNG = "left_lung"
    HEART = "heart"


@dataclass(frozen=True, slots=True)
class AnatomyMask:
    """Where a structure lies on one image, in that image's own pixels.

    ``bits`` holds ``rows`` x ``columns`` pixels row by row, the first in the lowest bit of
    the first byte, padded to whole bytes; 1 is inside.
    """

    structure: Structure
    sop_instance_uid: Uid
    rows: int
    columns: int
    bits: bytes
