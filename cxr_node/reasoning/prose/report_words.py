"""What a phrase can do in a sentence of a report, and what groups and structures stand for.

The phrases themselves are in ``report_phrases.py``.
"""

from __future__ import annotations

from enum import StrEnum

from cxr_node.domain.findings import FindingKind

_K = FindingKind


class Tag(StrEnum):
    """What a phrase does in a sentence."""

    TERM = "names a finding"
    GROUP = "names a group of findings; only its denial says something"
    STRUCTURE = "names a normal structure"
    NORMAL = "calls a structure normal"
    LARGE = "calls a structure enlarged"
    NOT = "denies what follows"
    GONE = "says that what follows went away or was taken out"
    DOUBT = "doubts or supposes what follows"
    PAST = "puts what follows in the past"
    NOT_AFTER = "denies what came before"
    GONE_AFTER = "says that what came before went away or was taken out"
    DOUBT_AFTER = "doubts what came before"
    STOP = "ends every scope"
    COMMA = "may end a scope"
    OR = "or"
    AND = "and"
    ARTICLE = "begins a new phrase"
    PREPOSITION = "binds a place to what came before"
    VERB = "a finite verb"
    PART = "a part of a device or a feature of a finding, not the thing itself"
    SIDE = "side"
    ZONE = "zone"
    SIZE = "size or severity"
    CHANGE = "change since an earlier study"
    LIMIT = "narrows a denial: only the acute, only the large"
    EXCEPT = "an exception follows, or the rest is meant"
    WORD = "anything else"


ALL, LUNG, PLEURA, BONE, HEART, MIDDLE, BOTH_MIDDLE, ANGLE, DEVICE, TUBE, SPACE, ELSE = (
    "chest",
    "lungs",
    "pleura",
    "bones",
    "heart",
    "mediastinum",
    "cardiomediastinum",
    "angles",
    "devices",
    "tubes",
    "pleural spaces",
    "else",
)
"""Groups and structures; ``ELSE`` is any structure that says nothing of a finding."""

DENIED: dict[str, tuple[FindingKind, ...]] = {
    ALL: tuple(kind for kind in FindingKind if not kind.is_device),
    LUNG: (
        _K.CONSOLIDATION,
        _K.PNEUMONIA,
        _K.LUNG_OPACITY,
        _K.EDEMA,
        _K.LUNG_LESION,
        _K.ATELECTASIS,
    ),
    PLEURA: (_K.PLEURAL_EFFUSION, _K.PNEUMOTHORAX, _K.PLEURAL_OTHER),
    SPACE: (_K.PLEURAL_EFFUSION, _K.PNEUMOTHORAX),
    BONE: (_K.FRACTURE,),
    HEART: (_K.CARDIOMEGALY,),
    MIDDLE: (_K.ENLARGED_CARDIOMEDIASTINUM,),
    BOTH_MIDDLE: (_K.CARDIOMEGALY, _K.ENLARGED_CARDIOMEDIASTINUM),
    ANGLE: (_K.PLEURAL_EFFUSION,),
    DEVICE: tuple(kind for kind in FindingKind if kind.is_device),
    TUBE: (
        _K.ENDOTRACHEAL_TUBE,
        _K.ENTERIC_TUBE,
        _K.CENTRAL_VENOUS_CATHETER,
        _K.CHEST_TUBE,
    ),
    ELSE: (),
}
"""What is denied by calling the structure normal, or by denying the group."""

ENLARGED: dict[str, FindingKind] = {
    HEART: _K.CARDIOMEGALY,
    MIDDLE: _K.ENLARGED_CARDIOMEDIASTINUM,
    BOTH_MIDDLE: _K.ENLARGED_CARDIOMEDIASTINUM,
}
"""What calling the structure enlarged affirms."""

BLUNTED = "blunted"
"""An angle that is blunted: fluid or a scar."""

WEAK = (
    "borderline heart size | heart size borderline | borderline cardiac size | granuloma"
    " | ground glass | interstitial opacity | reticular opacity | nodular opacity"
    " | vascular congestion | pulmonary vascular congestion | congestion | venous congestion"
    " | fluid overload | volume overload | infection | tumor | infectious process | malignancy"
    " | tumour | neoplasm | lung cancer | metastasis | bronchogenic carcinoma"
    " | interstitial pattern | apical cap | increased density | increased opacity | collapse"
    " | haziness | shadowing | hazy density"
)
"""Names that may mean something less than the finding: affirming them is no firm statement."""

JOINT = "hydropneumothorax"
"""A name of two findings at once; its denial denies neither alone."""
