"""Which images the node may read, and in what words it declines the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cxr_node.domain.instance import InstanceFacts, PixelFacts, View


class Reason(StrEnum):
    """Why an image or a study is not read. Codes are stable; words are below."""

    OWN_RESULT = "own-result"
    PRIOR = "prior"
    MODALITY = "modality"
    BODY_PART = "body-part"
    VIEW = "view"
    AGE = "age"
    AGE_UNKNOWN = "age-unknown"
    NO_PIXELS = "no-pixels"
    DIMENSIONS = "dimensions"
    FRAMES = "frames"
    PIXEL_DESCRIPTION = "pixel-description"
    PIXEL_DATA_SHORT = "pixel-data-short"
    CODESTREAM_MISMATCH = "codestream-mismatch"
    TOO_LARGE = "too-large"
    RESCALE = "rescale"
    GRAYSCALE = "grayscale"
    DECODE = "decode"
    IMAGE_QUALITY = "image-quality"
    PATIENT_CONFLICT = "patient-conflict"
    CONFLICTING_INSTANCE = "conflicting-instance"
    CHARACTER_SET = "character-set"


WORDS: dict[Reason, str] = {
    Reason.OWN_RESULT: "a result of this node that came back; kept for the record",
    Reason.PRIOR: "fetched as an earlier study to compare a newer one with",
    Reason.MODALITY: "not a projection radiograph (CR, DX or secondary capture of one)",
    Reason.BODY_PART: "the header names a body part other than the chest",
    Reason.VIEW: "no frontal (PA or AP) image in the study",
    Reason.AGE: "the patient is younger than the configured minimum age",
    Reason.AGE_UNKNOWN: "the header gives neither age nor birth date",
    Reason.NO_PIXELS: "the instance holds no pixel data",
    Reason.DIMENSIONS: "Rows or Columns is missing or zero",
    Reason.FRAMES: "Number of Frames is not one",
    Reason.PIXEL_DESCRIPTION: "bit depth, samples or photometric interpretation contradict",
    Reason.PIXEL_DATA_SHORT: "fewer pixel bytes than the header promises",
    Reason.CODESTREAM_MISMATCH: "the compressed image has another size than the header says",
    Reason.TOO_LARGE: "decoding would exceed the memory or time budget",
    Reason.RESCALE: "Rescale Slope or Intercept is unusable",
    Reason.GRAYSCALE: "the grey scale cannot be rendered (look-up table or window)",
    Reason.DECODE: "the pixel data cannot be decoded",
    Reason.IMAGE_QUALITY: "the image is blank, constant or noise",
    Reason.PATIENT_CONFLICT: "the study holds images of more than one patient",
    Reason.CONFLICTING_INSTANCE: "one SOP Instance UID arrived with two different contents",
    Reason.CHARACTER_SET: "patient text cannot be carried in its character set",
}

_CHEST = ("CHEST", "THORAX", "LUNG", "RIBCAGE")
_RADIOGRAPHS = frozenset({"CR", "DX", "OT", "SC", ""})


@dataclass(frozen=True, slots=True)
class EligibilityPolicy:
    """What the site lets the model read. Ages in years."""

    minimum_age_years: float = 18.0
    accept_unknown_age: bool = False
    body_parts: tuple[str, ...] = _CHEST
    accept_unknown_body_part: bool = True


@dataclass(frozen=True, slots=True)
class Eligible:
    """This image may be read; ``view`` is what the header says of its projection."""

    view: View


@dataclass(frozen=True, slots=True)
class NotEligible:
    """This image is kept but not read."""

    reason: Reason


def assess(facts: InstanceFacts, policy: EligibilityPolicy) -> Eligible | NotEligible:
    """Decide from header facts alone; pixels are judged later, by the imaging layer."""
    reason = (
        _wrong_object(facts, policy)
        or pixel_reason(facts.pixels)
        or _wrong_patient_age(facts.age_years, policy)
    )
    return NotEligible(reason) if reason else Eligible(facts.view)


def _wrong_object(facts: InstanceFacts, policy: EligibilityPolicy) -> Reason | None:
    if facts.own_result:
        return Reason.OWN_RESULT
    if facts.modality.upper() not in _RADIOGRAPHS:
        return Reason.MODALITY
    if not facts.pixels.has_pixels:
        return Reason.NO_PIXELS
    part = facts.body_part.upper()
    if not part:
        return None if policy.accept_unknown_body_part else Reason.BODY_PART
    return None if any(name in part for name in policy.body_parts) else Reason.BODY_PART


def pixel_reason(pixels: PixelFacts) -> Reason | None:
    """Why an image with this pixel description cannot be read; None when it may be."""
    if pixels.frames != 1:
        return Reason.FRAMES
    sides = (pixels.rows, pixels.columns)
    if any(side is None or side <= 0 for side in sides):
        return Reason.DIMENSIONS
    if not _described_consistently(pixels):
        return Reason.PIXEL_DESCRIPTION
    return None if pixels.rescale_ok else Reason.RESCALE


def _described_consistently(pixels: PixelFacts) -> bool:
    allocated, stored = pixels.bits_allocated, pixels.bits_stored
    if allocated not in (8, 16) or stored is None or not 1 <= stored <= allocated:
        return False
    if pixels.high_bit is not None and pixels.high_bit != stored - 1:
        return False
    if pixels.pixel_representation not in (0, 1):
        return False
    monochrome = pixels.photometric in ("MONOCHROME1", "MONOCHROME2")
    return pixels.samples == (1 if monochrome else 3)


def _wrong_patient_age(age: float | None, policy: EligibilityPolicy) -> Reason | None:
    if age is None:
        return None if policy.accept_unknown_age else Reason.AGE_UNKNOWN
    return Reason.AGE if age < policy.minimum_age_years else None


@dataclass(frozen=True, slots=True)
class InstanceVerdict:
    """An instance with its verdict: ``reason`` is None for an eligible image."""

    view: View
    reason: Reason | None


# A study is refused with the reason that tells the most about it.
_TELLING = list(Reason)


def study_reason(
    verdicts: Iterable[InstanceVerdict], *, patients: int, conflicts: int
) -> Reason | None:
    """Why the study as a whole is not read; None when a frontal image may be.

    ``patients`` counts distinct patients among the images, ``conflicts`` the SOP
    Instance UIDs that arrived with two contents.
    """
    if patients > 1:
        return Reason.PATIENT_CONFLICT
    if conflicts:
        return Reason.CONFLICTING_INSTANCE
    listed = list(verdicts)
    if any(v.reason is None and v.view.may_be_frontal for v in listed):
        return None
    if any(v.reason is None for v in listed):
        return Reason.VIEW
    images = [v.reason for v in listed if v.reason and v.reason is not Reason.OWN_RESULT]
    return max(images, key=_TELLING.index, default=Reason.OWN_RESULT)
