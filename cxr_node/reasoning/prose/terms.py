"""Abnormalities and devices named in free words: which finding each stands for, and which none.

Terms come from stage-2 answers of published eight-stage dialogues (arXiv 2505.23143) and
from the everyday names and abbreviations of the devices. A term without a finding is never
thrown away silently: the reading lists it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxr_node.domain.findings import FindingKind
from cxr_node.reasoning.prompts import Wording, subject_words
from cxr_node.reasoning.prose.word_forms import singular

_K = FindingKind
_SYNONYMS: dict[FindingKind, str] = {
    _K.PNEUMOTHORAX: "hydropneumothorax | ptx | pleural air",
    _K.PLEURAL_EFFUSION: (
        "pleural fluid | pleural liquid | pleural collection | hemothorax | hydrothorax"
        " | empyema | parapneumonic effusion | pleural effusion | effusion"
    ),
    _K.ATELECTASIS: "collapse | atelectatic change | atelectatic | subsegmental collapse",
    _K.CONSOLIDATION: (
        "airspace disease | airspace consolidation | consolidative change"
        " | consolidative opacity | consolidative | air space disease | air space consolidation"
        " | consolidated"
    ),
    _K.LUNG_OPACITY: (
        "infiltrate | infiltration | opacification | airspace opacity | interstitial pattern"
        " | lung opacity | pulmonary opacity | air space opacity | airspace opacification"
        " | increased density | increased opacity | opacified | ground glass | hazy density"
        " | interstitial opacity | reticular opacity | nodular opacity | shadowing | haziness"
    ),
    _K.EDEMA: (
        "vascular congestion | fluid overload | congestion | oedema | pulmonary oedema"
        " | interstitial edema | alveolar edema | interstitial oedema | alveolar oedema"
        " | pulmonary vascular congestion | venous congestion | volume overload"
    ),
    _K.CARDIOMEGALY: (
        "borderline heart size | heart size borderline | borderline cardiac size"
        " | enlarged heart | enlarged cardiac silhouette | cardiac enlargement | big heart"
        " | enlarged cardiac shadow | heart enlargement | enlarged heart size"
        " | cardiac dilatation"
    ),
    _K.ENLARGED_CARDIOMEDIASTINUM: (
        "enlarged cardiomediastinal silhouette | mediastinal widening | wide mediastinum"
        " | enlarged mediastinum | prominent mediastinum | broadened mediastinum"
        " | mediastinal enlargement | widening of mediastinum | cardiomediastinal enlargement"
    ),
    _K.LUNG_LESION: (
        "mass | nodule | granuloma | lung mass | lung nodule | pulmonary nodule | pulmonary mass"
        " | metastasis | tumor | tumour | neoplasm | coin lesion | malignancy | lung cancer"
        " | bronchogenic carcinoma | lung lesion | pulmonary lesion | cavitary lesion"
    ),
    _K.PNEUMONIA: (
        "infection | pneumonic | pneumonic infiltrate | pneumonic consolidation"
        " | infectious process | bronchopneumonia | pna"
    ),
    _K.PLEURAL_OTHER: (
        "pleural thickening | pleural plaque | pleural scarring | fibrothorax | pleural mass"
        " | pleural calcification | apical cap"
    ),
    _K.FRACTURE: "rib fracture | compression fracture | fractured | broken rib | fx",
    _K.CENTRAL_VENOUS_CATHETER: (
        "picc | picc line | central line | central venous line | cvc | ij line | ij catheter"
        " | internal jugular line | internal jugular catheter | internal jugular central line"
        " | internal jugular central venous catheter | jugular catheter | jugular line"
        " | subclavian line | subclavian catheter | subclavian central line | cvl"
        " | subclavian central venous catheter | central catheter | swan ganz catheter"
        " | swan ganz | dialysis catheter | hemodialysis catheter | vascular catheter"
        " | central venous access | ij central line | ij central venous catheter | hickman"
        " | hickman catheter | permcath | peripherally inserted central catheter"
        " | tunneled catheter | vas cath | quinton catheter | tunnelled catheter"
        " | pulmonary artery catheter | broviac | central access line"
    ),
    _K.PORT: (
        "port a cath | portacath | port a catheter | mediport | chest port | infusaport"
        " | powerport | infusion port | port catheter | venous port | implanted venous port"
        " | port reservoir"
    ),
    _K.PACEMAKER: (
        "icd | defibrillator | aicd | pacer | pacing device | pacing lead | pacer lead"
        " | pacing wire | pacemaker lead | pacemaker wire | cardiac device | pulse generator"
        " | icd lead | implantable cardioverter defibrillator | cardioverter defibrillator"
        " | dual chamber pacer"
    ),
    _K.ENTERIC_TUBE: (
        "nasogastric tube | ng tube | ngt | orogastric tube | og tube | ogt | feeding tube"
        " | dobhoff | dobbhoff | dobhoff tube | dobbhoff tube | gastric tube | nasoenteric tube"
        " | nasogastric | orogastric | enteric feeding tube | nasojejunal tube | ng | og"
        " | enteric catheter | nasointestinal tube | duotube | gastric drainage tube"
    ),
    _K.ENDOTRACHEAL_TUBE: "et tube | ett | tracheal tube | breathing tube | endotracheal",
    _K.CHEST_TUBE: (
        "pigtail catheter | pigtail | chest drain | pleural drainage | thoracic drainage"
        " | thoracostomy tube | pleural drain | pleurx"
        " | pleural catheter | intercostal drain | pleural tube | pigtail drain"
        " | pleurx catheter | tube thoracostomy | pigtail pleural catheter"
        " | pleural drainage catheter | intercostal tube | thoracic drain"
    ),
}
_NONE = frozenset({"", "none", "nothing", "no", "no other", "nil"})
_NEGATED = re.compile(r"\b(?:no|not|without|none)\b")
_SEPARATORS = re.compile(r"[,;.\n]|\band\b")
_TOKEN = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class NamedTerms:
    """Findings that were recognised, and the terms that stand for none of them."""

    known: tuple[FindingKind, ...]
    unknown: tuple[str, ...]


def name_key(name: str) -> tuple[str, ...]:
    """A name as it is looked up: its words in lower case and singular, punctuation dropped."""
    return tuple(singular(word) for word in _TOKEN.findall(name.lower()))


def _lexicon() -> dict[tuple[str, ...], FindingKind]:
    names = {name_key(name): kind for kind, row in _SYNONYMS.items() for name in row.split("|")}
    for wording in Wording:
        names |= {name_key(subject_words(wording, kind)): kind for kind in FindingKind}
    return names | {name_key(kind.value.replace("_", " ")): kind for kind in FindingKind}


LEXICON = _lexicon()
"""Words of a name, see :func:`name_key`, to the finding it stands for."""
_LONGEST = max(map(len, LEXICON))


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
    words = name_key(term)
    for length in range(min(_LONGEST, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            kind = LEXICON.get(words[start : start + length])
            if kind is not None:
                return kind
    return None
