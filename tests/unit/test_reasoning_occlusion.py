"""Hiding a place changes that place alone, leaves no mark, and tells seen from guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.findings import Box, Finding, FindingKind, Presence, Reading, ReadingKind
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.occlusion import Outcome, occlusions
from cxr_node.reasoning.patch import Patch, hidden, patch_of, place_elsewhere
from cxr_node.reasoning.staged import Request
from tests.models import picture, reference
from tests.readings import finding, sample_reading, turn

KIND = FindingKind.LUNG_LESION
BRIGHT = Patch(60, 50, 84, 80)


def grainy(seed: int = 0) -> PreparedImage:
    """Mid-grey content with a grain of five levels and one bright place."""
    plain = picture(seed)
    grey = np.zeros((224, 224), np.float64)
    rng = np.random.default_rng(seed)
    right = plain.left + plain.content_width
    grey[:, plain.left : right] = 110 + 5 * rng.standard_normal((224, plain.content_width))
    grey[BRIGHT.y0 : BRIGHT.y1, BRIGHT.x0 : BRIGHT.x1] += 90
    return replace(plain, gray=np.clip(grey, 0, 255).astype(np.uint8).tobytes())


def array(image: PreparedImage) -> np.ndarray:
    return np.frombuffer(image.gray, np.uint8).reshape(image.height, image.width).astype(float)


def box_of(patch: Patch, image: PreparedImage) -> Box:
    x0, y0 = image.to_original(patch.x0, patch.y0)
    x1, y1 = image.to_original(patch.x1, patch.y1)
    return Box(image.sop_instance_uid, x0, y0, x1, y1)


edges = st.floats(-100, 2600)


@settings(max_examples=200, deadline=None)
@given(edges, edges, edges, edges)
def test_any_box_becomes_a_patch_of_the_content(a: float, b: float, c: float, d: float) -> None:
    image = picture()
    box = Box(image.sop_instance_uid, min(a, c), min(b, d), max(a, c), max(b, d))
    patch = patch_of(box, image)
    assert image.left <= patch.x0 < patch.x1 <= image.left + image.content_width
    assert image.top <= patch.y0 < patch.y1 <= image.top + image.content_height
    assert 0 < patch.share(image) <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(22, 190), st.integers(0, 210), st.integers(1, 60), st.integers(1, 60))
def test_only_the_patch_changes_and_the_other_place_is_apart(
    x0: int, y0: int, width: int, height: int
) -> None:
    image = grainy()
    patch = Patch(x0, y0, min(x0 + width, 201), min(y0 + height, 224))
    covered = hidden(image, patch)
    assert covered is not None
    changed = array(covered) != array(image)
    changed[patch.y0 : patch.y1, patch.x0 : patch.x1] = False
    assert not changed.any()
    assert hidden(image, patch) == covered
    elsewhere = place_elsewhere(patch, [patch], image)
    assert elsewhere is not None
    assert not elsewhere.meets(patch)
    assert elsewhere.share(image) == patch.share(image)
    assert image.left <= elsewhere.x0 < elsewhere.x1 <= image.left + image.content_width
    assert image.top <= elsewhere.y0 < elsewhere.y1 <= image.top + image.content_height


def test_a_hidden_place_looks_like_its_surroundings() -> None:
    covered = hidden(grainy(), Patch(BRIGHT.x0 - 2, BRIGHT.y0 - 2, BRIGHT.x1 + 2, BRIGHT.y1 + 2))
    assert covered is not None
    inside = array(covered)[BRIGHT.y0 : BRIGHT.y1, BRIGHT.x0 : BRIGHT.x1]
    assert inside.mean() == pytest.approx(110, abs=2)
    assert inside.std() == pytest.approx(5, abs=1.5)


def test_a_place_is_mirrored_first_and_other_findings_are_avoided() -> None:
    image = picture()
    middle = 2 * image.left + image.content_width
    mirrored = Patch(middle - BRIGHT.x1, BRIGHT.y0, middle - BRIGHT.x0, BRIGHT.y1)
    assert place_elsewhere(BRIGHT, [BRIGHT], image) == mirrored
    other = place_elsewhere(BRIGHT, [BRIGHT, mirrored], image)
    assert other is not None
    assert not other.meets(mirrored)


def test_what_fills_the_picture_can_be_neither_hidden_nor_moved() -> None:
    image = picture()
    whole = Patch(image.left, 0, image.left + image.content_width, 224)
    assert hidden(image, whole) is None
    assert place_elsewhere(whole, [whole], image) is None


def answered(present: bool, probability: float | None = None) -> Reading:
    """A triage answer to the one question."""
    chance = probability if probability is not None else (0.9 if present else 0.1)
    word = Presence.PRESENT if present else Presence.ABSENT
    said = turn(StageKey.FINDINGS, "presence", word, KIND)
    return sample_reading(findings=(finding(KIND, chance),), turns=(said,))


def audit(
    see: Callable[[PreparedImage], Reading], patch: Patch = BRIGHT, *more: Finding
) -> tuple[Outcome, int]:
    """The verdict on one finding, and how often the model was asked."""
    image = grainy()
    asked: list[Request] = []

    def ask(request: Request) -> Reading:
        asked.append(request)
        return see(request.images[0])

    request = Request([image], [reference(image)], ReadingKind.TRIAGE, quality_control=True)
    held = finding(KIND, 0.9, box=box_of(patch, image))
    first, *_ = occlusions(request, [held, *more], ask)
    assert first.kind is KIND
    return first.outcome, len(asked)


def bright(image: PreparedImage) -> bool:
    return bool(array(image)[BRIGHT.y0 : BRIGHT.y1, BRIGHT.x0 : BRIGHT.x1].mean() > 160)


def test_a_finding_seen_in_its_box_vanishes_with_it() -> None:
    outcome, asked = audit(lambda image: answered(bright(image)))
    assert (outcome, asked) == (Outcome.VANISHES, 3)


def test_a_finding_seen_elsewhere_survives() -> None:
    patch = Patch(150, 150, 180, 180)
    assert audit(lambda image: answered(bright(image)), patch)[0] is Outcome.SURVIVES
    assert audit(lambda image: answered(True))[0] is Outcome.SURVIVES


def test_a_finding_that_any_change_removes_proves_nothing() -> None:
    untouched = grainy().gray
    outcome, _ = audit(lambda image: answered(image.gray == untouched))
    assert outcome is Outcome.FRAGILE


def test_what_is_not_held_again_is_not_hidden() -> None:
    assert audit(lambda image: answered(False)) == (Outcome.NOT_HELD, 1)


def test_without_another_place_the_verdict_says_so() -> None:
    wide = Patch(22, 1, 201, 223)
    assert audit(lambda image: answered(bright(image)), wide) == (Outcome.NO_CONTROL, 2)
    whole = Patch(22, 0, 201, 224)
    assert audit(lambda image: answered(True), whole) == (Outcome.NOT_HIDDEN, 1)


def test_a_verdict_of_normal_does_not_pass_for_the_hiding() -> None:
    """Under No Finding the reading says uncertain, though the finding's own answer stands."""

    def weighed(image: PreparedImage) -> Reading:
        reading = answered(True)
        unsure = [replace(f, presence=Presence.UNCERTAIN) for f in reading.findings]
        return replace(reading, findings=tuple(unsure))

    assert audit(weighed)[0] is Outcome.SURVIVES


def test_findings_without_a_box_on_this_picture_are_left_out() -> None:
    image = grainy()
    request = Request([image], [reference(image)], ReadingKind.TRIAGE, quality_control=True)
    strange = finding(
        KIND, 0.9, box=replace(box_of(BRIGHT, image), sop_instance_uid=picture(9).sop_instance_uid)
    )
    assert occlusions(request, [strange, finding(KIND, 0.9)], lambda _: answered(True)) == ()
