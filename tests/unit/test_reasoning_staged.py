"""The walk over the eight stages, with a model that says what the test wants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from cxr_node.domain.findings import (
    Advice,
    DevicePosition,
    Finding,
    FindingKind,
    Laterality,
    Presence,
    PriorStudy,
    Reading,
    ReadingKind,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import (
    Ask,
    Conversation,
    Generated,
    PreparedImage,
    Progress,
    Reply,
)
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.assemble import OUTSIDE_PHANTOMS, Study, assemble
from cxr_node.reasoning.profiles import Calibration, Limits, PictureOrder, Profile
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.scripted import Answer, Script, ScriptedModel
from cxr_node.reasoning.staged import PriorPicture, Request, StagedReader
from cxr_node.reasoning.walk import NO_PRIOR, NO_PRIOR_PICTURE, NOT_IN_TRIAGE
from tests.asking import request
from tests.models import picture, reference

SICK: dict[str, Answer] = {
    "overall": "abnormal",
    "presence/pneumothorax": 0.9,
    "presence/pneumonia": {"present": 0.3, "absent": 0.2, "uncertain": 0.5},
    "presence/endotracheal_tube": 0.7,
    "side/pneumothorax": "left",
    "box/pneumothorax": "<|box|>(60, 10), (80, 30)<|/box|>",
    "position/endotracheal_tube": "too_low",
    "other": "hiatal hernia, mild edema",
    "relation": "accompanies",
    "category": "1",
    "next_step": "urgent_clinical_review",
    "impression": "Left pneumothorax.",
}


def _read(
    answers: Mapping[str, Answer] | None = None,
    *,
    kind: ReadingKind = ReadingKind.READ,
    view: str = "PA",
    images: Sequence[PreparedImage] | None = None,
    profile: Profile | None = None,
    intended_use: str = "tests",
    quality_control: bool = False,
    prior: PriorPicture | None = None,
    progress: Progress = lambda: None,
) -> Reading:
    shown = images or [picture()]
    model = ScriptedModel(answers, Script(intended_use=intended_use))
    references = [reference(image, view) for image in shown]
    asked = Request(shown, references, kind, quality_control, prior)
    return StagedReader(model, profile).read(asked, progress)


def _finding(reading: Reading, kind: FindingKind) -> Finding:
    return next(f for f in reading.findings if f.kind is kind)


def test_every_stage_is_answered_or_skipped_with_a_reason() -> None:
    for answers in (SICK, {}):
        reading = _read(answers)
        answered = {turn.stage for turn in reading.turns}
        skipped = {s.stage: s.reason for s in reading.skipped}
        assert answered | skipped.keys() == set(StageKey)
        assert not answered & skipped.keys()
        assert all(skipped.values())


def test_a_sick_study_is_read_whole() -> None:
    reading = _read(SICK)
    assert [f.kind for f in reading.present] == [
        FindingKind.PNEUMOTHORAX,
        FindingKind.ENDOTRACHEAL_TUBE,
    ]
    pneumothorax = _finding(reading, FindingKind.PNEUMOTHORAX)
    assert pneumothorax.laterality is Laterality.LEFT
    assert pneumothorax.probability == pytest.approx(0.9)
    assert pneumothorax.position is None
    tube = _finding(reading, FindingKind.ENDOTRACHEAL_TUBE)
    assert tube.position is DevicePosition.TOO_LOW
    assert tube.severity is None
    assert tube.laterality is None
    assert _finding(reading, FindingKind.PNEUMONIA).presence is Presence.UNCERTAIN
    assert reading.abnormal == pytest.approx(0.9)
    assert reading.relations == ("pneumothorax accompanies endotracheal tube", "As scripted.")
    assert reading.advice == Advice(1, "urgent_clinical_review")
    assert reading.dropped_terms == ("hiatal hernia",)
    assert "edema is held absent, yet named among other findings" in reading.warnings
    assert reading.impression == "Left pneumothorax."
    assert reading.projection == "PA"
    assert set(reading.quality.values()) == {"adequate"}
    assert reading.no_finding is False


def test_boxes_reach_original_pixels() -> None:
    image = picture()
    box = _finding(_read(SICK, images=[image]), FindingKind.PNEUMOTHORAX).box
    assert box is not None
    assert box.sop_instance_uid == image.sop_instance_uid
    x0, y0 = image.from_original(box.x0, box.y0)
    x1, y1 = image.from_original(box.x1, box.y1)
    back = [x0 / 2.24, y0 / 2.24, x1 / 2.24, y1 / 2.24]
    assert back == pytest.approx([60, 10, 80, 30], abs=0.5)


def test_a_box_in_the_padding_is_dropped_with_a_warning() -> None:
    reading = _read(SICK | {"box/pneumothorax": "(0, 10), (5, 30)"})
    assert _finding(reading, FindingKind.PNEUMOTHORAX).box is None
    assert "the box of pneumothorax lies outside the image and was dropped" in reading.warnings


@pytest.mark.parametrize(
    ("heart", "expected"),
    [
        ("(30, 45), (70, 80)", 0.5),
        ("(10, 45), (89, 80)", None),
        ("(50, 45), (55, 80)", None),
        ("(5, 10), (95, 90)", None),
        ("in the middle", None),
    ],
)
def test_the_ratio_is_given_only_when_the_boxes_fit(heart: str, expected: float | None) -> None:
    reading = _read({"anatomy_box/heart": heart, "anatomy_box/thorax": "(10, 5), (90, 95)"})
    assert (reading.ratio.value if reading.ratio else None) == (
        pytest.approx(expected, abs=0.01) if expected else None
    )
    assert reading.ratio is not None or reading.warnings


def test_triage_asks_closed_triage_questions_only() -> None:
    reading = _read(SICK, kind=ReadingKind.TRIAGE)
    assert {turn.question for turn in reading.turns} == {"projection", "overall", "presence"}
    assert {f.kind for f in reading.present} == {
        FindingKind.PNEUMOTHORAX,
        FindingKind.ENDOTRACHEAL_TUBE,
    }
    assert {s.reason for s in reading.skipped} == {NOT_IN_TRIAGE}
    assert reading.advice is None
    assert reading.kind is ReadingKind.TRIAGE


def test_findings_are_described_one_after_the_other() -> None:
    reading = _read(SICK)
    subjects = [t.subject for t in reading.turns if t.stage is StageKey.ATTRIBUTES_GROUNDING]
    first_seen = list(dict.fromkeys(subjects))
    assert subjects == sorted(subjects, key=first_seen.index)
    assert first_seen == ["pneumothorax", "endotracheal_tube", "heart", "thorax"]


def _prior(seed: int = 1) -> PriorPicture:
    image = picture(seed)
    return PriorPicture(PriorStudy(Uid("1.2.840.9"), reference(image), "20250301"), image)


def _why_not_compared(reading: Reading) -> str | None:
    return {s.stage: s.reason for s in reading.skipped}.get(StageKey.COMPARISON)


def test_comparison_needs_a_prior_and_its_picture() -> None:
    worse = SICK | {"change": "worsened"}
    assert _why_not_compared(_read(worse)) == NO_PRIOR
    compared = _read(worse, prior=_prior())
    assert _why_not_compared(compared) is None
    assert compared.changes[0] == "pneumothorax: worsened"
    assert compared.prior == _prior().study


def test_a_model_that_sees_one_picture_does_not_compare() -> None:
    narrow = Profile(wording=Wording.PLAIN, pictures=1)
    reading = _read(SICK, prior=_prior(), profile=narrow)
    assert reading.prior is None
    assert _why_not_compared(reading) == NO_PRIOR_PICTURE


@pytest.mark.parametrize("order", PictureOrder)
def test_the_first_question_says_which_picture_is_which(order: PictureOrder) -> None:
    profile = Profile(wording=Wording.PLAIN, pictures=2, order=order)
    reading = _read(SICK, prior=_prior(), profile=profile)
    first, second = reading.turns[:2]
    reversed_ = order is PictureOrder.REFERENCE_FIRST
    assert first.prompt.startswith(
        "The first image is " + ("an earlier study" if reversed_ else "the current study")
    )
    assert "image" not in second.prompt.split("?")[0]
    assert first.context_sha256 != _read(SICK, profile=profile).turns[0].context_sha256


def test_refused_answers_become_no_finding_and_are_counted() -> None:
    reading = _read({"presence/pneumothorax": math.nan, "limits": "12 12 12"})
    refused = [turn for turn in reading.turns if not turn.accepted]
    assert {turn.question for turn in refused} == {"presence", "limits"}
    assert all(turn.answer == "not assessed" and turn.problem for turn in refused)
    found = _finding(reading, FindingKind.PNEUMOTHORAX)
    assert (found.presence, found.probability) == (Presence.NOT_ASSESSED, None)
    assert reading.no_finding is None
    assert f"2 of {len(reading.turns)} answers were refused" in reading.warnings


def test_thresholds_and_calibration_come_from_the_profile() -> None:
    profile = Profile(
        wording=Wording.PLAIN,
        thresholds={FindingKind.EDEMA: 0.2, FindingKind.PORT: 0.8},
        calibration={"presence:fracture": Calibration(bias={"present": 9.0})},
    )
    answers: dict[str, Answer] = {"overall": "abnormal", "presence": 0.3, "presence/port": 0.7}
    reading = _read(answers, profile=profile)
    assert {f.kind for f in reading.present} == {FindingKind.EDEMA, FindingKind.FRACTURE}
    assert {f.kind for f in reading.findings if f.calibrated} == {FindingKind.FRACTURE}
    assert _finding(reading, FindingKind.EDEMA).threshold == 0.2


def test_what_a_model_cannot_tell_is_called_neither_present_nor_absent() -> None:
    profile = Profile(wording=Wording.PLAIN, not_assessed=(FindingKind.FRACTURE,))
    reading = _read({"overall": "abnormal", "presence": 0.9}, profile=profile)
    found = _finding(reading, FindingKind.FRACTURE)
    assert (found.presence, found.probability) == (Presence.NOT_ASSESSED, None)
    described = [t for t in reading.turns if t.stage is StageKey.ATTRIBUTES_GROUNDING]
    assert described
    assert not [turn for turn in described if turn.subject == FindingKind.FRACTURE]
    assert reading.no_finding is False


def test_an_untaught_stage_is_skipped_with_that_reason() -> None:
    profile = Profile(wording=Wording.PLAIN, untaught=(StageKey.ADVICE,))
    reading = _read({"overall": "abnormal", "presence": 0.9}, profile=profile)
    reasons = {item.stage: item.reason for item in reading.skipped}
    assert "not taught" in reasons[StageKey.ADVICE]
    assert reading.advice is None


def test_a_reading_stays_short_when_everything_is_present() -> None:
    profile = Profile(wording=Wording.PLAIN, limits=Limits(described_findings=4, pairs=2))
    reading = _read({"presence": 0.6, "presence/port": 0.9, "overall": "abnormal"}, profile=profile)
    assert len(reading.present) == 18
    described = {t.subject for t in reading.turns if t.question == "description"}
    assert len(described) == 4
    assert "port" in described
    assert sum(t.question == "relation" for t in reading.turns) == 2
    assert "only the 4 most probable findings are described" in reading.warnings


@pytest.mark.parametrize(
    ("answers", "view", "words"),
    [
        ({"projection": "AP"}, "PA", "the model sees a projection AP, the header says PA"),
        ({"projection": "lateral"}, "UNKNOWN", "the model sees a lateral projection"),
        ({"presence/pneumonia": 0.9}, "PA", "called normal, yet held: pneumonia"),
        ({"overall": "abnormal"}, "PA", "called abnormal, yet no finding"),
        (
            {"presence/pneumonia": 0.9, "impression": "Normal chest radiograph."},
            "PA",
            "the impression speaks of a normal study",
        ),
    ],
)
def test_contradictions_are_shown(answers: dict[str, Answer], view: str, words: str) -> None:
    assert any(words in warning for warning in _read(answers, view=view).warnings)


def test_an_honest_normal_study_has_no_warning() -> None:
    assert _read({}).warnings == ()
    assert _read({}, view="UNKNOWN").warnings == ()
    assert _read({"projection": "AP", "presence/port": 0.9}, view="AP").no_finding is True


@pytest.mark.parametrize(
    ("use", "quality_control", "expected"),
    [
        ("phantoms", False, OUTSIDE_PHANTOMS),
        ("phantoms", True, ""),
        ("adult-frontal", False, ""),
    ],
)
def test_a_phantom_model_says_when_it_reads_a_patient(
    use: str, quality_control: bool, expected: str
) -> None:
    reading = _read({}, intended_use=use, quality_control=quality_control)
    assert reading.outside_intended_use == expected


def test_replay_gives_the_same_prompts_contexts_and_reading() -> None:
    assert _read(SICK) == _read(SICK)
    other = _read(SICK | {"limits": "Motion blurs the base."})
    pairs = list(zip(_read(SICK).turns, other.turns, strict=True))
    changed = [a.context_sha256 != b.context_sha256 for a, b in pairs]
    at = next(i for i, (a, _) in enumerate(pairs) if a.question == "limits")
    assert not any(changed[: at + 1])
    assert all(changed[at + 1 :])
    assert all(a.prompt_sha256 == b.prompt_sha256 for a, b in pairs)


def test_a_reading_can_be_made_again_from_its_turns() -> None:
    image = picture()
    reading = _read(SICK, images=[image])
    profile = Profile(wording=Wording.PLAIN, pictures=4)
    study = Study(
        *(ReadingKind.READ, reading.model, profile, (image,), (reference(image),), False),
        shown=(image,),
    )
    skipped = {s.stage: s.reason for s in reading.skipped}
    assert assemble(study, reading.turns, skipped) == reading


def test_progress_is_called_after_every_turn() -> None:
    beats: list[None] = []
    reading = _read(SICK, progress=lambda: beats.append(None))
    assert len(beats) == len(reading.turns)


def test_errors_of_the_model_are_not_swallowed() -> None:
    model = ScriptedModel(script=Script(fails_at=StageKey.FINDINGS))
    with pytest.raises(RuntimeError, match="the script says so"):
        StagedReader(model).read(request(picture()))


def test_images_and_references_belong_together() -> None:
    with pytest.raises(ValueError, match="pairs"):
        Request([], [], ReadingKind.READ, quality_control=True)


class _Forgetful:
    """A model that scores nothing and is given words it must not be asked with."""

    def __init__(self) -> None:
        self.inner = ScriptedModel()
        self.identity = self.inner.identity
        self.image_policy = self.inner.image_policy
        self.prompts: list[str] = []

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        yield self  # type: ignore[misc]

    context = ""

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        self.prompts += [ask.prompt for _, ask in asked]
        return [() if ask.options else Generated("", truncated=True) for _, ask in asked]

    def settle(self, answer: str) -> None:
        assert answer == "not assessed"


def test_a_model_that_says_nothing_gives_a_reading_without_findings() -> None:
    model = _Forgetful()
    reading = StagedReader(model).read(request(picture()))
    assert not any(turn.accepted for turn in reading.turns)
    assert {f.presence for f in reading.findings} == {Presence.NOT_ASSESSED}
    assert reading.advice is None
    assert reading.abnormal is None
    assert reading.ratio is None
