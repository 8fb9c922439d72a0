"""Questions about the priority rules: why a study stands where it stands, and what other rules
would have made of the studies of the past. Nothing is changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from cxr_node.domain.errors import CxrNodeError, UnknownStudy
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.policy import PolicyInputs
from cxr_node.domain.priority import PriorityDecision
from cxr_node.reporting.priority_rules import Rule
from cxr_node.reporting.templates import Templates
from cxr_node.services.circumstances import patient_class_of
from cxr_node.services.prioritise import decide, inputs_of, judged
from cxr_node.store import policy_inputs, readings
from cxr_node.store.database import Database
from cxr_node.store.policy_inputs import StoredDecision, StoredInputs
from cxr_node.store.schema import RevisionRow, StudyRow

_WINDOW = re.compile(r"last-([1-9][0-9]{0,3})-days")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reading before the rules as they are now: each rule, and what it lacks, if anything."""

    kind: ReadingKind
    revision: int
    inputs: PolicyInputs
    rules: tuple[tuple[Rule, str], ...]
    """An empty text means that the rule holds."""
    decision: PriorityDecision


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a study has its priority: what was decided, and what the rules say now."""

    priority: str
    words: str
    decisions: tuple[StoredDecision, ...]
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """A study that other rules would have given another priority."""

    study_uid: str
    before: PriorityDecision
    after: PriorityDecision


@dataclass
class Trial:
    """What other rules would have made of stored readings."""

    studies: int = 0
    by_person: int = 0
    """Left out: a person has set the priority."""
    now: Counter[str] = field(default_factory=Counter)
    then: Counter[str] = field(default_factory=Counter)
    moved: list[Moved] = field(default_factory=list)
    other_reasons: int = 0
    """The same priority by another rule."""

    @property
    def steps(self) -> Counter[tuple[str, str]]:
        """How many studies would have gone from one priority to another."""
        return Counter((m.before.priority.value, m.after.priority.value) for m in self.moved)


def explain(db: Database, templates: Templates, study_uid: Uid) -> Explanation:
    """Raises :class:`UnknownStudy`."""
    with db.read() as session:
        study = session.scalars(select(StudyRow).filter_by(study_uid=study_uid.text)).one_or_none()
        if study is None:
            raise UnknownStudy("the node has never seen this study")
        patient_class = patient_class_of(session, study, templates.priority)
        revisions = select(RevisionRow).filter_by(study_pk=study.id)
        newest = session.scalars(revisions.order_by(RevisionRow.number.desc()).limit(1)).one()
        found = []
        for kind in ReadingKind:
            reading = readings.load_reading(session, newest.id, kind)
            if reading is not None:
                inputs = inputs_of(reading, patient_class)
                rules = tuple((rule, rule.lacking(inputs)) for rule in templates.priority.rules)
                decision = decide(reading, templates, patient_class)
                found.append(Judgement(kind, newest.number, inputs, rules, decision))
        return Explanation(
            priority=study.priority,
            words=study.priority_words,
            decisions=tuple(policy_inputs.decisions_of(session, study.id)),
            judgements=tuple(found),
        )


def window(text: str, now: datetime) -> datetime | None:
    """The beginning of ``last-N-days``; None for ``all``. Raises :class:`CxrNodeError`."""
    if text == "all":
        return None
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise CxrNodeError("--on takes last-30-days (any number of days), or all")
    return now - timedelta(days=int(found[1]))


def try_rules(
    db: Database,
    current: Templates,
    other: Templates,
    since: datetime | None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Trial:
    """Judge every stored full reading by both; ``progress`` is told how many of how many."""
    trial = Trial()
    with db.read() as session:
        total = policy_inputs.readings_since(session, since)
        for stored in policy_inputs.stored_inputs(session, since):
            _compare(trial, stored, current, other)
            if trial.studies % 200 == 0:
                progress(trial.studies, total)
    progress(trial.studies, total)
    return trial


def _compare(trial: Trial, stored: StoredInputs, current: Templates, other: Templates) -> None:
    trial.studies += 1
    if stored.by_person:
        trial.by_person += 1
        return
    before, after = (judged(_classed(stored, one), one) for one in (current, other))
    trial.now[before.priority.value] += 1
    trial.then[after.priority.value] += 1
    if before.priority is not after.priority:
        trial.moved.append(Moved(stored.study_uid, before, after))
    elif before.rule != after.rule:
        trial.other_reasons += 1


def _classed(stored: StoredInputs, templates: Templates) -> PolicyInputs:
    known = stored.inputs.patient_class
    told = templates.priority.patient_class(known, stored.department)
    return stored.inputs if told is known else replace(stored.inputs, patient_class=told)
