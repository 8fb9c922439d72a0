"""What the reading says of one finding against another, and against the prior study.

Both come from the closed answers of stages 4 and 5, never from generated sentences.
"""

from __future__ import annotations

from collections.abc import Iterator

from cxr_node.domain.findings import FindingKind, Reading
from cxr_node.domain.stages import CHANGES, RELATIONS, StageKey, Turn
from cxr_node.reporting import content_items as item
from cxr_node.reporting.report_context import ReportContext


def changes(reading: Reading) -> dict[FindingKind, str]:
    """Finding to its change, a value of ``CHANGES``; empty unless a prior was compared with."""
    if reading.prior is None:
        return {}
    return {
        FindingKind(turn.subject): turn.answer
        for turn in _answered(reading, StageKey.COMPARISON, "change", CHANGES)
        if turn.subject in set(FindingKind)
    }


def relations(reading: Reading) -> list[tuple[FindingKind, str, FindingKind]]:
    """First finding, a value of ``RELATIONS`` other than none, second finding."""
    found = []
    for turn in _answered(reading, StageKey.RELATIONSHIPS, "relation", RELATIONS):
        pair = turn.subject.split("+")
        if len(pair) == 2 and set(pair) <= set(FindingKind) and turn.answer != "none":
            found.append((FindingKind(pair[0]), turn.answer, FindingKind(pair[1])))
    return found


def change_item(context: ReportContext, kind: FindingKind, relation: item.Relation) -> item.Items:
    """CODE Qualitative Difference, inferred from the image of the prior study."""
    prior = context.reading.prior
    answer = changes(context.reading).get(kind)
    if prior is None or answer is None:
        return []
    concepts = context.codes.concepts
    name, value = concepts.qualitative_difference, context.codes.change[answer]
    image = item.image(concepts.prior_image, prior.image, "INFERRED FROM")
    return [item.within(item.code(name, value, relation), [image])]


def relation_items(context: ReportContext) -> item.Items:
    """CODE Relation between two findings, below it the tracking UIDs of first and second."""
    concepts = context.codes.concepts
    found: item.Items = []
    for first, answer, second in relations(context.reading):
        uids = [context.tracked(kind) for kind in (first, second)]
        known = [item.tracked(uid) for uid in uids if uid is not None]
        if len(known) == len(uids):
            code = item.code(concepts.relation, context.codes.relation[answer])
            found.append(item.within(code, known))
    return found


def _answered(
    reading: Reading, stage: StageKey, question: str, options: tuple[str, ...]
) -> Iterator[Turn]:
    for turn in reading.turns:
        asked = turn.stage is stage and turn.question == question
        if asked and turn.accepted and turn.answer in options:
            yield turn
