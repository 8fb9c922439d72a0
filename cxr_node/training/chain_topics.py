"""What a chain can look at: one finding or a group, where its signs are sought, and why there.

Anatomy and signs are those of any textbook of chest radiology and of the Fleischner Society's
glossary (Hansell 2008). Sentences are written so that ``reasoning/prose/mentions.py`` reads them as
they are meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cxr_node.domain.findings import DEVICES, FindingKind, Severity

_K = FindingKind


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing to look for. ``label`` is CheXpert's, or a device's own name."""

    label: str
    kinds: tuple[FindingKind, ...]
    name: str
    """As it stands in a sentence, without an article."""
    look_at: str
    why: str
    normal: tuple[str, ...]
    """Sentences for when it is absent."""
    beside: tuple[str, ...] = ()
    """Labels of topics that speak for or against this one."""
    plural: bool = False


def _one(
    label: str, kind: FindingKind, name: str, look_at: str, why: str, normal: str, beside: str = ""
) -> Topic:
    return Topic(label, (kind,), name, look_at, why, _split(normal), _split(beside))


def _split(row: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in row.split("|") if part.strip())


_PATHOLOGIES = (
    _one(
        *("Atelectasis", _K.ATELECTASIS, "atelectasis", "fissures and lung volumes"),
        "collapsed lung takes less room and pulls its borders along",
        "There is no atelectasis. | No volume loss and no atelectasis are seen.",
        "Lung Opacity | Pleural Effusion",
    ),
    _one(
        *("Cardiomegaly", _K.CARDIOMEGALY, "cardiomegaly", "cardiac silhouette"),
        "it takes up less than half of the width of the thorax in health",
        "The heart is not enlarged. | Heart size is normal. | The cardiac silhouette is normal.",
        "Edema | Pleural Effusion",
    ),
    _one(
        *("Consolidation", _K.CONSOLIDATION, "consolidation", "lung fields"),
        "filled airspaces hide the vessels and the borders next to them",
        "There is no consolidation. | No focal consolidation is seen.",
        "Pleural Effusion | Cardiomegaly",
    ),
    _one(
        *("Edema", _K.EDEMA, "pulmonary edema", "vessels and interstitium"),
        "fluid blurs the vessels and thickens the septa",
        "There is no pulmonary edema. | The vessels are sharp, without pulmonary edema.",
        "Cardiomegaly | Pleural Effusion",
    ),
    _one(
        *("Enlarged Cardiomediastinum", _K.ENLARGED_CARDIOMEDIASTINUM, "widened mediastinum"),
        *("mediastinal contours", "whatever grows between the lungs pushes them outward"),
        "The mediastinum is not widened. | The mediastinal contours are normal.",
        "Lung Lesion | Pleural Effusion",
    ),
    _one(
        *("Fracture", _K.FRACTURE, "fracture", "ribs and clavicles"),
        "a break is a step or a line across the cortex",
        "There is no fracture. | No fracture is seen.",
        "Pneumothorax | Pleural Effusion",
    ),
    _one(
        *(
            "Lung Lesion",
            _K.LUNG_LESION,
            "lung lesion",
            "whole of both lungs, behind the heart too",
        ),
        "something round with an edge of its own hides easily",
        "There is no lung lesion. | No nodule or mass is seen.",
        "Enlarged Cardiomediastinum | Pleural Effusion",
    ),
    _one(
        *("Lung Opacity", _K.LUNG_OPACITY, "lung opacity", "zones of the two lungs side by side"),
        "whatever replaces air makes one side whiter than the other",
        "There is no lung opacity. | No focal opacity is seen.",
        "Pleural Effusion | Atelectasis",
    ),
    _one(
        *("Pleural Effusion", _K.PLEURAL_EFFUSION, "pleural effusion", "costophrenic angles"),
        "free fluid collects there first and blunts them",
        "The costophrenic angles are sharp. | There is no pleural effusion.",
        "Atelectasis | Cardiomegaly",
    ),
    _one(
        *("Pleural Other", _K.PLEURAL_OTHER, "pleural thickening", "pleural surfaces"),
        "a scar or plaque lines the chest wall",
        "There is no pleural thickening.",
        "Pleural Effusion",
    ),
    _one(
        *("Pneumonia", _K.PNEUMONIA, "pneumonia", "airspaces of both lungs"),
        "part of a lobe may be filled",
        "There is no pneumonia. | Nothing looks like pneumonia: no pneumonia is seen.",
        "Consolidation | Pleural Effusion",
    ),
    _one(
        *("Pneumothorax", _K.PNEUMOTHORAX, "pneumothorax", "apices and the lateral chest wall"),
        "free air lifts a thin pleural line off the wall, with no vessels beyond it",
        "There is no pneumothorax. | No pneumothorax is seen.",
        "Chest Tube | Pleural Effusion",
    ),
)
_DEVICES = (
    _one(
        *("Endotracheal Tube", _K.ENDOTRACHEAL_TUBE, "endotracheal tube", "trachea"),
        "a tube in it ends between the clavicles and the carina",
        "There is no endotracheal tube.",
        "Enteric Tube",
    ),
    _one(
        *("Enteric Tube", _K.ENTERIC_TUBE, "enteric tube", "course of the esophagus"),
        "a tube in it runs down to the stomach",
        "There is no enteric tube.",
        "Endotracheal Tube",
    ),
    _one(
        *("Central Venous Catheter", _K.CENTRAL_VENOUS_CATHETER, "central venous catheter"),
        *("superior vena cava and the veins that lead to it", "a catheter in it is a thin line"),
        "There is no central venous catheter.",
        "Pneumothorax",
    ),
    _one(
        *("Port", _K.PORT, "port", "soft tissue over the upper chest"),
        "an implanted chamber shows as a disc with a catheter",
        "There is no port.",
        "Pneumothorax",
    ),
    _one(
        *("Chest Tube", _K.CHEST_TUBE, "chest tube", "chest wall between the ribs"),
        "a drain enters the pleural space there",
        "There is no chest tube.",
        "Pneumothorax | Pleural Effusion",
    ),
    _one(
        *("Pacemaker", _K.PACEMAKER, "pacemaker", "chest wall below the clavicles"),
        "a generator is a metal box with leads to the heart",
        "There is no pacemaker.",
        "Cardiomegaly",
    ),
)
_GROUP = Topic(
    label="Support Devices",
    kinds=tuple(kind for kind in FindingKind if kind in DEVICES),
    name="support devices",
    look_at="lines, tubes and implants",
    why="metal and marked plastic are whiter than anything in the body",
    normal=("There is no tube and no catheter.", "No support device is seen."),
    plural=True,
)

TOPICS: Mapping[str, Topic] = MappingProxyType(
    {topic.label: topic for topic in (*_PATHOLOGIES, *_DEVICES, _GROUP)}
)
"""By label; the group Support Devices beside its members."""

OF_KIND: Mapping[FindingKind, Topic] = MappingProxyType(
    {topic.kinds[0]: topic for topic in (*_PATHOLOGIES, *_DEVICES)}
)

IMPLIED_BY: Mapping[FindingKind, frozenset[FindingKind]] = MappingProxyType(
    {
        _K.LUNG_OPACITY: frozenset(
            {_K.ATELECTASIS, _K.CONSOLIDATION, _K.EDEMA, _K.LUNG_LESION, _K.PNEUMONIA}
        ),
        _K.ENLARGED_CARDIOMEDIASTINUM: frozenset({_K.CARDIOMEGALY}),
        _K.CONSOLIDATION: frozenset({_K.PNEUMONIA}),
    }
)
"""CheXpert's hierarchy (arXiv 1901.07031): with one of these present, its parent is not absent."""

SHOWN_BY: Mapping[FindingKind, frozenset[FindingKind]] = MappingProxyType(
    {_K.LUNG_OPACITY: IMPLIED_BY[_K.LUNG_OPACITY]}
)
"""Whoever sees one of these has seen the parent too: a consolidation is an opacity."""

_MEASURED = frozenset({_K.PLEURAL_EFFUSION, _K.PNEUMOTHORAX, _K.LUNG_LESION})
_SIZES = {Severity.MILD: "small", Severity.MODERATE: "moderate", Severity.SEVERE: "large"}


def size_words(kind: FindingKind, severity: Severity) -> str:
    """How a grade is said of this finding: an effusion is small, an edema mild."""
    return _SIZES[severity] if kind in _MEASURED else severity.value
