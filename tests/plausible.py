"""What lies where and what goes with what, apart from the node's own table."""

from __future__ import annotations

from cxr_node.domain.findings import FindingKind, Zone

_K, _Z = FindingKind, Zone
LUNG = (_Z.UPPER, _Z.MIDDLE, _Z.LOWER)
USUAL: dict[FindingKind, tuple[Zone, ...]] = {
    _K.CARDIOMEGALY: (_Z.HEART,),
    _K.ENLARGED_CARDIOMEDIASTINUM: (_Z.MEDIASTINUM,),
    _K.FRACTURE: (_Z.CHEST_WALL, _Z.UPPER, _Z.LOWER),
    _K.PLEURAL_EFFUSION: (_Z.LOWER, _Z.LOWER, _Z.MIDDLE),
    _K.PNEUMOTHORAX: (_Z.APEX, _Z.UPPER, _Z.LOWER),
    _K.ENDOTRACHEAL_TUBE: (_Z.MEDIASTINUM, _Z.UPPER),
    _K.ENTERIC_TUBE: (_Z.MEDIASTINUM, _Z.LOWER),
    _K.CENTRAL_VENOUS_CATHETER: (_Z.MEDIASTINUM, _Z.UPPER),
    _K.PORT: (_Z.CHEST_WALL,),
    _K.CHEST_TUBE: (_Z.LOWER, _Z.UPPER),
    _K.PACEMAKER: (_Z.CHEST_WALL, _Z.UPPER),
}
NEVER: dict[FindingKind, tuple[Zone, ...]] = {
    _K.CARDIOMEGALY: (_Z.APEX, _Z.UPPER, _Z.CHEST_WALL),
    _K.ENLARGED_CARDIOMEDIASTINUM: (_Z.APEX, _Z.CHEST_WALL),
    _K.PLEURAL_EFFUSION: (_Z.MEDIASTINUM, _Z.HEART, _Z.APEX),
    _K.PNEUMOTHORAX: (_Z.HEART, _Z.MEDIASTINUM),
    _K.ENDOTRACHEAL_TUBE: (_Z.LOWER, _Z.HEART, _Z.CHEST_WALL),
    _K.EDEMA: (_Z.CHEST_WALL, _Z.HEART),
    _K.CONSOLIDATION: (_Z.CHEST_WALL, _Z.MEDIASTINUM),
    _K.PNEUMONIA: (_Z.CHEST_WALL, _Z.MEDIASTINUM),
    _K.ATELECTASIS: (_Z.CHEST_WALL,),
    _K.FRACTURE: (_Z.HEART,),
    _K.ENTERIC_TUBE: (_Z.APEX, _Z.CHEST_WALL),
}
FINE = (
    (_K.ATELECTASIS, "accompanies", _K.PLEURAL_EFFUSION),
    (_K.CONSOLIDATION, "explains", _K.PNEUMONIA),
    (_K.CARDIOMEGALY, "explains", _K.EDEMA),
    (_K.PLEURAL_EFFUSION, "obscures", _K.CONSOLIDATION),
    (_K.PNEUMOTHORAX, "explains", _K.CHEST_TUBE),
    (_K.FRACTURE, "explains", _K.PNEUMOTHORAX),
    (_K.EDEMA, "accompanies", _K.PLEURAL_EFFUSION),
)
ABSURD = (
    (_K.CARDIOMEGALY, "explains", _K.FRACTURE),
    (_K.EDEMA, "explains", _K.FRACTURE),
    (_K.FRACTURE, "explains", _K.PACEMAKER),
    (_K.CARDIOMEGALY, "obscures", _K.ENDOTRACHEAL_TUBE),
    (_K.ENDOTRACHEAL_TUBE, "explains", _K.PACEMAKER),
    (_K.ENTERIC_TUBE, "explains", _K.PORT),
    (_K.PNEUMONIA, "explains", _K.PACEMAKER),
    (_K.CARDIOMEGALY, "explains", _K.ENTERIC_TUBE),
    (_K.PNEUMOTHORAX, "obscures", _K.CARDIOMEGALY),
    (_K.LUNG_LESION, "explains", _K.PACEMAKER),
)
FAMILY = frozenset(
    {_K.CONSOLIDATION, _K.PNEUMONIA, _K.LUNG_OPACITY, _K.ATELECTASIS, _K.EDEMA, _K.LUNG_LESION}
)
"""Findings whose names run into each other: a text about one may mean another."""
