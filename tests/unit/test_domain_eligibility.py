"""What may be read, and the one reason given when it may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cxr_node.domain.eligibility import (
    WORDS,
    EligibilityPolicy,
    Eligible,
    InstanceVerdict,
    NotEligible,
    Reason,
    assess,
    study_reason,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import InstanceFacts, PixelFacts, StudyFacts, View

GOOD_PIXELS = PixelFacts(
    rows=100,
    columns=80,
    photometric="MONOCHROME2",
    bits_allocated=16,
    bits_stored=12,
    high_bit=11,
    pixel_representation=0,
    has_pixels=True,
)
GOOD = InstanceFacts(
    sop_instance_uid=Uid("1.2.3"),
    sop_class_uid=Uid("1.2.840.10008.5.1.4.1.1.1.1"),
    series_uid=Uid("1.2.4"),
    transfer_syntax=Uid("1.2.840.10008.1.2.1"),
    study=StudyFacts(Uid("1.2.5")),
    modality="DX",
    body_part="CHEST",
    view=View.PA,
    age_years=50,
    pixels=GOOD_PIXELS,
)
POLICY = EligibilityPolicy()


def test_a_frontal_chest_radiograph_of_an_adult_is_eligible() -> None:
    assert assess(GOOD, POLICY) == Eligible(View.PA)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"own_result": True}, Reason.OWN_RESULT),
        ({"modality": "CT"}, Reason.MODALITY),
        ({"modality": "MG"}, Reason.MODALITY),
        ({"body_part": "KNEE"}, Reason.BODY_PART),
        ({"age_years": 4.0}, Reason.AGE),
        ({"age_years": None}, Reason.AGE_UNKNOWN),
    ],
)
def test_another_object_is_not(change: dict[str, Any], reason: Reason) -> None:
    assert assess(replace(GOOD, **change), POLICY) == NotEligible(reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"has_pixels": False}, Reason.NO_PIXELS),
        ({"frames": 10**9}, Reason.FRAMES),
        ({"frames": -1}, Reason.FRAMES),
        ({"rows": None}, Reason.DIMENSIONS),
        ({"columns": 0}, Reason.DIMENSIONS),
        ({"bits_stored": 17}, Reason.PIXEL_DESCRIPTION),
        ({"bits_stored": None}, Reason.PIXEL_DESCRIPTION),
        ({"bits_allocated": 12}, Reason.PIXEL_DESCRIPTION),
        ({"high_bit": 15}, Reason.PIXEL_DESCRIPTION),
        ({"pixel_representation": 7}, Reason.PIXEL_DESCRIPTION),
        ({"samples": 3}, Reason.PIXEL_DESCRIPTION),
        ({"rescale_ok": False}, Reason.RESCALE),
    ],
)
def test_contradicting_pixels_are_not(change: dict[str, Any], reason: Reason) -> None:
    facts = replace(GOOD, pixels=replace(GOOD_PIXELS, **change))
    assert assess(facts, POLICY) == NotEligible(reason)


def test_the_site_decides_about_silence_in_the_header() -> None:
    silent = replace(GOOD, age_years=None, body_part="")
    lenient = EligibilityPolicy(accept_unknown_age=True)
    strict = replace(lenient, accept_unknown_body_part=False)
    assert assess(silent, lenient) == Eligible(View.PA)
    assert assess(silent, strict) == NotEligible(Reason.BODY_PART)


@pytest.mark.parametrize("part", ["CHEST", "Chest", "CHEST PA", "THORAX", "RIBCAGE"])
def test_the_chest_has_several_names(part: str) -> None:
    assert assess(replace(GOOD, body_part=part), POLICY) == Eligible(View.PA)


def verdict(view: View, reason: Reason | None = None) -> InstanceVerdict:
    return InstanceVerdict(view, reason)


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ([verdict(View.PA), verdict(View.LATERAL)], None),
        ([verdict(View.UNKNOWN)], None),
        ([verdict(View.LATERAL)], Reason.VIEW),
        ([verdict(View.PA, Reason.AGE)], Reason.AGE),
        ([verdict(View.PA, Reason.MODALITY), verdict(View.PA, Reason.DECODE)], Reason.DECODE),
        ([verdict(View.UNKNOWN, Reason.OWN_RESULT)], Reason.OWN_RESULT),
        ([verdict(View.PA, Reason.OWN_RESULT), verdict(View.PA, Reason.AGE)], Reason.AGE),
    ],
)
def test_a_study_needs_one_frontal(verdicts: list[InstanceVerdict], reason: Reason | None) -> None:
    assert study_reason(verdicts, patients=1, conflicts=0) == reason


def test_two_patients_or_two_contents_outweigh_a_good_image() -> None:
    good = [verdict(View.PA)]
    assert study_reason(good, patients=2, conflicts=1) is Reason.PATIENT_CONFLICT
    assert study_reason(good, patients=1, conflicts=1) is Reason.CONFLICTING_INSTANCE


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    assert len(WORDS[reason]) > 10
