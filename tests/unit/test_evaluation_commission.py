"""Commissioning is graded: a sound node passes, and every kind of tampering is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import FindingKind, ModelIdentity
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState
from cxr_node.evaluation.commission.figures import Verdict
from cxr_node.evaluation.commission.grade import NO_LIMITS, NOT_FOR_PHANTOMS, Grade, grade
from cxr_node.evaluation.commission.limits import Limits, ModelLimits, PathLimits, load_limits
from cxr_node.evaluation.commission.report import AboutNode, as_json, render
from cxr_node.evaluation.commission.studies import (
    Asked,
    PhantomStudy,
    ReportRead,
    SaidFinding,
    StudyAnswer,
)

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MODEL = ModelIdentity(
    "drawn", "1.2", "d" * 64, "embedded", Uid("1.2.3"), "project", "phantoms", "taught on phantoms"
)
DECLARED = ModelLimits.model_validate(
    {
        "name": "drawn",
        "versions": ">=1,<2",
        "difficulty": "phantom-2",
        "projection": 0.9,
        "side": 0.9,
        "flag": {"sensitivity": 0.95, "specificity": 0.9},
        "findings": {"pneumothorax": {"sensitivity": 0.9, "specificity": 0.9}},
    }
)
LIMITS = Limits(
    version="1",
    chance=0.01,
    path=PathLimits(stat_seconds=60, study_seconds=300),
    models=(DECLARED,),
)
ABSENT = dict.fromkeys((k.value for k in FindingKind), "absent")


def study(number: int) -> PhantomStudy:
    """Of every four: two normals, a left pneumothorax, and a lateral view alone."""
    ill, lateral = number % 4 == 1, number % 4 == 3
    return PhantomStudy(
        name=f"{number:03d}",
        seed=number,
        maker="NORDLICHT ROENTGEN NL-4",
        study_uid=f"1.2.{number}",
        patient_id=f"QCC-{number}",
        patient_name="PHANTOM^COMMISSIONING",
        accession_number=f"A{number}",
        images=(f"1.2.{number}.1",),
        files=(),
        projection="lateral" if lateral else "PA",
        refused_for="view" if lateral else "",
        priority=Priority.STAT if ill else Priority.ROUTINE,
        findings={} if lateral else ABSENT | ({"pneumothorax": "present"} if ill else {}),
        sides={"pneumothorax": "left"} if ill else {},
    )


def right_answer(asked: PhantomStudy, place: int) -> StudyAnswer:
    """What a node whose model knows the truth would have made of it."""
    if asked.refused_for:
        return StudyAnswer(
            StudyState.NOT_ELIGIBLE,
            reason=asked.refused_for,
            priority=Priority.ROUTINE,
            listed=Priority.ROUTINE,
            place=place,
        )
    said = {
        kind: SaidFinding(presence, frozenset({asked.sides[kind]} if kind in asked.sides else ()))
        for kind, presence in asked.findings.items()
    }
    report = ReportRead(
        study_uid=asked.study_uid,
        patient_id=asked.patient_id,
        patient_name=asked.patient_name,
        accession_number=asked.accession_number,
        images=frozenset(asked.images),
        verified=False,
        model_digest=MODEL.digest,
        projection=asked.projection,
        findings=said,
    )
    flagged = asked.priority is Priority.STAT
    return StudyAnswer(
        StudyState.DELIVERED,
        priority=asked.priority,
        findings=tuple(asked.sides),
        last_image_at=NOON,
        flagged_at=NOON + timedelta(seconds=2) if flagged else None,
        reported_at=NOON + timedelta(seconds=9),
        reports=(report,),
        listed=asked.priority,
        place=place,
    )


def answered(count: int = 24) -> list[Asked]:
    studies = sorted((study(n) for n in range(count)), key=lambda s: s.priority != Priority.STAT)
    return [Asked(s, right_answer(s, place)) for place, s in enumerate(studies)]


def tampered(change: Callable[[Asked], StudyAnswer]) -> list[Asked]:
    return [replace(one, answer=change(one)) for one in answered()]


def graded(asked: Sequence[Asked], limits: Limits = LIMITS, model: ModelIdentity = MODEL) -> Grade:
    return grade(asked, limits, model, "phantom-2")


def failed(found: Grade) -> str:
    """Names of what failed."""
    checks = [check.name for check in found.checks if not check.passed]
    return "; ".join(checks + [f.name for f in found.figures if f.verdict is Verdict.FAILS])


def said(one: Asked, **changes: Any) -> StudyAnswer:
    """The answer with values of its reports changed."""
    reports = tuple(replace(report, **changes) for report in one.answer.reports)
    return replace(one.answer, reports=reports)


def test_a_node_that_answers_rightly_passes() -> None:
    found = graded(answered())
    assert found.passed, failed(found)
    assert found.scope == ""
    limited = [figure for figure in found.figures if figure.limit is not None]
    assert {figure.verdict for figure in limited} == {Verdict.HOLDS}
    assert all(figure.hits == figure.n for figure in limited)


TAMPERINGS: dict[str, tuple[Callable[[Asked], StudyAnswer], str]] = {
    "not taken": (lambda o: replace(o.answer, refused="0xC000"), "status 0x0000"),
    "never seen": (lambda o: StudyAnswer(None), "comes to an end"),
    "given up": (lambda o: replace(o.answer, state=StudyState.PARKED), "comes to an end"),
    "still running": (lambda o: replace(o.answer, state=StudyState.QUEUED), "comes to an end"),
    "all read": (lambda o: replace(o.answer, state=StudyState.DELIVERED), "may be read"),
    "none read": (
        lambda o: replace(o.answer, state=StudyState.NOT_ELIGIBLE, reason="view"),
        "may be read",
    ),
    "wrong reason": (lambda o: replace(o.answer, reason="age"), "may be read"),
    "undelivered": (lambda o: replace(o.answer, undelivered=("pacs: parked",)), "delivered"),
    "no report": (lambda o: replace(o.answer, reports=()), "every report is there"),
    "broken report": (lambda o: replace(o.answer, unreadable=("x",)), "every report is there"),
    "another patient": (lambda o: said(o, patient_id="QCC-1"), "every report is there"),
    "another study": (lambda o: said(o, study_uid="1.9"), "every report is there"),
    "another name": (lambda o: said(o, patient_name="DOE^JANE"), "every report is there"),
    "another accession": (lambda o: said(o, accession_number=""), "every report is there"),
    "another image": (lambda o: said(o, images=frozenset({"1.9"})), "every report is there"),
    "another model": (lambda o: said(o, model_digest="e" * 64), "every report is there"),
    "verified by nobody": (lambda o: said(o, verified=True), "every report is there"),
    "report without findings": (lambda o: said(o, findings={}), "the same findings"),
    "page without findings": (lambda o: replace(o.answer, findings=()), "the same findings"),
    "not listed": (lambda o: replace(o.answer, listed=None, place=None), "worklist query"),
    "listed otherwise": (lambda o: replace(o.answer, listed=Priority.LOW), "worklist query"),
    "order turned round": (
        lambda o: replace(o.answer, place=-(o.answer.place or 0)),
        "higher priority first",
    ),
    "slow flag": (
        lambda o: replace(o.answer, flagged_at=NOON + timedelta(seconds=61)),
        "flag within",
    ),
    "slow report": (
        lambda o: replace(o.answer, reported_at=NOON + timedelta(seconds=301)),
        "report within",
    ),
    "all flagged": (
        lambda o: replace(o.answer, priority=Priority.STAT, listed=Priority.STAT),
        "not flagged",
    ),
    "none flagged": (
        lambda o: replace(o.answer, priority=Priority.ROUTINE, listed=Priority.ROUTINE),
        "time-critical studies flagged",
    ),
    "sides turned": (lambda o: said(o, findings=turned(o)), "side of findings"),
    "projection": (lambda o: said(o, projection="AP"), "projection"),
    "findings turned": (lambda o: said(o, findings=turned(o, "present")), "specificity"),
    "silence about what is declared": (
        lambda o: said(o, findings=dict(list(turned(o).items())[:3])),
        "pneumothorax: sensitivity",
    ),
}


def turned(one: Asked, presence: str = "") -> dict[str, SaidFinding]:
    """The findings of its report on the other side, or all of one presence."""
    findings = one.answer.reports[0].findings if one.answer.reports else {}
    other = frozenset({"right"})
    return {
        kind: SaidFinding(presence or found.presence, other if found.sides else frozenset())
        for kind, found in findings.items()
    }


@pytest.mark.parametrize("how", TAMPERINGS)
def test_every_tampering_fails_and_is_named(how: str) -> None:
    change, named = TAMPERINGS[how]
    found = graded(tampered(change))
    assert not found.passed
    assert named in failed(found)


def test_one_wrong_answer_of_many_does_not_refute_a_claim() -> None:
    asked = answered()
    first = next(one for one in asked if one.study.sides)
    wrong = [replace(one, answer=said(one, findings=turned(one))) if one is first else one
             for one in asked]  # fmt: skip
    assert graded(wrong).passed


def test_too_few_phantoms_are_said_to_be_too_few() -> None:
    found = graded(answered(4))
    assert found.passed
    verdicts = {figure.name: figure.verdict for figure in found.figures}
    assert verdicts["pneumothorax: sensitivity"] is Verdict.TOO_FEW


def test_a_model_for_patients_is_graded_on_the_path_alone() -> None:
    clinical = replace(MODEL, intended_use="triage of adults")
    wrong = tampered(lambda o: replace(o.answer, priority=Priority.STAT, listed=Priority.STAT))
    found = graded([one for one in wrong if one.readable], model=clinical)
    assert found.passed, failed(found)
    assert (found.scope, found.figures) == (NOT_FOR_PHANTOMS, ())


@pytest.mark.parametrize(
    "model", [replace(MODEL, version="2.0"), replace(MODEL, version="odd one")]
)
def test_a_version_that_declares_nothing_is_said_to(model: ModelIdentity) -> None:
    assert graded(answered(), model=model).scope == NO_LIMITS


def test_nothing_sent_is_no_pass() -> None:
    assert not graded([]).passed


def test_the_shipped_limits_are_of_the_shipped_model() -> None:
    limits = load_limits()
    for version in ("0.3", "1.0"):
        shipped = replace(MODEL, name="cxr-node embedded", version=version)
        assert limits.of(shipped, "phantom-2") is not None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("version: [", "not valid YAML"),
        ("version: '1'", "chance"),
        ("version: '1'\nchance: 2\npath: {stat_seconds: 1, study_seconds: 1}", "chance"),
        ("version: '1'\nchance: 0.01\npath: {stat_seconds: 1}", "study_seconds"),
        (
            "version: '1'\nchance: 0.01\npath: {stat_seconds: 1, study_seconds: 1}\n"
            "models: [{name: x, versions: newest, difficulty: phantom-2}]",
            "not a range",
        ),
    ],
)
def test_limits_that_cannot_be_used_are_refused_by_name(
    text: str, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=named):
        load_limits(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_limits(tmp_path / "none.yaml")


def about() -> AboutNode:
    return AboutNode("2026-03-04 12:00 UTC", "CXR <1>", MODEL, "24 phantoms", "1", (("Sent", "x"),))


def test_the_report_names_what_failed_and_has_lines_to_sign() -> None:
    asked = tampered(lambda o: said(o, patient_id="<b>QCC-1</b>"))
    found = graded(asked)
    page = render(found, asked, about())
    assert "FAILED" in page
    assert "&lt;b&gt;QCC-1&lt;/b&gt;" in page
    assert "CXR &lt;1&gt;" in page
    assert MODEL.digest in page
    assert "cardiomegaly spec. 18/18" in " ".join(page.split())
    assert "medical physicist" in page
    whole = json.loads(as_json(found, asked, about()))
    assert whole["passed"] is False
    assert len(whole["studies"]) == len(asked)
    assert render(graded(answered()), answered(), about()).count("FAILED") == 0
