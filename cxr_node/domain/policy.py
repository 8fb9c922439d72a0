"""What a priority rule looks at: the statements of a reading and the patient's class.

Kept with every decision, so that it can be made again, and judged under other rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from cxr_node.domain.findings import DevicePosition, Finding, FindingKind, Presence, Severity
from cxr_node.domain.stages import CHANGES

_NAMES = {kind.value.replace("_", " "): kind for kind in FindingKind}
_CHANGE = re.compile(
    rf"({'|'.join(_NAMES)}): ({'|'.join(change.replace('_', ' ') for change in CHANGES)})"
)
_MATTER = (Presence.PRESENT, Presence.UNCERTAIN)


class PatientClass(StrEnum):
    """Where the patient is looked after; from the order (HL7 PV1-2) or the image's header."""

    EMERGENCY = "emergency"
    INPATIENT = "inpatient"
    OUTPATIENT = "outpatient"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said of one finding, as rules see it. A person's word needs no probability."""

    kind: FindingKind
    presence: Presence
    probability: float | None
    severity: Severity | None = None
    position: DevicePosition | None = None
    change: str | None = None
    """One of ``CHANGES``; None where nothing was compared."""
    by_person: bool = False

    @classmethod
    def of(cls, finding: Finding, change: str | None = None) -> Statement:
        """The statement that a finding of a reading makes."""
        return cls(
            finding.kind,
            finding.presence,
            finding.probability,
            finding.severity,
            finding.position,
            change,
            finding.by_person,
        )


@dataclass(frozen=True, slots=True)
class PolicyInputs:
    """All that a decision rests on. Absent findings are left out: no rule asks for them."""

    statements: tuple[Statement, ...] = ()
    advice: int | None = None
    """ACR category of the model's own advice."""
    outside: bool = False
    """Whether the model was outside its intended use."""
    patient_class: PatientClass = PatientClass.UNKNOWN

    def document(self) -> dict[str, Any]:
        """As JSON values, without what is not known."""
        said = [
            {key: value for key, value in asdict(one).items() if value not in (None, False)}
            for one in self.statements
        ]
        return {
            "findings": said,
            "advice": self.advice,
            "outside_intended_use": self.outside,
            "patient_class": self.patient_class.value,
        }


def policy_inputs(
    findings: Iterable[Finding],
    changes: Iterable[str],
    *,
    advice: int | None,
    outside: bool,
    patient_class: PatientClass = PatientClass.UNKNOWN,
) -> PolicyInputs:
    """The inputs that a reading gives; ``changes`` are its lines about the prior study."""
    changed = stated_changes(changes)
    said = (Statement.of(f, changed.get(f.kind)) for f in findings if f.presence in _MATTER)
    return PolicyInputs(tuple(said), advice, outside, patient_class)


def stated_changes(lines: Iterable[str]) -> dict[FindingKind, str]:
    """The closed change of each finding, as in ``CHANGES``; free text is passed over."""
    matches = (_CHANGE.fullmatch(line) for line in lines)
    return {_NAMES[m[1]]: m[2].replace(" ", "_") for m in matches if m}
