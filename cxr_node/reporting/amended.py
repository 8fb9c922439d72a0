"""What a report says where a person has corrected, verified or assessed.

The object that was corrected is never touched: the new one names it as predecessor, and names
the person as observer (PS3.16 TID 1003) and, where the person answers for all of it, as
verifying observer (PS3.3 §C.17.2). Assessments are meant like those of the IHE profile AI
Result Assessment; its codes were not at hand, so the project's own are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highdicom.sr as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from cxr_node.domain.amendment import Amendment
from cxr_node.domain.assessment import Assessment
from cxr_node.domain.findings import FindingKind
from cxr_node.reporting import content_items as item
from cxr_node.reporting.codes import Codes
from cxr_node.reporting.patient_study import recorded_at
from cxr_node.reporting.person_words import person_words
from cxr_node.reporting.report_context import ReportContext
from cxr_node.reporting.text import clean_line, clean_name

_LONGEST = 2_000


def verification(amendment: Amendment | None) -> dict[str, Any]:
    """Arguments of an SR's constructor. Nobody is named who did not verify."""
    if amendment is None or not amendment.verified:
        return {"is_verified": False, "is_final": False}
    return {
        "is_verified": True,
        "is_final": True,
        "verifying_observer_name": amendment.person.name,
        "verifying_organization": clean_name(amendment.person.organisation),
    }


def date_verification(report: Dataset, source: Dataset, amendment: Amendment | None) -> None:
    """The moment at which the person verified, instead of that of writing it down."""
    if amendment is not None:
        moment = recorded_at(source, amendment.at)
        for observer in report.get("VerifyingObserverSequence") or ():
            observer.VerificationDateTime = moment.strftime("%Y%m%d%H%M%S%z")


def person_observer(amendment: Amendment | None, codes: Codes) -> hd.ObserverContext | None:
    """TID 1003; stands beside the device that drafted the report."""
    if amendment is None:
        return None
    person = amendment.person
    return hd.ObserverContext(
        observer_type=standard.DCM.Person,
        observer_identifying_attributes=hd.PersonObserverIdentifyingAttributes(
            name=person.name,
            organization_name=clean_name(person.organisation),
            role_in_organization=codes.roles[person.role].code,
        ),
    )


def amendment_items(context: ReportContext) -> item.Items:
    """Who amended, why, and each corrected answer, one text each."""
    amendment, words = context.reading.amendment, context.wording.amendment
    if amendment is None:
        return []
    named = {
        **person_words(amendment),
        "role": context.wording.roles[amendment.person.role],
        "reason": amendment.reason,
    }
    lines = [words.amendment.format(**named)]
    for template, corrections in (
        (words.correction, amendment.corrections),
        (words.carried, amendment.carried),
    ):
        lines += [template.format(place=c.place, answer=c.answer) for c in corrections]
    name = context.codes.concepts.amendment
    return [item.text(name, clean_line(line, _LONGEST)) for line in lines]


def assessment_items(context: ReportContext, assessments: Sequence[Assessment]) -> item.Items:
    """The newest verdict on each finding, with the finding's Tracking UID."""
    newest = {a.opinion.finding: a for a in assessments}
    found = [_assessment(context, newest[kind]) for kind in FindingKind if kind in newest]
    if not found:
        return []
    return [item.container(context.codes.concepts.assessments, found)]


def _assessment(context: ReportContext, assessed: Assessment) -> Dataset:
    codes, opinion = context.codes, assessed.opinion
    concepts = codes.concepts
    below = [item.code(concepts.finding, codes.findings[opinion.finding], item.BELOW)]
    below.append(item.tracked(context.uid_of(opinion.finding)))
    if opinion.comment:
        below.append(item.text(concepts.comment, clean_line(opinion.comment, _LONGEST), item.BELOW))
    said = item.code(concepts.assessment, codes.assessment[opinion.verdict])
    return item.within(said, below)
