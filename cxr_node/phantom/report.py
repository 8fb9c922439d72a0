"""The prose of a phantom: what a radiologist would have dictated, in varied wording."""

from __future__ import annotations

import numpy as np

from cxr_node.domain.findings import DevicePosition, FindingKind, Laterality, Severity
from cxr_node.phantom.truth import FindingTruth

_SIZE = {Severity.MILD: "small", Severity.MODERATE: "moderate", Severity.SEVERE: "large"}
_GRADE = {Severity.MILD: "mild", Severity.MODERATE: "moderate", Severity.SEVERE: "severe"}
_NAMES = {
    FindingKind.PNEUMOTHORAX: "pneumothorax",
    FindingKind.PLEURAL_EFFUSION: "pleural effusion",
    FindingKind.CARDIOMEGALY: "cardiomegaly",
    FindingKind.CONSOLIDATION: "consolidation",
    FindingKind.LUNG_LESION: "lung lesion",
    FindingKind.PACEMAKER: "pacemaker",
    FindingKind.ENDOTRACHEAL_TUBE: "endotracheal tube",
    FindingKind.CENTRAL_VENOUS_CATHETER: "central venous catheter",
}
_TIPS = {
    DevicePosition.CORRECT: "in correct position",
    DevicePosition.TOO_HIGH: "with its tip too high",
    DevicePosition.TOO_LOW: "with its tip too low",
    DevicePosition.MALPOSITIONED: "malpositioned",
}


def phrase(finding: FindingTruth) -> str:
    """One finding in words, without a capital or a full stop."""
    name = _NAMES[finding.kind]
    if finding.kind.is_device:
        return f"{name} {_TIPS[finding.position or DevicePosition.CORRECT]}"
    if finding.kind is FindingKind.CARDIOMEGALY:
        return f"{_GRADE[finding.severity or Severity.MODERATE]} {name}"
    side = "" if finding.side in (None, Laterality.BILATERAL) else f"{finding.side} "
    size = _SIZE[finding.severity or Severity.MODERATE]
    zone = f" in the {finding.zone} zone" if finding.kind in _IN_THE_LUNG else ""
    return f"{size} {side}{name}{zone}"


_IN_THE_LUNG = (FindingKind.CONSOLIDATION, FindingKind.LUNG_LESION)


def prose(findings: tuple[FindingTruth, ...], rng: np.random.Generator) -> tuple[str, str]:
    """Findings and impression."""
    shown = [phrase(f) for f in findings]
    sentences = [s[0].upper() + s[1:] + "." for s in shown]
    kinds = {f.kind for f in findings}
    if FindingKind.CARDIOMEGALY not in kinds:
        sentences.append(str(rng.choice(["Heart size is normal.", "The heart is not enlarged."])))
    if not kinds & {FindingKind.CONSOLIDATION, FindingKind.LUNG_LESION}:
        sentences.append(str(rng.choice(["The lungs are clear.", "No focal opacity."])))
    if not kinds & {FindingKind.PNEUMOTHORAX, FindingKind.PLEURAL_EFFUSION}:
        sentences.append("No pneumothorax or pleural effusion.")
    disease = [phrase(f) for f in findings if not f.kind.is_device]
    impression = "; ".join(disease) or str(
        rng.choice(["no acute finding", "no acute cardiopulmonary abnormality"])
    )
    return " ".join(sentences), impression[0].upper() + impression[1:] + "."
