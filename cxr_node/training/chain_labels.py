"""What is true of each record, for drawing questions: its stage-2 answers, else its report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cxr_node.domain.findings import DEVICES, FindingKind, Presence
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.labels import NO_FINDING, SUPPORT_DEVICES
from cxr_node.reasoning.prose.terms import named_terms
from cxr_node.training.chain_reports import as_report, report_sections_of, stated
from cxr_node.training.chain_topics import IMPLIED_BY, OF_KIND
from cxr_node.training.record_stages import answered_of
from cxr_node.training.records import Ident, Record, RecordTurn

_PATHOLOGIES = len(FindingKind) - len(DEVICES)
_TARGET = re.compile(r"(?:abnormality|foreign_body)_\[(.+)\]")
_ANSWERS = {
    "yes": Presence.PRESENT,
    "no": Presence.ABSENT,
    "present": Presence.PRESENT,
    "absent": Presence.ABSENT,
    "uncertain": Presence.UNCERTAIN,
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One record's labels: CheXpert's names and each device's own; unknown ones are missing."""

    record: int
    study: Ident
    said: Mapping[str, Presence]
    courses: Mapping[FindingKind, str] = field(default_factory=dict)
    """Finding to its change since the reference study."""
    reference: Ident = None


def labelled(record: Record, number: int) -> Labelled | None:
    """The labels of a record; None when it holds no report to reason from."""
    sections = report_sections_of(record)
    if not sections:
        return None
    kinds, devices, normal = _answered(record)
    if not kinds:
        kinds = _reported(sections)
    said = {OF_KIND[kind].label: presence for kind, presence in kinds.items()}
    group = devices or _group(kinds)
    if group:
        said[SUPPORT_DEVICES] = group
    pathologies = {k: p for k, p in kinds.items() if not k.is_device}
    if normal or (len(pathologies) == _PATHOLOGIES and _all_absent(pathologies)):
        said[NO_FINDING] = Presence.PRESENT
    elif Presence.PRESENT in pathologies.values():
        said[NO_FINDING] = Presence.ABSENT
    for parent, children in IMPLIED_BY.items():
        if kinds.get(parent) is Presence.ABSENT and any(
            kinds.get(child) is Presence.PRESENT for child in children
        ):
            del said[OF_KIND[parent].label]
    return Labelled(number, record.study, said, dict(_courses(record)), record.reference_study)


def _answered(record: Record) -> tuple[dict[FindingKind, Presence], Presence | None, bool]:
    """Findings, the group of devices, and whether the picture is called normal."""
    kinds: dict[FindingKind, Presence] = {}
    devices, normal = None, False
    for turn in record.turns:
        if turn.stage != StageKey.FINDINGS.number:
            continue
        presence = _presence(turn)
        kind = _kind(turn)
        if kind is not None and presence is not None:
            kinds[kind] = presence
        if turn.target == "yes_no_foreign_body":
            devices = presence or devices
        if turn.target == "yes_no_abnormality":
            normal = turn.answer.strip(" .").casefold() in ("normal", "no")
    return kinds, devices, normal


def _presence(turn: RecordTurn) -> Presence | None:
    words = turn.answer.casefold().replace(",", " ").replace(".", " ").split()
    return _ANSWERS.get(words[0]) if words else None


def _kind(turn: RecordTurn) -> FindingKind | None:
    said = answered_of(turn)
    if said is not None:
        return FindingKind(said.subject) if said.question == "presence" else None
    found = _TARGET.fullmatch(turn.target)
    known = named_terms(found[1].replace(",", " ")).known if found else ()
    return known[0] if len(known) == 1 else None


def _reported(sections: dict[str, str]) -> dict[FindingKind, Presence]:
    """What the report itself says, read by rules; findings that it leaves out stay unknown."""
    everything = as_report(sections).mentions
    said = {kind: stated(everything, (kind,)) for kind in FindingKind}
    return {kind: presence for kind, presence in said.items() if presence is not None}


def _group(kinds: Mapping[FindingKind, Presence]) -> Presence | None:
    devices = {kind: said for kind, said in kinds.items() if kind.is_device}
    if Presence.PRESENT in devices.values():
        return Presence.PRESENT
    every = len(devices) == len(DEVICES)
    return Presence.ABSENT if every and _all_absent(devices) else None


def _all_absent(said: Mapping[FindingKind, Presence]) -> bool:
    return bool(said) and all(presence is Presence.ABSENT for presence in said.values())


def _courses(record: Record) -> Iterator[tuple[FindingKind, str]]:
    for turn in record.turns:
        said = answered_of(turn)
        if said and (said.stage, said.question) == (StageKey.COMPARISON, "change"):
            yield FindingKind(said.subject), said.answer
