"""The 14 labels of CheXpert (arXiv 1901.07031) as models list them, read and weighed.

A list is read strictly: a name is one of the 14 or it is unknown, and what is unknown is
shown. The weighing compares the list at the end of a trace with the answers to the single
questions; where the two differ, neither is believed silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import (
    DEVICES,
    Clash,
    Contradiction,
    Finding,
    FindingKind,
    Presence,
)
from cxr_node.reasoning.no_finding import excludes

_K = FindingKind
NO_FINDING = "No Finding"
SUPPORT_DEVICES = "Support Devices"
LABELS: dict[str, frozenset[FindingKind]] = {
    "Atelectasis": frozenset({_K.ATELECTASIS}),
    "Cardiomegaly": frozenset({_K.CARDIOMEGALY}),
    "Consolidation": frozenset({_K.CONSOLIDATION}),
    "Edema": frozenset({_K.EDEMA}),
    "Enlarged Cardiomediastinum": frozenset({_K.ENLARGED_CARDIOMEDIASTINUM}),
    "Fracture": frozenset({_K.FRACTURE}),
    "Lung Lesion": frozenset({_K.LUNG_LESION}),
    "Lung Opacity": frozenset({_K.LUNG_OPACITY}),
    NO_FINDING: frozenset(),
    "Pleural Effusion": frozenset({_K.PLEURAL_EFFUSION}),
    "Pleural Other": frozenset({_K.PLEURAL_OTHER}),
    "Pneumonia": frozenset({_K.PNEUMONIA}),
    "Pneumothorax": frozenset({_K.PNEUMOTHORAX}),
    SUPPORT_DEVICES: DEVICES,
}
"""Label to the findings it stands for; Support Devices to a group, of which any may be meant."""

_NAMES = {label.casefold(): label for label in LABELS}
_FENCE = re.compile(r"\A```[a-z]*\s*(.*?)\s*```\Z", re.DOTALL | re.IGNORECASE)
_SEPARATORS = re.compile(r"[,;\n]|\band\b", re.IGNORECASE)
_BULLET = re.compile(r"\A(?:[-*•]|\d{1,2}[.)])\s+")
_LONGEST_TERM = 80


@dataclass(frozen=True, slots=True)
class Listed:
    """A label list: known labels in CheXpert's order, and every other term as it was written."""

    labels: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    @property
    def no_finding(self) -> bool:
        return NO_FINDING in self.labels

    @property
    def words(self) -> str:
        """The list as one line, which :func:`read_labels` reads back to the same."""
        return ", ".join((*self.labels, *self.unknown))


def label_of(kind: FindingKind) -> str:
    """The label that covers a finding."""
    return next(label for label, kinds in LABELS.items() if kind in kinds)


def read_labels(answer: str) -> Listed:
    """Read a comma-separated list, or a JSON list that a model wrote in its stead.

    Case, blanks, order, repetition and full stops do not matter. Raises
    :class:`AnswerRefused` for an answer without any term, or JSON that is no list of texts.
    """
    fenced = _FENCE.match(answer.strip())
    bare = (fenced[1] if fenced else answer).strip()
    terms = _json_terms(bare) if bare.startswith(("[", "{")) else _SEPARATORS.split(bare)
    labels, unknown = set(), dict[str, None]()
    for term in filter(None, map(_tidied, terms)):
        label = _NAMES.get(term.casefold().replace("_", " "))
        if label:
            labels.add(label)
        else:
            unknown[term] = None
    if not (labels or unknown):
        raise AnswerRefused("the list holds no label")
    return Listed(tuple(label for label in LABELS if label in labels), tuple(unknown))


def _json_terms(bare: str) -> Iterator[str]:
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError) as error:
        raise AnswerRefused("the labels are broken JSON") from error
    if isinstance(found, dict) and len(found) == 1:
        (found,) = found.values()
    if not isinstance(found, list) or not all(isinstance(term, str) for term in found):
        raise AnswerRefused("the labels are JSON, but no list of texts")
    for term in found:
        yield from _SEPARATORS.split(term)


def _tidied(term: str) -> str:
    bare = "".join(c if c.isprintable() else " " for c in term)
    bare, before = " ".join(bare.split())[:_LONGEST_TERM], ""
    while bare != before:  # until there is no bullet behind a quote behind a bullet
        before, bare = bare, _BULLET.sub("", bare).strip(" .\"'`*[]{}")
    return bare


@dataclass(frozen=True, slots=True)
class Weighed:
    """Findings after their answers were held against the list of a trace."""

    findings: tuple[Finding, ...]
    contradictions: tuple[Contradiction, ...] = ()
    warnings: tuple[str, ...] = ()


def weigh(findings: Sequence[Finding], listed: Listed) -> Weighed:
    """Where list and answer differ the finding is uncertain, and the difference is shown.

    What No Finding must never suppress (a pneumothorax, a device) stays present when its own
    answer says so. A list can make nothing present: that takes the scored answer.
    """
    doubted = dict(_single(findings, listed))
    devices = [f for f in findings if f.kind.is_device]
    clashes = [Contradiction(Clash.TRACE, words, (kind,)) for kind, words in doubted.items()]
    return Weighed(
        tuple(_doubted(f) if f.kind in doubted else f for f in findings),
        (*_of_itself(listed), *clashes, *_devices(devices, listed)),
        tuple(_unanswered(findings, listed)),
    )


def _of_itself(listed: Listed) -> Iterator[Contradiction]:
    """No Finding excludes every pathology; the training of NV-Reason-CXR did not ask for that."""
    beside = [n for n in listed.labels if n not in (NO_FINDING, SUPPORT_DEVICES)]
    if listed.no_finding and beside:
        words = f"the reasoning lists {NO_FINDING} together with {', '.join(beside)}"
        kinds = tuple(kind for name in beside for kind in LABELS[name])
        yield Contradiction(Clash.NO_FINDING, words, kinds)


def _single(findings: Iterable[Finding], listed: Listed) -> Iterator[tuple[FindingKind, str]]:
    """Pathologies of which list and answer say the opposite."""
    for finding in findings:
        kind = finding.kind
        if kind.is_device:
            continue
        named = label_of(kind) in listed.labels
        if named and finding.presence is Presence.ABSENT:
            yield kind, f"the reasoning lists {_words(kind)}, its own question says absent"
        if finding.present and not named:
            yield kind, f"{_words(kind)} is held present, the reasoning does not list it"


def _devices(devices: Sequence[Finding], listed: Listed) -> Iterator[Contradiction]:
    """The label names no device, so it casts doubt on all and changes none."""
    named = SUPPORT_DEVICES in listed.labels
    present = tuple(f.kind for f in devices if f.present)
    if present and not named:
        names = ", ".join(map(_words, present))
        yield Contradiction(
            Clash.TRACE, f"held present: {names}; the reasoning lists no device", present
        )
    absent = tuple(f.kind for f in devices if f.presence is Presence.ABSENT)
    if named and devices and len(absent) == len(devices):
        yield Contradiction(
            Clash.TRACE, "the reasoning lists devices, of which none is held present", absent
        )


def _doubted(finding: Finding) -> Finding:
    if finding.by_person or (finding.present and not excludes(finding.kind)):
        return finding
    return replace(finding, presence=Presence.UNCERTAIN)


def _unanswered(findings: Iterable[Finding], listed: Listed) -> Iterator[str]:
    for finding in findings:
        listed_alone = not finding.kind.is_device and label_of(finding.kind) in listed.labels
        if listed_alone and finding.presence is Presence.NOT_ASSESSED:
            yield f"the reasoning lists {_words(finding.kind)}, which was not assessed"


def _words(kind: FindingKind) -> str:
    return kind.value.replace("_", " ")
