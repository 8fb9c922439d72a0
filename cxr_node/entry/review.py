"""``cxr-node amend``, ``assess`` and ``assessments export``: what persons say of readings.

Also whether the page takes the same, and with which token.
"""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from cxr_node.audit.log import digest
from cxr_node.config import Configuration
from cxr_node.domain.amendment import Person
from cxr_node.domain.assessment import AssessmentVerdict, Opinion
from cxr_node.domain.errors import AmendmentRefused, CxrNodeError
from cxr_node.domain.findings import FindingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.entry.access import access_of, write_token
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.services.amend import AmendmentWish
from cxr_node.store.assessments import Assessed, every_assessment
from cxr_node.web.writing import Writing

Result = TypeVar("Result")


def review_of(node: Node) -> Writing | None:
    """Where the page's orders go; None while the site has named nobody who may give them.

    Raises :class:`ConfigurationError` for a token that cannot be read or is too short.
    """
    token = write_token(node.config.web)
    if not token and access_of(node.config, node.clock).open_to_this_machine:
        return None
    return Writing(node.amendments, token)


def amend_study(config: Configuration, study_uid: str, wish: AmendmentWish) -> int:
    """Queue the correction; the number of the revision that will hold it."""
    return _with_node(config, lambda node: node.amendments.amend(Uid(study_uid), wish))


def assess_study(
    config: Configuration,
    study_uid: str,
    opinions: Sequence[Opinion],
    person: Person,
    revision: int | None,
) -> int:
    """Record the verdicts; the number of the revision whose reading they speak of."""
    return _with_node(
        config, lambda node: node.amendments.assess(Uid(study_uid), opinions, person, revision)
    )


def parsed_opinion(written: str, comment: str) -> Opinion:
    """``finding=verdict`` as typed. Raises :class:`AmendmentRefused` with what is possible."""
    finding, _, verdict = (part.strip() for part in written.partition("="))
    if finding not in set(FindingKind):
        raise AmendmentRefused(f"the finding is one of {', '.join(FindingKind)}")
    if verdict not in set(AssessmentVerdict):
        raise AmendmentRefused(f"the verdict is one of {', '.join(AssessmentVerdict)}")
    return Opinion(FindingKind(finding), AssessmentVerdict(verdict), comment)


@dataclass(frozen=True, slots=True)
class ExportedAssessment:
    """One line of an export. ``study``, ``patient`` and ``person`` are keyed digests."""

    study: str
    patient: str
    person: str
    role: str
    date: str
    """Day on which it was recorded, UTC."""
    revision: int
    model: str
    model_digest: str
    finding: str
    presence: str
    probability: float | None
    threshold: float
    verdict: str
    newest: bool
    """Whether nobody has assessed this finding of this reading again."""
    comment: str
    """Empty unless asked for: a person may have written anything into it."""


def export_assessments(config: Configuration, out: Path, *, comments: bool) -> int:
    """Write every assessment to a ``.csv`` or ``.json`` file; returns how many there are.

    With the site key of the configuration the digests are the same in every export, without
    one within this file alone. Raises :class:`CxrNodeError` for a file that cannot be written.
    """
    if out.suffix not in (".csv", ".json"):
        raise CxrNodeError(f"{out}: must end in .csv or .json")
    key = config.site_key.encode() or secrets.token_bytes(32)

    def lines(node: Node) -> list[ExportedAssessment]:
        with node.db.read() as session:
            found = list(every_assessment(session))
        newest = {
            (a.study_uid, a.assessment.revision, a.assessment.opinion.finding): a for a in found
        }
        last = {id(a) for a in newest.values()}
        return [_line(a, key, newest=id(a) in last, comments=comments) for a in found]

    exported = _with_node(config, lines)
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            if out.suffix == ".json":
                json.dump([asdict(line) for line in exported], file, ensure_ascii=False, indent=1)
            else:
                rows = csv.writer(file)
                rows.writerow(field.name for field in fields(ExportedAssessment))
                rows.writerows(_cells(line) for line in exported)
    except OSError as error:
        raise CxrNodeError(f"{out}: cannot be written: {error.strerror}") from error
    return len(exported)


def _cells(line: ExportedAssessment) -> Iterator[object]:
    """Values of a row; a text that a spreadsheet would compute is kept from it."""
    for value in asdict(line).values():
        formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@"))
        yield f"'{value}" if formula else value


def _line(found: Assessed, key: bytes, *, newest: bool, comments: bool) -> ExportedAssessment:
    assessed, reading = found.assessment, found.reading
    opinion, person = assessed.opinion, assessed.person
    finding = next(f for f in reading.findings if f.kind is opinion.finding)
    return ExportedAssessment(
        study=digest(found.study_uid, key),
        patient=digest(found.patient, key) if found.patient else "",
        person=digest(f"{person.name}\n{person.organisation}", key),
        role=person.role.value,
        date=assessed.at.date().isoformat(),
        revision=assessed.revision,
        model=f"{reading.model.name} {reading.model.version}",
        model_digest=reading.model.digest,
        finding=finding.kind.value,
        presence=finding.presence.value,
        probability=finding.probability,
        threshold=finding.threshold,
        verdict=opinion.verdict.value,
        newest=newest,
        comment=opinion.comment if comments else "",
    )


def _with_node(config: Configuration, use: Callable[[Node], Result]) -> Result:
    node = Node(config, open_bell(config))
    try:
        return use(node)
    finally:
        node.close()
