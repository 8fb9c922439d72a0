"""No Finding takes the certainty from pathologies, and from nothing that cannot wait."""

from __future__ import annotations

import pytest

from cxr_node.domain.findings import (
    Clash,
    DevicePosition,
    FindingKind,
    Presence,
    Reading,
    ReadingKind,
)
from cxr_node.domain.priority import Priority
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning import no_finding
from cxr_node.reasoning.scripted import Answer, ScriptedModel
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reporting.narrative import conclusion, stage_texts
from cxr_node.reporting.templates import load_templates
from cxr_node.services.prioritise import decide
from tests.asking import request
from tests.models import picture
from tests.readings import finding, sample_reading

PATHOLOGIES = [kind for kind in FindingKind if not kind.is_device]
DEVICES = [kind for kind in FindingKind if kind.is_device]
KEPT = [FindingKind.PNEUMOTHORAX, *DEVICES]

VERDICTS = [
    (0.2, False, (Clash.OVERALL,)),
    (0.9, True, (Clash.NO_FINDING,)),
    (0.2, True, (Clash.OVERALL, Clash.NO_FINDING)),
    (None, True, (Clash.NO_FINDING,)),
    (0.5, False, ()),
    (0.9, False, ()),
    (None, False, ()),
]


def stated(kind: FindingKind, presence: Presence, abnormal: float | None) -> Reading:
    """A reading in which one finding is so, and all others are absent."""
    findings = tuple(
        finding(k, 0.9 if k is kind else 0.1, presence=presence if k is kind else Presence.ABSENT)
        for k in FindingKind
    )
    return sample_reading(findings=findings, abnormal=abnormal)


def presence_of(reading: Reading, kind: FindingKind) -> Presence:
    return next(f.presence for f in reading.findings if f.kind is kind)


@pytest.mark.parametrize(("abnormal", "listed", "clashes"), VERDICTS)
@pytest.mark.parametrize("kind", FindingKind)
def test_every_finding_under_every_verdict(
    kind: FindingKind, abnormal: float | None, listed: bool, clashes: tuple[Clash, ...]
) -> None:
    before = stated(kind, Presence.PRESENT, abnormal)
    after = no_finding.weigh(before, listed=listed)
    if kind.is_device or not clashes:
        assert after == before
        return
    assert tuple(c.clash for c in after.contradictions) == clashes
    assert all(c.findings == (kind,) for c in after.contradictions)
    assert all(kind.value.replace("_", " ") in c.words for c in after.contradictions)
    kept = kind is FindingKind.PNEUMOTHORAX
    assert presence_of(after, kind) is (Presence.PRESENT if kept else Presence.UNCERTAIN)
    assert after.no_finding is (False if kept else None)
    assert after.review


@pytest.mark.parametrize("presence", [p for p in Presence if p is not Presence.PRESENT])
@pytest.mark.parametrize("kind", FindingKind)
def test_what_is_not_held_present_is_left_alone(kind: FindingKind, presence: Presence) -> None:
    before = stated(kind, presence, 0.1)
    assert no_finding.weigh(before, listed=True) == before


@pytest.mark.parametrize("kind", FindingKind)
def test_only_devices_and_pneumothorax_are_never_suppressed(kind: FindingKind) -> None:
    assert no_finding.excludes(kind) is (kind not in KEPT)


def test_a_normal_study_has_no_finding_and_an_uncertain_one_cannot_say() -> None:
    absent = stated(FindingKind.PORT, Presence.PRESENT, 0.1)
    assert absent.no_finding is True
    assert stated(FindingKind.EDEMA, Presence.UNCERTAIN, 0.1).no_finding is None
    assert stated(FindingKind.EDEMA, Presence.PRESENT, 0.1).no_finding is False


@pytest.mark.parametrize("kind", ReadingKind)
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"presence/pneumothorax": 0.9}, Priority.STAT),
        ({"presence/endotracheal_tube": 0.9, "position": "too_low"}, Priority.STAT),
        ({"presence/pleural_effusion": 0.9, "severity": "severe"}, Priority.ROUTINE),
        ({"presence/pleural_effusion": 0.9, "presence/pneumothorax": 0.9}, Priority.STAT),
    ],
)
def test_a_verdict_of_normal_suppresses_no_alarm(
    kind: ReadingKind, said: dict[str, Answer], expected: Priority
) -> None:
    """Triage and full reading alike; triage does not ask how a device lies."""
    answers = {"overall": "normal", "severity/pneumothorax": "moderate"} | said
    reading = StagedReader(ScriptedModel(answers)).read(request(picture(), kind))
    if "position" in said and kind is ReadingKind.TRIAGE:
        assert presence_of(reading, FindingKind.ENDOTRACHEAL_TUBE) is Presence.PRESENT
        return
    assert decide(reading, load_templates()).priority is expected
    tubes = [f for f in reading.present if f.position is DevicePosition.TOO_LOW]
    assert len(tubes) == ("position" in said)


@pytest.mark.parametrize("kind", ReadingKind)
def test_the_demoted_finding_is_shown_with_the_contradiction(kind: ReadingKind) -> None:
    answers: dict[str, Answer] = {"overall": "normal", "presence/pleural_effusion": 0.9}
    reading = StagedReader(ScriptedModel(answers)).read(request(picture(), kind))
    assert presence_of(reading, FindingKind.PLEURAL_EFFUSION) is Presence.UNCERTAIN
    (found,) = (f for f in reading.findings if f.kind is FindingKind.PLEURAL_EFFUSION)
    assert found.probability == pytest.approx(0.9)
    assert Clash.OVERALL in {c.clash for c in reading.contradictions}
    assert any("called normal, yet held: pleural effusion" in w for w in reading.warnings)
    templates = load_templates()
    told = conclusion(reading, decide(reading, templates), templates.wording)
    named = templates.wording.conclusion.uncertain.split("{")[0]
    assert "pleural effusion" in told[told.lower().index(named.lower()) :].lower()
    assert "pleural effusion 90" in stage_texts(reading, templates.wording)[StageKey.FINDINGS]
