"""What the node needs to know of one received instance, read from its header once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cxr_node.domain.identifiers import Uid


class View(StrEnum):
    """Projection of a chest radiograph (PS3.3 C.8.7.1, CID 4010); UNKNOWN when unstated."""

    PA = "PA"
    AP = "AP"
    LATERAL = "LATERAL"
    OBLIQUE = "OBLIQUE"
    UNKNOWN = "UNKNOWN"

    @property
    def may_be_frontal(self) -> bool:
        return self in (View.PA, View.AP, View.UNKNOWN)


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """Patient module values carried unchanged into results; never logged, never in a prompt."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """Study-level values of one instance (PS3.3 C.7.2.1)."""

    study_uid: Uid
    accession_number: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    description: str = ""
    referring_physician: str = ""
    department: str = ""
    """Where the patient is or was sent from, from all attributes that say so."""


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """Image Pixel module claims (PS3.3 C.7.6.3); None where the header is silent or unusable."""

    rows: int | None = None
    columns: int | None = None
    frames: int = 1
    samples: int = 1
    photometric: str = ""
    bits_allocated: int | None = None
    bits_stored: int | None = None
    high_bit: int | None = None
    pixel_representation: int | None = None
    rescale_ok: bool = True
    has_pixels: bool = False


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance as its header describes it."""

    sop_instance_uid: Uid
    sop_class_uid: Uid
    series_uid: Uid
    transfer_syntax: Uid
    study: StudyFacts
    patient: PatientFacts = field(default_factory=PatientFacts)
    modality: str = ""
    body_part: str = ""
    view: View = View.UNKNOWN
    age_years: float | None = None
    quality_control: bool = False
    """Quality Control Image (0028,0300) is YES: a phantom, not a patient."""
    own_result: bool = False
    """Made by this node (Device UID or series UID); stored for the record, never read again."""
    pixels: PixelFacts = field(default_factory=PixelFacts)


@dataclass(frozen=True, slots=True)
class Received:
    """An instance whose bytes have arrived but are not yet anyone's responsibility.

    ``partial`` is a complete Part 10 file in the spool's partial folder. The UIDs are
    those of the C-STORE command, as text, still unchecked.
    """

    partial: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    calling_ae: str
    address: str
    move_originator: str = ""
    """AE title whose C-MOVE this C-STORE belongs to; empty where the command names none."""
    as_prior: bool = False
    """Whether the node itself asked for it to compare with."""
