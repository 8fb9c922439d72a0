"""Contradictions put into readings are found; readings without one are left alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from cxr_node.domain.findings import (
    Clash,
    Contradiction,
    FindingKind,
    Presence,
    Reading,
    TracePart,
    TraceSection,
    Zone,
)
from cxr_node.domain.stages import RELATIONS, StageKey
from cxr_node.reasoning import consistency
from cxr_node.reasoning.allowed import OBSCURES, may_lie, may_relate
from cxr_node.reasoning.prose.terms import NamedTerms
from cxr_node.reasoning.scripted import Answer, ScriptedModel
from cxr_node.reasoning.staged import StagedReader
from tests.asking import request
from tests.contradictions import LIES, Writer, relation
from tests.held_out_prose import HELD_OUT
from tests.models import picture
from tests.readings import sample_reading, turn
from tests.report_prose import FIRST, Prose
from tests.report_prose_abroad import ABROAD
from tests.report_prose_fields import FIELDS
from tests.report_prose_letters import LETTERS
from tests.report_prose_more import SECOND
from tests.report_prose_night import NIGHT
from tests.report_prose_plain import PLAIN_SPOKEN
from tests.report_prose_resident import RESIDENT
from tests.report_prose_styles import FOURTH, THIRD
from tests.report_prose_uk import CONSULTANT
from tests.report_prose_us import TELEGRAPHIC
from tests.report_prose_verbose import VERBOSE

TUNED = (FIRST, SECOND, THIRD, FOURTH)
MET_LATER = (CONSULTANT, TELEGRAPHIC, VERBOSE, RESIDENT, PLAIN_SPOKEN, NIGHT)
WORDINGS = {"held out": (HELD_OUT, 60)} | {
    str(n): (p, 15) for n, p in enumerate((*TUNED, *MET_LATER), 1)
}
WORDINGS |= {"fields": (FIELDS, 10), "abroad": (ABROAD, 10), "letters": (LETTERS, 10)}
"""Name to wording and to how many readings are drawn for each kind of contradiction."""
NOTHING = NamedTerms((), ())
K = FindingKind


def found(reading: Reading) -> tuple[Contradiction, ...]:
    return consistency.contradictions(reading, NOTHING)


def kinds(reading: Reading) -> set[Clash]:
    return {clash.clash for clash in found(reading)}


@pytest.mark.parametrize(("prose", "each"), WORDINGS.values(), ids=WORDINGS)
def test_readings_that_agree_raise_no_alarm(prose: Prose, each: int) -> None:
    writer, readings = Writer(2025, prose), each * len(LIES)
    alarms = sum(bool(found(writer.clean())) for _ in range(readings))
    assert alarms <= 0.02 * readings


@pytest.mark.parametrize(("prose", "each"), WORDINGS.values(), ids=WORDINGS)
def test_contradictions_are_found(prose: Prose, each: int) -> None:
    writer = Writer(2026, prose)
    hits = dict.fromkeys(LIES, 0)
    for clash, lie in LIES.items():
        for _ in range(each):
            told = lie(writer)
            hits[clash] += any(
                c.clash is clash or told.about in c.findings for c in found(told.reading)
            )
    assert sum(hits.values()) >= 0.95 * each * len(LIES), hits
    assert min(hits.values()) >= 0.8 * each, hits


def test_a_reading_is_checked_in_milliseconds() -> None:
    writer = Writer(1, FIRST)
    readings = [writer.clean() for _ in range(50)]
    best = min(_seconds(readings) for _ in range(5))
    assert best / len(readings) < 0.02


def _seconds(readings: list[Reading]) -> float:
    start = time.perf_counter()
    for reading in readings:
        found(reading)
    return time.perf_counter() - start


def test_every_kind_of_contradiction_can_be_told() -> None:
    assert set(LIES) == set(Clash)


def test_a_contradiction_costs_confidence_and_nothing_else() -> None:
    reading = Writer(3, FIRST).clean(K.PNEUMOTHORAX)
    doubts = (
        Contradiction(Clash.REPORT, "one", (K.PNEUMOTHORAX,)),
        Contradiction(Clash.SIDE, "two", (K.PNEUMOTHORAX,)),
    )
    doubted = consistency.doubted(replace(reading, contradictions=(*doubts, doubts[0])))
    assert doubted.contradictions == doubts
    assert doubted.review
    for before, after in zip(reading.findings, doubted.findings, strict=True):
        assert replace(after, confidence=before.confidence) == before
        expected = consistency.lowered(before.confidence, 2 * (before.kind is K.PNEUMOTHORAX))
        assert after.confidence == expected
    assert consistency.lowered(0.8, 1) == pytest.approx(0.4)
    assert consistency.lowered(None, 3) is None


def _read(answers: Mapping[str, Answer]) -> Reading:
    return StagedReader(ScriptedModel(answers)).read(request(picture()))


SICK: dict[str, Answer] = {
    "overall": "abnormal",
    "presence/pneumothorax": 0.9,
    "side/pneumothorax": "right",
    "zone/pneumothorax": "apex",
    "box/pneumothorax": "(20, 10), (40, 30)",
}


@pytest.mark.parametrize(
    ("answers", "clash"),
    [
        ({"impression": "No pneumothorax."}, Clash.REPORT),
        ({"findings": "Left pneumothorax."}, Clash.SIDE),
        ({"description/pneumothorax": "Visceral line at the left apex."}, Clash.SIDE),
        ({"impression": "Normal chest."}, Clash.NO_FINDING),
        ({"overall": "normal"}, Clash.OVERALL),
        ({"projection": "AP"}, Clash.HEADER),
        ({"zone/pneumothorax": "heart"}, Clash.ANATOMY),
        ({"box/pneumothorax": "(60, 10), (80, 30)"}, Clash.BOX),
        ({"findings": "Right pneumothorax and consolidation."}, Clash.REPORT),
    ],
)
def test_a_whole_reading_says_what_contradicts_it(answers: dict[str, Answer], clash: Clash) -> None:
    plain, reading = _read(SICK), _read(SICK | answers)
    assert not plain.review
    assert plain.warnings == ()
    assert [c.clash for c in reading.contradictions] == [clash]
    assert {c.words for c in reading.contradictions} <= set(reading.warnings)
    before = {f.kind: f.confidence or 0.0 for f in plain.findings}
    after = {f.kind: f.confidence or 0.0 for f in reading.findings}
    assert all(after[kind] < before[kind] for kind in reading.contradictions[0].findings)
    assert next(f for f in reading.findings if f.kind is K.PNEUMOTHORAX).present


def _with(reading: Reading, **texts: str) -> Reading:
    return replace(reading, **texts)  # type: ignore[arg-type]


QUIET = sample_reading(
    findings_text="", impression="", relations=(), changes=(), trend="", turns=(), contradictions=()
)


@pytest.mark.parametrize(
    "text",
    [
        "No large pneumothorax.",
        "No left pneumothorax.",
        "Possible pneumonia.",
        "No new effusion.",
        "Small left effusion. Right apical pneumothorax.",
        "The endotracheal tube terminates in the right mainstem bronchus.",
        "The effusion obscures the left hemidiaphragm.",
        "No consolidation. Lungs are otherwise clear.",
        "Old granuloma. Mild congestion.",
        "No displaced rib fracture.",
    ],
)
def test_what_a_radiologist_would_accept_is_accepted(text: str) -> None:
    assert found(_with(QUIET, findings_text=text)) == ()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("No effusion.", K.PLEURAL_EFFUSION),
        ("Costophrenic angles are sharp.", K.PLEURAL_EFFUSION),
        ("The pneumothorax has resolved.", K.PNEUMOTHORAX),
        ("Extubated; no endotracheal tube.", K.ENDOTRACHEAL_TUBE),
        ("Right pleural effusion.", K.PLEURAL_EFFUSION),
        ("Massive left effusion.", K.PLEURAL_EFFUSION),
        ("There is a chest tube.", K.CHEST_TUBE),
        ("Right basilar pneumothorax.", K.PNEUMOTHORAX),
    ],
)
def test_what_cannot_both_be_true_is_named(text: str, kind: FindingKind) -> None:
    assert [c.findings for c in found(_with(QUIET, impression=text))] == [(kind,)]


def test_the_last_word_of_a_thought_counts() -> None:
    thought = "There is a consolidation. On second look, no consolidation is seen."
    part = TracePart(TraceSection.SUMMARY, thought)
    assert found(replace(QUIET, trace=(part,))) == ()
    other = TracePart(TraceSection.PLEURA, "There is no pleural effusion.")
    assert kinds(replace(QUIET, trace=(part, other))) == {Clash.TRACE}


def test_a_section_lends_its_subject() -> None:
    part = TracePart(TraceSection.PLEURA, "Unremarkable.")
    assert kinds(replace(QUIET, trace=(part,))) == {Clash.TRACE}


def test_thoughts_before_one_answer_are_held_against_it_alone() -> None:
    asked = turn(StageKey.FINDINGS, "presence", "present", "pneumothorax")
    denies = replace(asked, raw="<think>No pneumothorax. A consolidation.</think>")
    agrees = replace(asked, raw="<think>A pneumothorax. A consolidation.</think>")
    assert found(replace(QUIET, turns=(agrees,))) == ()
    assert [c.findings for c in found(replace(QUIET, turns=(denies,)))] == [(K.PNEUMOTHORAX,)]


def test_closed_relations_and_changes_are_read_from_turns_too() -> None:
    pair = "pneumothorax+endotracheal_tube"
    odd = turn(StageKey.RELATIONSHIPS, "relation", "obscures", pair)
    gone = turn(StageKey.COMPARISON, "change", "resolved", "pneumothorax")
    assert kinds(replace(QUIET, turns=(odd, gone))) == {Clash.RELATION, Clash.CHANGE}
    said = relation(K.PNEUMOTHORAX, "obscures", K.ENDOTRACHEAL_TUBE)
    assert len(found(replace(QUIET, turns=(odd,), relations=(said,)))) == 1


def test_relations_in_prose_are_held_against_the_table() -> None:
    text = "The right pneumothorax is caused by the left effusion."
    assert found(_with(QUIET, findings_text=text)) == ()
    odd = "The right pneumothorax obscures the endotracheal tube."
    assert kinds(_with(QUIET, findings_text=odd)) == {Clash.RELATION}
    assert found(_with(QUIET, findings_text="Pneumothorax. The endotracheal tube causes.")) == ()


def test_the_table_covers_every_finding_and_goes_both_ways() -> None:
    for first in FindingKind:
        assert any(may_lie(first, zone) for zone in Zone)
        assert first in OBSCURES
        for second in FindingKind:
            for how in RELATIONS:
                assert may_relate(first, how, second) == may_relate(second, how, first)


def test_boxes_say_nothing_of_sides_on_a_lateral_view() -> None:
    writer = Writer(5, FIRST)
    told = LIES[Clash.BOX](writer).reading
    assert Clash.BOX in kinds(told)
    lateral = replace(told, images=(replace(told.images[0], view="LATERAL"),))
    assert Clash.BOX not in kinds(lateral)


def test_an_unasked_finding_is_never_contradicted() -> None:
    findings = tuple(
        replace(f, presence=Presence.NOT_ASSESSED, probability=None) for f in QUIET.findings
    )
    text = "Right pneumothorax. No effusion. Fracture."
    assert found(replace(QUIET, findings=findings, findings_text=text, abnormal=None)) == ()
