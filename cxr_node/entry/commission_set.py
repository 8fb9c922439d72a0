"""The phantom studies of a commissioning: normals, time-critical ones, chance, and misfits.

Drawing needs torch; the same seeds give the same films, while UIDs and patient IDs are those
of the run, so that a set that is sent again is read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset

from cxr_node.domain.eligibility import EligibilityPolicy, Reason
from cxr_node.domain.findings import (
    Advice,
    DevicePosition,
    Finding,
    ModelIdentity,
    Presence,
    Reading,
    ReadingKind,
    Severity,
)
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.instance import View
from cxr_node.domain.priority import Priority
from cxr_node.evaluation.commission.studies import PATIENT_PREFIX, PhantomStudy
from cxr_node.phantom.batched.case import Case, make_case
from cxr_node.phantom.batched.dicom import dataset_of
from cxr_node.phantom.batched.make import Radiograph, make_radiograph
from cxr_node.phantom.batched.patient import Level
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.vendors import VENDORS
from cxr_node.phantom.batched.verdicts import advice
from cxr_node.reporting.templates import Templates
from cxr_node.services.prioritise import decide

LEAST = 8
CHILD_YEARS = 9
_S, _P = Severity, DevicePosition
_CRITICAL = (
    ("pneumothorax", View.PA, Sign.PNEUMOTHORAX, _S.MODERATE, None),
    ("tube too low", View.AP, Sign.ENDOTRACHEAL_TUBE, None, _P.TOO_LOW),
    ("large pneumothorax", View.AP, Sign.PNEUMOTHORAX, _S.SEVERE, None),
    (
        "tube in the oesophagus or a bronchus",
        View.AP,
        Sign.ENDOTRACHEAL_TUBE,
        None,
        _P.MALPOSITIONED,
    ),
    ("feeding tube malpositioned", View.AP, Sign.ENTERIC_TUBE, None, _P.MALPOSITIONED),
    ("large effusion", View.PA, Sign.PLEURAL_EFFUSION, _S.SEVERE, None),
)


@dataclass(frozen=True, slots=True)
class SetWish:
    """What is to be drawn, and by which rules it will be judged."""

    folder: Path
    count: int
    first_seed: int
    size: int
    level: Level
    started: datetime
    eligibility: EligibilityPolicy
    templates: Templates
    model: ModelIdentity


@dataclass(frozen=True, slots=True)
class _Plan:
    name: str
    case: Case
    refused_for: str = ""
    changes: dict[str, str] = field(default_factory=dict)
    blank: bool = False


def drawn(wish: SetWish) -> Iterator[PhantomStudy]:
    """Draw and write one study after the other, ``wish.count`` of them."""
    wish.folder.mkdir(parents=True, exist_ok=True)
    for number, plan in enumerate(_plans(wish)):
        yield _written(wish, number, plan)


def _plans(wish: SetWish) -> Iterator[_Plan]:
    """Two normals and two time-critical ones come first, then misfits, then everything."""
    seeds = iter(range(wish.first_seed, wish.first_seed + wish.count))
    misfits = [_lateral, _child, _blank, _faulty]
    for number in range(wish.count):
        seed = next(seeds)
        if 4 <= number < 4 + len(misfits):
            yield misfits[number - 4](seed, wish)
        elif number in (0, 2) or number % 4 == 0:
            view = View.PA if number % 8 == 0 else View.AP
            yield _Plan("normal", make_case(seed, view=view, signs=(), level=wish.level))
        elif number in (1, 3) or number % 4 == 1:
            yield _critical(seed, number // 2, wish.level)
        else:
            yield _by_chance(seed, wish.level)


def _critical(seed: int, number: int, level: Level) -> _Plan:
    name, view, sign, severity, position = _CRITICAL[number % len(_CRITICAL)]
    case = make_case(
        seed, view=view, signs=(sign,), severity=severity, position=position, level=level
    )
    return _Plan(name, case)


def _by_chance(seed: int, level: Level) -> _Plan:
    case = make_case(seed, level=level)
    frontal = case if case.view is not View.LATERAL else make_case(seed, view=View.PA, level=level)
    return _Plan("by chance", frontal)


def _lateral(seed: int, wish: SetWish) -> _Plan:
    case = make_case(seed, view=View.LATERAL, signs=(), level=wish.level)
    return _Plan("lateral view alone", case, Reason.VIEW)


def _child(seed: int, wish: SetWish) -> _Plan:
    young = wish.eligibility.minimum_age_years > CHILD_YEARS
    case = make_case(seed, view=View.PA, signs=(), level=wish.level)
    changes = {"PatientAge": f"{CHILD_YEARS:03d}Y", "PatientBirthDate": ""}
    return _Plan("child of nine", case, Reason.AGE if young else "", changes)


def _blank(seed: int, wish: SetWish) -> _Plan:
    case = make_case(seed, view=View.PA, signs=(), level=wish.level)
    return _Plan("blank exposure", case, Reason.IMAGE_QUALITY, blank=True)


def _faulty(seed: int, wish: SetWish) -> _Plan:
    case = make_case(seed, view=View.AP, signs=(), level=wish.level)
    shot = replace(case.exposure, rotation=18.0, inspiration=0.25)
    return _Plan("turned, poorly inspired", replace(case, exposure=shot))


def _written(wish: SetWish, number: int, plan: _Plan) -> PhantomStudy:
    film = make_radiograph(plan.case, wish.size)
    if plan.blank:
        film = replace(film, image=np.full_like(film.image, 0.5))
    # A border that a maker pads is contrast enough to hide that the field is blank.
    maker = VENDORS[0] if plan.blank else VENDORS[number % len(VENDORS)]
    dataset = dataset_of(film, maker)
    _own(dataset, wish, number)
    for keyword, value in plan.changes.items():
        setattr(dataset, keyword, value)
    path = wish.folder / f"{number + 1:03d}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    readable = not plan.refused_for
    return PhantomStudy(
        name=f"{number + 1:03d} {plan.name}",
        seed=plan.case.seed,
        maker=f"{maker.name} {maker.model}",
        study_uid=str(dataset.StudyInstanceUID),
        patient_id=str(dataset.PatientID),
        patient_name=str(dataset.PatientName),
        accession_number=str(dataset.AccessionNumber),
        images=(str(dataset.SOPInstanceUID),),
        files=(path,),
        projection=film.facts.projection,
        refused_for=str(plan.refused_for),
        priority=_priority(film, wish) if readable else Priority.ROUTINE,
        findings=_known(film) if readable else {},
        sides=_sides(film) if readable else {},
    )


def _own(dataset: FileDataset, wish: SetWish, number: int) -> None:
    """Identity of this run: nobody has seen the study, and nobody takes it for a patient."""
    key = ("commission", wish.started.isoformat(), number)
    dataset.StudyInstanceUID = result_uid(*key).text
    dataset.SeriesInstanceUID = result_uid(*key, "series").text
    dataset.SOPInstanceUID = result_uid(*key, "image").text
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientID = f"{PATIENT_PREFIX}{wish.started:%y%m%d%H%M%S}-{number + 1:03d}"
    dataset.PatientName = f"PHANTOM^COMMISSIONING {number + 1:03d}"
    dataset.AccessionNumber = f"QCC{wish.started:%m%d%H%M%S}{number + 1:03d}"
    dataset.StudyDescription = "Synthetic chest radiograph (commissioning)"
    dataset.QualityControlImage = "YES"


def _known(film: Radiograph) -> dict[str, str]:
    """What the truth leaves open (uncertain by rule) is not asked."""
    return {
        kind.value: presence.value
        for kind, presence in film.facts.presence.items()
        if presence is not Presence.UNCERTAIN
    }


def _sides(film: Radiograph) -> dict[str, str]:
    return {
        known.kind.value: known.seen_by.side.value
        for known in film.facts.kinds
        if known.seen_by.side is not None
    }


def _priority(film: Radiograph, wish: SetWish) -> Priority:
    """What the site's own policy says of the true findings and the true advice."""
    category, step = advice(film.facts)
    true = Reading(
        kind=ReadingKind.READ,
        model=wish.model,
        images=(),
        projection=film.facts.projection,
        quality={},
        abnormal=float(film.facts.abnormal),
        findings=tuple(
            Finding(
                kind=known.kind,
                presence=Presence.PRESENT,
                probability=1.0,
                threshold=0.5,
                laterality=known.seen_by.side,
                zone=known.seen_by.zone,
                severity=known.seen_by.severity,
                position=known.seen_by.position,
            )
            for known in film.facts.kinds
        ),
        advice=Advice(None if category == "none" else int(category), step),
    )
    return decide(true, wish.templates).priority
