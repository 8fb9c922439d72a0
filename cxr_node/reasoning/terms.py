"""Abnormalities named in free words: which finding each stands for, and which none.

Terms come from stage-2 answers of published eight-stage dialogues (arXiv 2505.23143).
A term without a finding is never thrown away silently: the reading lists it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxr_node.domain.findings import FindingKind
from cxr_node.reasoning.prompts import Wording, subject_words

_K = FindingKind
_SYNONYMS: dict[str, FindingKind] = {
    "hydropneumothorax": _K.PNEUMOTHORAX,
    "pleural fluid": _K.PLEURAL_EFFUSION,
    "collapse": _K.ATELECTASIS,
    "airspace disease": _K.CONSOLIDATION,
    "infiltrate": _K.LUNG_OPACITY,
    "opacification": _K.LUNG_OPACITY,
    "airspace opacity": _K.LUNG_OPACITY,
    "interstitial pattern": _K.LUNG_OPACITY,
    "vascular congestion": _K.EDEMA,
    "fluid overload": _K.EDEMA,
    "congestion": _K.EDEMA,
    "enlarged heart": _K.CARDIOMEGALY,
    "enlarged cardiac silhouette": _K.CARDIOMEGALY,
    "mass": _K.LUNG_LESION,
    "nodule": _K.LUNG_LESION,
    "granuloma": _K.LUNG_LESION,
    "infection": _K.PNEUMONIA,
    "pleural thickening": _K.PLEURAL_OTHER,
    "rib fracture": _K.FRACTURE,
    "compression fracture": _K.FRACTURE,
    "picc": _K.CENTRAL_VENOUS_CATHETER,
    "icd": _K.PACEMAKER,
    "defibrillator": _K.PACEMAKER,
    "nasogastric tube": _K.ENTERIC_TUBE,
    "pigtail catheter": _K.CHEST_TUBE,
}
_NONE = frozenset({"", "none", "nothing", "no", "no other", "nil"})
_NEGATED = re.compile(r"\b(?:no|not|without|none)\b")
_SEPARATORS = re.compile(r"[,;.\n]|\band\b")


@dataclass(frozen=True, slots=True)
class NamedTerms:
    """Findings that were recognised, and the terms that stand for none of them."""

    known: tuple[FindingKind, ...]
    unknown: tuple[str, ...]


def _lexicon() -> dict[str, FindingKind]:
    words = dict(_SYNONYMS)
    for wording in Wording:
        words |= {subject_words(wording, kind): kind for kind in FindingKind}
    return words | {kind.value.replace("_", " "): kind for kind in FindingKind}


LEXICON = _lexicon()


def named_terms(answer: str) -> NamedTerms:
    """Split a list of abnormalities and look each up; negated ones are left out."""
    known: dict[FindingKind, None] = {}
    unknown: dict[str, None] = {}
    for part in _SEPARATORS.split(answer.casefold()):
        term = " ".join(part.split()).strip(" -:()?%/+")
        if term in _NONE or _NEGATED.search(term):
            continue
        kind = _lookup(term)
        if kind is None:
            unknown[term] = None
        else:
            known[kind] = None
    return NamedTerms(tuple(known), tuple(unknown))


def _lookup(term: str) -> FindingKind | None:
    """The finding whose longest name stands in ``term`` as whole words."""
    names = [name for name in LEXICON if re.search(rf"\b{re.escape(name)}s?\b", term)]
    return LEXICON[max(names, key=len)] if names else None
