"""Stages 4 to 7 by rule: relations, change, expected course, ACR category and next step.

Written down once so that every answer can be checked. The categories follow the meaning of
the ACR's three levels of actionable findings (RADLEX RID49480 ff.): 1 within minutes, 2 within
hours, 3 within days; none where nothing needs to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from cxr_node.domain.findings import DevicePosition, FindingKind, Laterality, Severity
from cxr_node.phantom.batched.signs import OPACITIES, Sign
from cxr_node.phantom.batched.truth import Facts, KindTruth, PixelBox, SignTruth

_K, _S, _P = FindingKind, Severity, DevicePosition
_MISPLACED = frozenset({_P.TOO_HIGH, _P.TOO_LOW, _P.MALPOSITIONED})

_EXPLAINING = (
    (_K.CARDIOMEGALY, _K.EDEMA),
    (_K.EDEMA, _K.PLEURAL_EFFUSION),
    (_K.CONSOLIDATION, _K.PNEUMONIA),
    *((_K(sign.value), _K.LUNG_OPACITY) for sign in OPACITIES),
    (_K.LUNG_OPACITY, _K.PNEUMONIA),
)
"""Pairs of which one explains the other wherever both are."""
_SAME_SIDE = (
    (_K.ATELECTASIS, _K.PLEURAL_EFFUSION),
    (_K.ATELECTASIS, _K.PNEUMOTHORAX),
    (_K.FRACTURE, _K.PNEUMOTHORAX),
    (_K.PLEURAL_EFFUSION, _K.CHEST_TUBE),
    (_K.PNEUMOTHORAX, _K.CHEST_TUBE),
)
"""Pairs of which one explains the other when they are on the same side."""
_HIDING = (_K.CONSOLIDATION, _K.LUNG_LESION, _K.ATELECTASIS, _K.PNEUMONIA, _K.LUNG_OPACITY)
"""What a large effusion on the same side hides where the boxes overlap."""
_TOGETHER = (
    (_K.CARDIOMEGALY, _K.PLEURAL_EFFUSION),
    (_K.CARDIOMEGALY, _K.PACEMAKER),
    (_K.CONSOLIDATION, _K.PLEURAL_EFFUSION),
    (_K.PLEURAL_EFFUSION, _K.PNEUMONIA),
    (_K.PLEURAL_EFFUSION, _K.PNEUMOTHORAX),
    (_K.ENDOTRACHEAL_TUBE, _K.ENTERIC_TUBE),
    (_K.ENDOTRACHEAL_TUBE, _K.CENTRAL_VENOUS_CATHETER),
    (_K.ENTERIC_TUBE, _K.CENTRAL_VENOUS_CATHETER),
)
"""Pairs that accompany each other wherever both are and nothing stronger is said."""


def relations(facts: Facts) -> tuple[tuple[FindingKind, str, FindingKind], ...]:
    """Stage 4: every pair of kinds present, in the vocabulary's order, with its relation."""
    return tuple((a.kind, relation(a, b), b.kind) for a, b in combinations(facts.kinds, 2))


def relation(a: KindTruth, b: KindTruth) -> str:
    """none, explains, accompanies or obscures; the first rule that fits."""
    pair = {a.kind, b.kind}
    together = _share_side(a.seen_by, b.seen_by)
    if any(pair == set(p) for p in _EXPLAINING):
        return "explains"
    if _K.PLEURAL_EFFUSION in pair and pair & set(_HIDING):
        fluid, other = (a, b) if a.kind is _K.PLEURAL_EFFUSION else (b, a)
        large = fluid.seen_by.severity is _S.SEVERE
        if large and together and _overlap(fluid.seen_by.box, other.seen_by.box):
            return "obscures"
    if together and any(pair == set(p) for p in _SAME_SIDE):
        return "explains"
    return "accompanies" if any(pair == set(p) for p in _TOGETHER) else "none"


def _share_side(a: SignTruth, b: SignTruth) -> bool:
    sides = {a.side, b.side}
    return len(sides) == 1 or Laterality.BILATERAL in sides


def _overlap(a: PixelBox, b: PixelBox) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


_COURSE: tuple[tuple[Sign, str], ...] = (
    (Sign.FREE_AIR, "worsen"),
    (Sign.PNEUMOTHORAX, "worsen"),
    (Sign.LUNG_LESION, "unclear"),
    (Sign.EDEMA, "improve"),
    (Sign.CONSOLIDATION, "improve"),
    (Sign.PLEURAL_EFFUSION, "stay"),
    (Sign.ATELECTASIS, "improve"),
    (Sign.FRACTURE, "improve"),
)
"""Stage 6: the first of these that is present decides; without any, things stay as they are."""


def course(facts: Facts) -> str:
    """improve, stay, worsen or unclear. A drained pneumothorax or effusion improves."""
    drained = facts.sign(Sign.CHEST_TUBE)
    for sign, expected in _COURSE:
        found = facts.sign(sign)
        if found is None:
            continue
        helped = drained is not None and drained.position is _P.CORRECT
        if sign in (Sign.PNEUMOTHORAX, Sign.PLEURAL_EFFUSION) and drained and helped:
            return "improve" if _share_side(found, drained) else expected
        return expected
    return "stay"


def _at_least(found: SignTruth, severity: Severity) -> bool:
    order = list(Severity)
    return found.severity is not None and order.index(found.severity) >= order.index(severity)


def urgency(found: SignTruth) -> int:
    """ACR category of one sign, 1 to 3; 4 where nothing needs to be done."""
    sign = found.sign
    if sign.is_device:
        return _device_urgency(found)
    if sign is Sign.FREE_AIR or (sign is Sign.PNEUMOTHORAX and _at_least(found, _S.MODERATE)):
        return 1
    if sign is Sign.ENLARGED_CARDIOMEDIASTINUM:
        return 1 if found.severity is _S.SEVERE else 2
    if sign is Sign.PNEUMOTHORAX:
        return 2
    if sign in (Sign.PLEURAL_EFFUSION, Sign.FRACTURE, Sign.ATELECTASIS):
        return 2 if found.severity is _S.SEVERE else 3
    if sign in (Sign.EDEMA, Sign.CONSOLIDATION):
        return 2 if _at_least(found, _S.MODERATE) else 3
    return 3


def _device_urgency(found: SignTruth) -> int:
    if found.position not in _MISPLACED:
        return 4
    breathing = found.sign is Sign.ENDOTRACHEAL_TUBE and found.position is not _P.TOO_HIGH
    feeding = found.sign is Sign.ENTERIC_TUBE and found.position is _P.MALPOSITIONED
    return 1 if breathing or feeding else 2


def advice(facts: Facts) -> tuple[str, str]:
    """Stage 7: category (none, 1, 2, 3) and next step, of the most urgent sign."""
    levels = sorted(facts.signs, key=urgency)
    if not levels or urgency(levels[0]) == 4:
        return "none", "none"
    worst = urgency(levels[0])
    leading = [s for s in levels if urgency(s) == worst]
    return str(worst), "urgent_clinical_review" if worst == 1 else _step(leading)


def _step(leading: Sequence[SignTruth]) -> str:
    signs = {s.sign for s in leading}
    if signs & {Sign.LUNG_LESION, Sign.ENLARGED_CARDIOMEDIASTINUM}:
        return "ct"
    fluid = next((s for s in leading if s.sign is Sign.PLEURAL_EFFUSION), None)
    if fluid is not None and _at_least(fluid, _S.MODERATE):
        return "ultrasound"
    return "follow_up_radiograph"
