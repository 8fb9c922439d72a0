"""The phrases of reports as data: at least five ways to say each thing.

Slots: ``{size}`` and ``{grade}`` grade, ``{side}`` side with a blank behind it or nothing,
``{zone}`` a place with a blank before it or nothing, ``{tip}`` what is said of a device.
Words are plain radiology English, so that the node's own reader of reports understands them.
"""

from __future__ import annotations

from cxr_node.domain.findings import Severity
from cxr_node.phantom.batched.signs import Sign

SIZES = {Severity.MILD: "small", Severity.MODERATE: "moderate", Severity.SEVERE: "large"}
GRADES = {Severity.MILD: "mild", Severity.MODERATE: "moderate", Severity.SEVERE: "severe"}

PRESENT: dict[Sign, tuple[str, ...]] = {
    Sign.PNEUMOTHORAX: (
        "There is a {size} {side}pneumothorax.",
        "{size} {side}pneumothorax.",
        "A {size} {side}pneumothorax is present.",
        "A {size} {side}pneumothorax is seen with a visible pleural line.",
        "Findings show a {size} {side}pneumothorax.",
    ),
    Sign.PLEURAL_EFFUSION: (
        "There is a {size} {side}pleural effusion.",
        "{size} {side}pleural effusion.",
        "A {size} {side}pleural effusion is present.",
        "A {size} {side}pleural effusion is seen.",
        "{size} {side}pleural effusion is noted.",
    ),
    Sign.CONSOLIDATION: (
        "There is {grade} {side}consolidation{zone}, in keeping with pneumonia.",
        "{grade} {side}consolidation{zone}, consistent with pneumonia.",
        "{grade} {side}consolidation is present{zone} and represents pneumonia.",
        "{grade} {side}consolidation with air bronchograms{zone}, compatible with pneumonia.",
        "{grade} {side}consolidation is seen{zone}. Pneumonia is present.",
    ),
    Sign.ATELECTASIS: (
        "There is {grade} {side}atelectasis{zone}.",
        "{grade} {side}atelectasis{zone}.",
        "{grade} {side}atelectasis is present{zone}.",
        "{grade} {side}atelectasis is seen{zone}.",
        "{grade} {side}atelectasis is noted{zone}.",
    ),
    Sign.EDEMA: (
        "There is {grade} pulmonary edema.",
        "{grade} pulmonary edema.",
        "{grade} pulmonary edema is present.",
        "{grade} bilateral pulmonary edema is seen.",
        "Perihilar haze, in keeping with {grade} pulmonary edema.",
    ),
    Sign.CARDIOMEGALY: (
        "There is {grade} cardiomegaly.",
        "{grade} cardiomegaly.",
        "{grade} cardiomegaly is present.",
        "{grade} cardiomegaly is seen.",
        "{grade} cardiomegaly is noted.",
    ),
    Sign.LUNG_LESION: (
        "There is a {side}{lesion}{zone}.",
        "{side}{lesion}{zone}.",
        "A {side}{lesion} is present{zone}.",
        "A {side}{lesion} is seen{zone}.",
        "A {side}{lesion} is noted{zone}.",
    ),
    Sign.ENLARGED_CARDIOMEDIASTINUM: (
        "There is {grade} widening of the mediastinum.",
        "Widened mediastinum, {grade}.",
        "A widened mediastinum is present.",
        "The mediastinum is widened.",
        "There is mediastinal widening.",
    ),
    Sign.FRACTURE: (
        "There is a {side}rib fracture.",
        "{side}rib fracture.",
        "A {side}rib fracture is present.",
        "A {side}rib fracture is seen.",
        "A {side}rib fracture is noted.",
    ),
    Sign.PLEURAL_OTHER: (
        "There is {grade} {side}pleural thickening{zone}.",
        "{grade} {side}pleural thickening{zone}.",
        "{grade} {side}pleural thickening is present{zone}.",
        "{grade} {side}pleural thickening is seen{zone}.",
        "{grade} {side}pleural thickening is noted{zone}.",
    ),
    Sign.FREE_AIR: (
        "There is free air under the diaphragm.",
        "Free air under the diaphragm.",
        "Free air is present under the diaphragm.",
        "Free air is seen below the diaphragm.",
        "A crescent of free air lies under the diaphragm.",
    ),
    Sign.ENDOTRACHEAL_TUBE: (
        "An endotracheal tube is present{tip}.",
        "Endotracheal tube{tip}.",
        "There is an endotracheal tube{tip}.",
        "An endotracheal tube is seen{tip}.",
        "An endotracheal tube is in place{tip}.",
    ),
    Sign.ENTERIC_TUBE: (
        "A nasogastric tube is present{tip}.",
        "Nasogastric tube{tip}.",
        "There is an enteric tube{tip}.",
        "An enteric tube is seen{tip}.",
        "A nasogastric tube is in place{tip}.",
    ),
    Sign.CENTRAL_VENOUS_CATHETER: (
        "A {side}central venous catheter is present{tip}.",
        "{side}central venous catheter{tip}.",
        "There is a {side}central venous catheter{tip}.",
        "A {side}central venous catheter is seen{tip}.",
        "A {side}central line is in place{tip}.",
    ),
    Sign.PORT: (
        "A {side}chest port is present{tip}.",
        "{side}chest port{tip}.",
        "There is a {side}chest port{tip}.",
        "A {side}chest port is seen{tip}.",
        "A {side}port is in place{tip}.",
    ),
    Sign.CHEST_TUBE: (
        "A {side}chest tube is present{tip}.",
        "{side}chest tube{tip}.",
        "There is a {side}chest tube{tip}.",
        "A {side}chest tube is seen{tip}.",
        "A {side}chest tube is in place{tip}.",
    ),
    Sign.PACEMAKER: (
        "A {side}pacemaker is present{tip}.",
        "{side}pacemaker{tip}.",
        "There is a {side}pacemaker{tip}.",
        "A {side}pacemaker is seen{tip}.",
        "A {side}pacemaker is in place{tip}.",
    ),
}

UNCERTAIN_PNEUMONIA = (
    "There is {grade} {side}consolidation{zone}; superimposed pneumonia cannot be excluded.",
    "{grade} {side}consolidation{zone}, possibly pneumonia.",
    "{grade} {side}consolidation is present{zone}. Pneumonia cannot be excluded.",
    "{grade} {side}consolidation{zone}. Pneumonia is possible.",
    "{grade} {side}consolidation is seen{zone}; possible pneumonia.",
)
"""Instead of the sentences of consolidation, beside edema."""

ABSENT: tuple[tuple[frozenset[Sign], tuple[str, ...]], ...] = (
    (
        frozenset({Sign.PNEUMOTHORAX}),
        (
            "No pneumothorax.",
            "There is no pneumothorax.",
            "No pneumothorax is seen.",
            "No evidence of pneumothorax.",
            "Pneumothorax is absent.",
        ),
    ),
    (
        frozenset({Sign.PLEURAL_EFFUSION}),
        (
            "No pleural effusion.",
            "There is no pleural effusion.",
            "No pleural effusion is seen.",
            "No evidence of pleural effusion.",
            "Pleural effusion is absent.",
        ),
    ),
    (
        frozenset({Sign.CARDIOMEGALY}),
        (
            "Heart size is normal.",
            "The heart is not enlarged.",
            "No cardiomegaly.",
            "The heart is normal in size.",
            "There is no cardiomegaly.",
        ),
    ),
    (
        frozenset({Sign.CONSOLIDATION}),
        (
            "No consolidation.",
            "There is no consolidation.",
            "No consolidation is seen.",
            "No evidence of consolidation.",
            "No focal consolidation.",
        ),
    ),
    (
        frozenset({Sign.EDEMA}),
        (
            "No pulmonary edema.",
            "There is no pulmonary edema.",
            "No edema is seen.",
            "No evidence of pulmonary edema.",
            "Pulmonary edema is absent.",
        ),
    ),
    (
        frozenset({Sign.FRACTURE}),
        (
            "No fracture.",
            "There is no rib fracture.",
            "No fracture is seen.",
            "No evidence of fracture.",
            "No acute fracture.",
        ),
    ),
)
"""Denials; each may be said when none of its signs is there."""

NORMAL_IMPRESSION = (
    "No acute cardiopulmonary abnormality.",
    "No acute cardiopulmonary disease.",
    "Normal chest radiograph.",
    "No acute abnormality of the chest.",
    "No acute findings in the chest.",
)
DEVICES_ONLY = (
    "Support devices as described; no acute cardiopulmonary abnormality.",
    "Devices as described. No acute cardiopulmonary disease.",
    "Support devices as above, no acute cardiopulmonary process.",
    "No acute cardiopulmonary abnormality; devices as described.",
    "No acute cardiopulmonary disease with devices as above.",
)
LIMITS = (
    "The study is limited by {faults}.",
    "Evaluation is limited by {faults}.",
    "Limited study because of {faults}.",
    "Interpretation is limited by {faults}.",
    "Technique is limited: {faults}.",
)
FAULTS = {
    "positioning": "tilted positioning",
    "inspiration": "poor inspiration",
    "exposure": "suboptimal exposure",
    "rotation": "patient rotation",
    "coverage": "cut-off of part of the chest",
}
NAMES = {
    "edema": "pulmonary edema",
    "enlarged_cardiomediastinum": "mediastinal widening",
    "fracture": "rib fracture",
    "pleural_other": "pleural thickening",
    "enteric_tube": "nasogastric tube",
    "free_air": "free air under the diaphragm",
}
"""What a comparison calls a finding; where it is missing, the finding's own name."""
CHANGES: dict[str, tuple[str, ...]] = {
    "new": (
        "{name} is new.",
        "New {name}.",
        "There is new {name}.",
        "{name} is new since the prior study.",
        "{name} has newly appeared.",
    ),
    "resolved": (
        "{name} has resolved.",
        "Resolved {name}.",
        "{name} is no longer seen.",
        "Interval resolution of {name}.",
        "{name} has resolved since the prior study.",
    ),
    "improved": (
        "{name} has improved.",
        "Improved {name}.",
        "Interval improvement of {name}.",
        "{name} has decreased.",
        "{name} has improved since the prior study.",
    ),
    "worsened": (
        "{name} has worsened.",
        "Worsened {name}.",
        "Interval worsening of {name}.",
        "{name} has increased.",
        "{name} has worsened since the prior study.",
    ),
    "stable": (
        "{name} is stable.",
        "Stable {name}.",
        "{name} is unchanged.",
        "Unchanged {name}.",
        "{name} is unchanged since the prior study.",
    ),
    "not_comparable": (
        "{name} cannot be compared.",
        "Change of {name} cannot be judged.",
        "{name} is not comparable.",
        "{name} is difficult to compare.",
        "No comparison is possible for {name}.",
    ),
}
COURSES: dict[str, tuple[str, ...]] = {
    "improve": (
        "Improvement is expected with treatment.",
        "Expected to improve with treatment.",
        "Likely to improve.",
        "Improvement is likely over the next days.",
        "Should improve under treatment.",
    ),
    "stay": (
        "No change is expected.",
        "Expected to stay as it is.",
        "Likely to remain stable.",
        "No relevant change is likely.",
        "Should remain as it is.",
    ),
    "worsen": (
        "Worsening is expected without treatment.",
        "Expected to worsen without treatment.",
        "Likely to worsen if untreated.",
        "Deterioration is likely without treatment.",
        "May worsen quickly if untreated.",
    ),
    "unclear": (
        "The course is unclear until the nature is known.",
        "Course unclear; depends on the diagnosis.",
        "The course cannot be predicted from this film.",
        "Course depends on further work-up.",
        "Unclear; further imaging decides.",
    ),
}
