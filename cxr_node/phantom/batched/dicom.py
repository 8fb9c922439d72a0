"""Phantoms as DX and CR files in the habits of several makers, marked as quality control."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.instance import View
from cxr_node.imaging.radiograph import RadiographDetails, ViewPosition, build_radiograph
from cxr_node.phantom.batched.finish import edges
from cxr_node.phantom.batched.make import Radiograph
from cxr_node.phantom.batched.vendors import Vendor, describe_grey, stored, vendor_of

_POSITIONS = {View.PA: ViewPosition.PA, View.AP: ViewPosition.AP, View.LATERAL: ViewPosition.LL}
_FIRST_DAY = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_PRIOR_DAYS = 40
_ONLY_DX = (
    "PresentationIntentType",
    "AnatomicRegionSequence",
    "ImageLaterality",
    "ViewCodeSequence",
    "AcquisitionContextSequence",
    "DetectorType",
    "PositionerType",
    "PixelIntensityRelationship",
    "PixelIntensityRelationshipSign",
    "PresentationLUTShape",
)
"""Of the DX modules; a CR image (PS3.3 A.2) has none of them."""


def dataset_of(film: Radiograph, vendor: Vendor | None = None) -> FileDataset:
    """The film as its maker writes it. The same film has the same UIDs every time.

    A film other than the first of its seed is the prior study of the same patient.
    """
    maker = vendor or vendor_of(film.case.seed)
    lit = np.zeros(film.image.shape, dtype=np.bool_)
    left, top, right, bottom = edges(film.case, film.size)
    lit[top:bottom, left:right] = True
    pixels = stored(film.image, lit, maker)
    dataset = build_radiograph(pixels, _details(film, maker))
    describe_grey(dataset, maker)
    if maker.modality == "CR":
        _as_cr(dataset)
    if maker.syntax == ImplicitVRLittleEndian:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    elif maker.syntax != ExplicitVRLittleEndian:
        dataset.compress(maker.syntax, generate_instance_uid=False)
    return dataset


def write_film(film: Radiograph, folder: Path, vendor: Vendor | None = None) -> Path:
    """Write the film into ``folder`` (made if missing); the file is named by its UID."""
    dataset = dataset_of(film, vendor)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _details(film: Radiograph, vendor: Vendor) -> RadiographDetails:
    case, patient = film.case, film.case.patient
    key = ("phantom-2", case.level.value, case.seed, case.take)
    signs = "+".join(f"{p.sign}:{p.severity}:{p.position}" for p in case.plans)
    spacing = 10 * case.exposure.field / film.size
    taken = _FIRST_DAY + timedelta(hours=case.seed % 8000)
    return RadiographDetails(
        patient_id=f"QC2-{case.seed:08d}",
        patient_name=f"PHANTOM^CASE {case.seed}",
        sex=patient.sex,
        age_years=float(patient.age),
        view=_POSITIONS[case.view],
        study_uid=result_uid(*key).text,
        series_uid=result_uid(*key, "series", case.view.value).text,
        instance_uid=result_uid(
            *key, "image", film.size, case.view.value, signs, vendor.model
        ).text,
        accession_number=f"Q{case.take}{case.seed:010d}",
        study_description="Synthetic chest radiograph",
        acquired_at=taken - timedelta(days=_PRIOR_DAYS) if case.take else taken,
        bits_stored=vendor.bits,
        photometric=vendor.photometric,
        spacing=(spacing, spacing),
        quality_control=True,
        manufacturer=vendor.name,
        model_name=vendor.model,
        station_name="PHANTOM",
    )


def _as_cr(dataset: FileDataset) -> None:
    for keyword in _ONLY_DX:
        if keyword in dataset:
            del dataset[keyword]
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.Modality = "CR"
