"""Documented output habits of the families, played through the whole reader."""

from __future__ import annotations

import pytest

from cxr_node.domain.findings import Clash, Finding, FindingKind, Presence, Reading
from cxr_node.domain.stages import OPENING, Turn
from cxr_node.reasoning.profiles import Family
from cxr_node.reasoning.scripted import Answer, Script, ScriptedModel
from cxr_node.reasoning.staged import StagedReader
from tests.asking import request
from tests.models import picture

EDEMA: dict[str, Answer] = {"overall": "abnormal", "presence/edema": 0.9}
CUT = "the reasoning was cut at the token limit"
INCOMPLETE = "the reasoning tags are incomplete"


def _read(family: Family, answers: dict[str, Answer], raw: dict[str, str]) -> Reading:
    script = Script(family=family, answers=answers, raw=raw)
    return StagedReader(ScriptedModel(script=script)).read(request(picture()))


def _traced(trace: str, answers: dict[str, Answer] | None = None) -> Reading:
    return _read(Family.NV_REASON_CXR, EDEMA if answers is None else answers, {"trace": trace})


def _turn(reading: Reading, question: str, subject: str = "") -> Turn:
    return next(t for t in reading.turns if (t.question, t.subject) == (question, subject))


def _finding(reading: Reading, kind: FindingKind) -> Finding:
    return next(f for f in reading.findings if f.kind is kind)


@pytest.mark.parametrize(
    "trace",
    [
        "<think> Vessels are full, ratio < 0.5. </think>\n<answer> Edema </answer>",
        "<thinking>Vessels are full.</thinking>\n\n<answer>edema</answer>\n",
        "<think></think><answer>EDEMA, Edema.</answer>",
        '<think>Full.</think><answer>["Edema"]</answer>',
        '<think>Full.</think><answer>{"labels": ["Edema"]}</answer>',
        '<think>Full.</think><answer>```json\n["edema"]\n```</answer>',
        "<think>Full.</think><answer>- Edema\n</answer>",
    ],
)
def test_a_trace_is_read_in_every_form_that_is_documented(trace: str) -> None:
    reading = _traced(trace)
    turn = _turn(reading, OPENING)
    assert (turn.accepted, turn.answer, turn.raw) == (True, "Edema", trace)
    assert [f.kind for f in reading.present] == [FindingKind.EDEMA]
    assert reading.contradictions == ()


@pytest.mark.parametrize(
    ("trace", "problem"),
    [
        ("Vessels are full. Edema", INCOMPLETE),
        ("<think>Full.</think> Edema", INCOMPLETE),
        ("<answer>Edema</answer>", INCOMPLETE),
        ("<think>Full.<answer>Edema</answer>", INCOMPLETE),
        ("<think>Full.</think><answer>Edema", INCOMPLETE),
        ("<think>a</think><think>b</think><answer>Edema</answer>", INCOMPLETE),
        ("<think>a</think><answer>Edema</answer><answer>Fracture</answer>", INCOMPLETE),
        ("<answer>Edema</answer><think>Full.</think>", INCOMPLETE),
        ("<think>a</thinking><answer>Edema</answer>", INCOMPLETE),
        ("Sure! <think>a</think><answer>Edema</answer>", "outside the reasoning tags"),
        ("<think>a</think><answer>Edema</answer> and Pneumothorax", "outside the reasoning tags"),
        ("<think>" + "word " * 3000 + "</think><answer>Edema</answer>", CUT),
        ("<think>a</think><answer> </answer>", "no label"),
        ('<think>a</think><answer>{"Edema": true, "Fracture": false}</answer>', "no list"),
        ('<think>a</think><answer>["Edema", 3]</answer>', "no list"),
        ('<think>a</think><answer>["Edema"</answer>', "broken JSON"),
    ],
)
def test_a_trace_that_departs_gives_no_result_of_its_own(trace: str, problem: str) -> None:
    reading = _traced(trace)
    turn = _turn(reading, OPENING)
    assert not turn.accepted
    assert problem in turn.problem
    assert turn.raw
    assert turn.settled == "not assessed"
    assert (reading.trace, reading.dropped_terms) == ((), ())
    assert [f.kind for f in reading.present] == [FindingKind.EDEMA]
    assert f"1 of {len(reading.turns)} answers were refused" in reading.warnings


def test_an_invented_label_is_dropped_where_it_is_seen() -> None:
    reading = _traced("<think>a</think><answer>Edema, Hiatal Hernia, No Pneumonia</answer>")
    assert reading.dropped_terms == ("Hiatal Hernia", "No Pneumonia")
    assert [f.kind for f in reading.present] == [FindingKind.EDEMA]


def test_a_listed_label_alone_makes_nothing_present() -> None:
    reading = _traced("<think>a</think><answer>Edema, Pneumothorax</answer>")
    doubted = _finding(reading, FindingKind.PNEUMOTHORAX)
    assert doubted.presence is Presence.UNCERTAIN
    assert [(c.clash, c.findings) for c in reading.contradictions] == [
        (Clash.TRACE, (FindingKind.PNEUMOTHORAX,))
    ]
    assert reading.review
    assert any("lists pneumothorax" in warning for warning in reading.warnings)


def test_an_unlisted_finding_is_uncertain_and_says_so() -> None:
    reading = _traced(
        "<think>a</think><answer>Support Devices</answer>", EDEMA | {"presence/port": 0.9}
    )
    assert _finding(reading, FindingKind.EDEMA).presence is Presence.UNCERTAIN
    assert [f.kind for f in reading.present] == [FindingKind.PORT]
    assert "edema is held present, the reasoning does not list it" in reading.warnings


@pytest.mark.parametrize("kind", [FindingKind.PNEUMOTHORAX, FindingKind.CHEST_TUBE])
def test_what_cannot_wait_stays_present_when_its_own_answer_says_so(kind: FindingKind) -> None:
    reading = _traced(
        "<think>Normal.</think><answer>No Finding</answer>",
        {"overall": "abnormal", f"presence/{kind}": 0.9},
    )
    assert [f.kind for f in reading.present] == [kind]
    assert reading.review


def test_no_finding_with_pathology_is_a_contradiction() -> None:
    reading = _traced("<think>a</think><answer>No Finding, Edema</answer>")
    assert Clash.NO_FINDING in {c.clash for c in reading.contradictions}
    assert _finding(reading, FindingKind.EDEMA).presence is Presence.UNCERTAIN
    assert any("No Finding together with Edema" in words for words in reading.warnings)


def test_listed_devices_of_which_none_is_held_present_are_said() -> None:
    reading = _traced("<think>a</think><answer>Edema, Support Devices</answer>")
    assert "the reasoning lists devices, of which none is held present" in reading.warnings
    assert not [f for f in reading.present if f.kind.is_device]


def test_a_listed_label_that_was_not_assessed_is_said() -> None:
    reading = _traced(
        "<think>a</think><answer>Edema, Fracture</answer>",
        EDEMA | {"presence/fracture": float("nan")},
    )
    assert _finding(reading, FindingKind.FRACTURE).presence is Presence.NOT_ASSESSED
    assert "the reasoning lists fracture, which was not assessed" in reading.warnings


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("<answer> A </answer>", INCOMPLETE),
        ("The vessels are full, so A.", INCOMPLETE),
        ("<think> Full. <answer> A </answer>", INCOMPLETE),
        ("<think> a <think> b </think><answer> A </answer>", INCOMPLETE),
        ("Well, <think> Full. </think><answer> A </answer>", INCOMPLETE),
        ("<think> " + "word " * 600 + "</think><answer> A </answer>", CUT),
    ],
)
def test_thoughts_that_depart_leave_the_finding_not_assessed(raw: str, problem: str) -> None:
    reading = _read(Family.CHESTX_REASONER, EDEMA, {"presence/edema": raw})
    turn = _turn(reading, "presence", "edema")
    assert (turn.accepted, turn.problem) == (False, problem)
    assert turn.raw
    assert _finding(reading, FindingKind.EDEMA).presence is Presence.NOT_ASSESSED
    assert reading.present == ()


def test_the_letter_is_scored_whatever_the_thoughts_say() -> None:
    raw = {"presence/edema": "<think> No. The answer is Z. </think><answer> Z </answer>"}
    reading = _read(Family.CHESTX_REASONER, EDEMA, raw)
    turn = _turn(reading, "presence", "edema")
    assert turn.probabilities == pytest.approx({"present": 0.9, "absent": 0.1})
    assert turn.settled == "<think> No. The answer is Z. </think><answer> A </answer>"
    assert turn.scores.keys() == {"present", "absent"}


@pytest.mark.parametrize(
    "raw",
    [
        "Left lower lobe.",
        "<think> a </think><answer> b",
        "<think> a </think><answer> b </answer><answer> c </answer>",
        "<answer> b </answer>",
    ],
)
def test_an_open_answer_without_whole_tags_is_refused(raw: str) -> None:
    reading = _read(Family.CHESTX_REASONER, EDEMA, {"description": raw})
    assert _turn(reading, "description", "edema").problem == INCOMPLETE
    assert _finding(reading, FindingKind.EDEMA).description == ""


def test_a_box_is_read_from_the_answer_not_from_the_thoughts() -> None:
    raw = "<think> Not (1, 2), (3, 4). </think><answer> (300, 200), (600, 500) </answer>"
    reading = _read(Family.CHESTX_REASONER, EDEMA, {"box": raw})
    assert _turn(reading, "box", "edema").answer == "(30, 20), (60, 50)"


@pytest.mark.parametrize("family", [Family.INSTRUCT, Family.NV_REASON_CXR])
def test_a_family_that_is_not_asked_to_may_still_reason_aloud(family: Family) -> None:
    whole = "<think>Perhaps (1, 2), (3, 4).</think><answer>Hazy left base.</answer>"
    reading = _read(family, EDEMA, {"description": whole})
    assert _finding(reading, FindingKind.EDEMA).description == "Hazy left base."
    broken = _read(family, EDEMA, {"description": "<think>Hazy left base."})
    assert _finding(broken, FindingKind.EDEMA).description == ""
