"""What may stand where, and what may explain or obscure what: the table of allowed triples.

A triple is finding - relation - finding, or finding - lies in - zone (the idea of
arXiv 2512.17213). The rows follow the Fleischner Society's glossary of terms for thoracic
imaging (Hansell 2008; Bankier 2024), the ACR Appropriateness Criteria on intensive care
radiographs and ordinary anatomy. They are wide on purpose: only what no radiologist would
accept is left out, because every miss here costs a reader's attention.
"""

from __future__ import annotations

from cxr_node.domain.findings import FindingKind, Zone

_K, _Z = FindingKind, Zone

_LUNG = frozenset({_Z.UPPER, _Z.MIDDLE, _Z.LOWER, _Z.APEX})
_EVERYWHERE = frozenset(Zone)

ZONES: dict[FindingKind, frozenset[Zone]] = {
    # What lies behind the heart is often placed on it: lung findings may be "in" the heart.
    _K.ATELECTASIS: _LUNG | {_Z.HEART},
    _K.CONSOLIDATION: _LUNG | {_Z.HEART},
    _K.PNEUMONIA: _LUNG | {_Z.HEART},
    _K.LUNG_OPACITY: _EVERYWHERE,
    _K.LUNG_LESION: _LUNG | {_Z.HEART, _Z.MEDIASTINUM},
    _K.EDEMA: _LUNG,
    _K.CARDIOMEGALY: frozenset({_Z.HEART, _Z.MEDIASTINUM, _Z.MIDDLE, _Z.LOWER}),
    _K.ENLARGED_CARDIOMEDIASTINUM: frozenset(
        {_Z.MEDIASTINUM, _Z.HEART, _Z.UPPER, _Z.MIDDLE, _Z.LOWER}
    ),
    _K.FRACTURE: _EVERYWHERE - {_Z.HEART},
    # Free fluid falls; loculated fluid may lie higher, but not at the apex alone.
    _K.PLEURAL_EFFUSION: frozenset({_Z.UPPER, _Z.MIDDLE, _Z.LOWER}),
    _K.PLEURAL_OTHER: _LUNG | {_Z.CHEST_WALL, _Z.MEDIASTINUM},
    _K.PNEUMOTHORAX: _LUNG,
    _K.ENDOTRACHEAL_TUBE: frozenset({_Z.MEDIASTINUM, _Z.UPPER, _Z.MIDDLE}),
    _K.ENTERIC_TUBE: frozenset({_Z.MEDIASTINUM, _Z.HEART, _Z.UPPER, _Z.MIDDLE, _Z.LOWER}),
    _K.CENTRAL_VENOUS_CATHETER: _EVERYWHERE - {_Z.LOWER},
    _K.PORT: _EVERYWHERE,
    _K.CHEST_TUBE: _LUNG | {_Z.CHEST_WALL, _Z.MEDIASTINUM},
    _K.PACEMAKER: _EVERYWHERE,
}
"""Finding to the zones in which it may lie."""

_AIRSPACE = frozenset({_K.CONSOLIDATION, _K.PNEUMONIA, _K.LUNG_OPACITY, _K.ATELECTASIS, _K.EDEMA})
_HEART = frozenset({_K.CARDIOMEGALY, _K.ENLARGED_CARDIOMEDIASTINUM})
_LUNG_KINDS = _AIRSPACE | {_K.LUNG_LESION}
_PLEURAL = frozenset({_K.PLEURAL_EFFUSION, _K.PLEURAL_OTHER, _K.PNEUMOTHORAX})

EXPLAINS: dict[FindingKind, frozenset[FindingKind]] = {
    _K.ATELECTASIS: _AIRSPACE | _PLEURAL | {_K.LUNG_LESION, _K.ENLARGED_CARDIOMEDIASTINUM},
    _K.CONSOLIDATION: _AIRSPACE | {_K.PLEURAL_EFFUSION, _K.LUNG_LESION, _K.PLEURAL_OTHER},
    _K.PNEUMONIA: _AIRSPACE | {_K.PLEURAL_EFFUSION, _K.PLEURAL_OTHER, _K.LUNG_LESION},
    _K.LUNG_OPACITY: _AIRSPACE | _PLEURAL | {_K.LUNG_LESION},
    _K.EDEMA: _AIRSPACE | _HEART | {_K.PLEURAL_EFFUSION},
    _K.LUNG_LESION: _LUNG_KINDS | _PLEURAL | {_K.ENLARGED_CARDIOMEDIASTINUM, _K.FRACTURE},
    _K.CARDIOMEGALY: _HEART
    | {_K.EDEMA, _K.PLEURAL_EFFUSION, _K.ATELECTASIS, _K.LUNG_OPACITY, _K.PACEMAKER},
    _K.ENLARGED_CARDIOMEDIASTINUM: _HEART
    | {_K.ATELECTASIS, _K.LUNG_LESION, _K.PLEURAL_EFFUSION, _K.FRACTURE, _K.EDEMA},
    _K.FRACTURE: _PLEURAL | (_AIRSPACE - {_K.EDEMA}) | {_K.ENLARGED_CARDIOMEDIASTINUM},
    _K.PLEURAL_EFFUSION: _PLEURAL | _AIRSPACE | {_K.LUNG_LESION, _K.CARDIOMEGALY, _K.FRACTURE},
    _K.PLEURAL_OTHER: _PLEURAL | {_K.ATELECTASIS, _K.LUNG_OPACITY, _K.FRACTURE},
    _K.PNEUMOTHORAX: _PLEURAL | {_K.ATELECTASIS, _K.LUNG_LESION, _K.FRACTURE, _K.LUNG_OPACITY},
    # Between a device and a finding: its reason, its complication, or its shadow.
    _K.ENDOTRACHEAL_TUBE: _AIRSPACE | {_K.PNEUMOTHORAX},
    _K.ENTERIC_TUBE: (_AIRSPACE - {_K.EDEMA}) | {_K.PNEUMOTHORAX, _K.PLEURAL_EFFUSION},
    _K.CENTRAL_VENOUS_CATHETER: _PLEURAL | {_K.ENLARGED_CARDIOMEDIASTINUM, _K.EDEMA, _K.PORT},
    _K.PORT: frozenset(
        {_K.PNEUMOTHORAX, _K.LUNG_LESION, _K.PLEURAL_EFFUSION, _K.CENTRAL_VENOUS_CATHETER}
    ),
    _K.CHEST_TUBE: _PLEURAL | {_K.ATELECTASIS, _K.LUNG_OPACITY, _K.CONSOLIDATION, _K.FRACTURE},
    _K.PACEMAKER: frozenset({_K.CARDIOMEGALY, _K.EDEMA, _K.PNEUMOTHORAX, _K.PLEURAL_EFFUSION}),
}
"""A finding to all that it may explain or be explained by; read both ways."""

_SHADOWS = _LUNG_KINDS | _HEART | {_K.PLEURAL_EFFUSION, _K.PLEURAL_OTHER}
_BEHIND = _SHADOWS | {_K.FRACTURE}
_BODY = _BEHIND | {_K.PNEUMOTHORAX}

OBSCURES: dict[FindingKind, frozenset[FindingKind]] = {
    # What is dense hides what is less dense and overlaps it. Air hides nothing, and neither
    # soft tissue nor fluid hides a pacemaker or the tube in the trachea.
    **dict.fromkeys(
        (*_AIRSPACE, _K.LUNG_LESION, _K.PLEURAL_EFFUSION, _K.PLEURAL_OTHER),
        _BEHIND | {_K.CENTRAL_VENOUS_CATHETER, _K.CHEST_TUBE, _K.ENTERIC_TUBE},
    ),
    _K.CARDIOMEGALY: _SHADOWS | {_K.ENTERIC_TUBE},
    _K.ENLARGED_CARDIOMEDIASTINUM: _SHADOWS | {_K.ENTERIC_TUBE, _K.CENTRAL_VENOUS_CATHETER},
    _K.FRACTURE: _LUNG_KINDS | {_K.PNEUMOTHORAX},
    _K.PNEUMOTHORAX: frozenset(),
    _K.ENDOTRACHEAL_TUBE: frozenset({_K.ENLARGED_CARDIOMEDIASTINUM}),
    _K.ENTERIC_TUBE: _LUNG_KINDS | {_K.ENLARGED_CARDIOMEDIASTINUM},
    _K.CENTRAL_VENOUS_CATHETER: _LUNG_KINDS | {_K.PNEUMOTHORAX, _K.FRACTURE},
    _K.PORT: _BODY - _HEART | {_K.CENTRAL_VENOUS_CATHETER},
    _K.CHEST_TUBE: _BODY - _HEART,
    _K.PACEMAKER: _BODY | {_K.CENTRAL_VENOUS_CATHETER, _K.PORT},
}
"""A finding to what it may hide."""


def may_lie(kind: FindingKind, zone: Zone) -> bool:
    """Whether ``kind`` may lie in ``zone``."""
    return zone in ZONES[kind]


def may_relate(first: FindingKind, relation: str, second: FindingKind) -> bool:
    """Whether a radiologist could accept the triple, in either direction.

    Both directions count: a pair is asked in one fixed order, so a model cannot turn it
    round. Findings that accompany each other are only seen together; that is never wrong.
    """
    if relation == "explains":
        return second in EXPLAINS[first] or first in EXPLAINS[second]
    if relation == "obscures":
        return second in OBSCURES[first] or first in OBSCURES[second]
    return True
