"""Radiology English that the rules of the reader were built with, one of four wordings.

``held_out_prose.py`` has what they are judged by. A sentence that stands for a state of a
finding is tagged with what must hold for it to be true.
"""

from __future__ import annotations

from dataclasses import dataclass

from cxr_node.domain.findings import FindingKind

_K = FindingKind


@dataclass(frozen=True, slots=True)
class Prose:
    """Templates. ``{name}`` is the finding; ``{side}``, ``{size}`` end in a blank or are empty."""

    names: dict[FindingKind, tuple[str, ...]]
    sizes: dict[str, tuple[str, ...]]
    sided: tuple[str, ...]
    midline: tuple[str, ...]
    device: tuple[str, ...]
    absent: tuple[str, ...]
    """Denials of ``{name}``, or of ``{name}``, ``{other}`` and ``{third}`` together."""
    normal: tuple[tuple[str, tuple[FindingKind, ...]], ...]
    """A sentence and the findings of which none may be present beside it."""
    doubt: tuple[str, ...]
    """True whether ``{name}`` is present or not."""
    still: tuple[str, ...]
    """Only true of a finding that is present."""
    gone: tuple[str, ...]
    """Only true of a pathology that is not present any more."""
    all_normal: tuple[str, ...]
    same: tuple[str, ...]
    worse: tuple[str, ...]
    better: tuple[str, ...]
    fresh: tuple[str, ...]
    chatter: tuple[str, ...]
    """Says nothing of any finding."""


_AIRSPACE = (_K.CONSOLIDATION, _K.PNEUMONIA, _K.LUNG_OPACITY, _K.EDEMA, _K.LUNG_LESION)
LUNGS = (*_AIRSPACE, _K.ATELECTASIS)
PLEURAL = (_K.PLEURAL_EFFUSION, _K.PNEUMOTHORAX)

FIRST = Prose(
    names={
        _K.ATELECTASIS: ("atelectasis", "subsegmental atelectasis", "linear atelectasis"),
        _K.CARDIOMEGALY: ("cardiomegaly", "enlargement of the cardiac silhouette"),
        _K.CONSOLIDATION: ("consolidation", "airspace consolidation"),
        _K.EDEMA: ("pulmonary edema", "interstitial edema"),
        _K.ENLARGED_CARDIOMEDIASTINUM: ("mediastinal widening", "widened mediastinum"),
        _K.FRACTURE: ("rib fracture", "clavicular fracture"),
        _K.LUNG_LESION: ("nodule", "lung mass", "pulmonary nodule"),
        _K.LUNG_OPACITY: ("airspace opacity", "hazy opacity", "patchy opacity"),
        _K.PLEURAL_EFFUSION: ("pleural effusion", "effusion"),
        _K.PLEURAL_OTHER: ("pleural thickening", "pleural plaque"),
        _K.PNEUMONIA: ("pneumonia", "bronchopneumonia"),
        _K.PNEUMOTHORAX: ("pneumothorax", "pneumothoraces"),
        _K.ENDOTRACHEAL_TUBE: ("endotracheal tube", "ET tube", "ETT"),
        _K.ENTERIC_TUBE: ("nasogastric tube", "NG tube", "feeding tube"),
        _K.CENTRAL_VENOUS_CATHETER: ("PICC", "central venous catheter", "IJ line"),
        _K.PORT: ("port-a-cath", "chest port"),
        _K.CHEST_TUBE: ("chest tube", "pigtail catheter"),
        _K.PACEMAKER: ("pacemaker", "dual-lead pacemaker", "ICD"),
    },
    sizes={
        "mild": ("small", "mild", "minimal", "tiny"),
        "moderate": ("moderate", "moderate-sized"),
        "severe": ("large", "severe", "extensive"),
    },
    sided=(
        "There is a {size}{side}{name}.",
        "{size}{side}{name} is noted.",
        "{size}{name} on the {bare}.",
        "A {size}{side}-sided {name} is again seen.",
        "{size}{side}{name}, similar in appearance to the adjacent lung.",
        "On the {bare}, there is a {size}{name}.",
    ),
    midline=("There is {size}{name}.", "{size}{name} is present.", "{size}{name}."),
    device=(
        "{side}{name} in place.",
        "A {side}{name} is seen in standard position.",
        "The {side}{name} terminates appropriately.",
        "Interval placement of a {side}{name}.",
    ),
    absent=(
        "No {name}.",
        "There is no evidence of {name}.",
        "No {name}, {other} or {third}.",
        "There is no {name} or {other}.",
        "{name} is not seen.",
        "Negative for {name}.",
        "Neither {name} nor {other} is seen.",
        "No {name} is identified, and there is no {other}.",
    ),
    normal=(
        ("The lungs are clear.", LUNGS),
        ("Lungs are well expanded and clear.", LUNGS),
        ("The heart size is normal.", (_K.CARDIOMEGALY,)),
        ("The cardiac silhouette is not enlarged.", (_K.CARDIOMEGALY,)),
        (
            "The cardiomediastinal silhouette is within normal limits.",
            (_K.CARDIOMEGALY, _K.ENLARGED_CARDIOMEDIASTINUM),
        ),
        ("Costophrenic angles are sharp.", (_K.PLEURAL_EFFUSION,)),
        ("The pleural spaces are clear.", (*PLEURAL, _K.PLEURAL_OTHER)),
        ("The bony thorax is intact.", (_K.FRACTURE,)),
        ("No acute osseous abnormality.", (_K.FRACTURE,)),
        ("Heart and lungs are normal.", (_K.CARDIOMEGALY, *LUNGS)),
    ),
    doubt=(
        "Possible {name}.",
        "A {name} cannot be excluded.",
        "History of {name}.",
        "No new {name}.",
        "Findings concerning for {name}.",
        "CT is recommended if {name} is suspected.",
        "Question of {name}.",
    ),
    still=(
        "No change in the {name}.",
        "The {name} is unchanged.",
        "No significant interval change in the {name}.",
        "Persistent {name}.",
    ),
    gone=(
        "The {name} has resolved.",
        "Interval resolution of the {name}.",
        "Previously seen {name} is no longer visible.",
    ),
    all_normal=(
        "Normal chest radiograph.",
        "No acute cardiopulmonary process.",
        "No abnormality.",
        "Unremarkable study.",
    ),
    same=("The {name} is unchanged.", "Stable {name}."),
    worse=("The {name} has increased.", "Worsening {name}."),
    better=("The {name} has decreased in size.", "Improving {name}."),
    fresh=("New {name}.", "The {name} is new."),
    chatter=(
        "The trachea is midline.",
        "Low lung volumes.",
        "The patient is rotated to the right.",
        "Comparison is made with the prior study.",
        "Mediastinal shift to the left is not seen.",
        "Sternotomy wires are intact.",
        "Degenerative changes of the spine.",
        "Tortuous aorta.",
    ),
)
