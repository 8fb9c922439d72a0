"""Phantoms as DX files, marked as quality control images of made-up patients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset

from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.instance import View
from cxr_node.imaging.radiograph import RadiographDetails, ViewPosition, build_radiograph
from cxr_node.phantom.truth import Phantom

_POSITIONS = {View.PA: ViewPosition.PA, View.AP: ViewPosition.AP, View.LATERAL: ViewPosition.LL}
_BITS = 12
_WHITE = 3600
_FIELD_MM = 400.0
_FIRST_DAY = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def phantom_dataset(
    phantom: Phantom, *, case: int, study: str = "", number: int = 1, accession: str = ""
) -> FileDataset:
    """The phantom as a 12-bit DX image of the patient PHANTOM^CASE ``case``.

    ``study`` is any text that tells one study from another (default: one per case);
    ``number`` is the image's number in it. The same arguments give the same UIDs.
    """
    key = ("phantom", case, study or "1")
    stored = (phantom.image * _WHITE + 80).astype(np.uint16)
    spacing = _FIELD_MM / phantom.size
    details = RadiographDetails(
        patient_id=f"QC-{case:04d}",
        patient_name=f"PHANTOM^CASE {case:03d}",
        sex="FMO"[case % 3],
        age_years=30.0 + (case * 7) % 55,
        view=_POSITIONS[phantom.view],
        study_uid=result_uid(*key).text,
        series_uid=result_uid(*key, "series", number).text,
        instance_uid=result_uid(*key, "image", number, phantom.seed, phantom.size).text,
        instance_number=number,
        accession_number=accession or f"QC{case:06d}",
        study_description="Synthetic chest radiograph",
        acquired_at=_FIRST_DAY + timedelta(hours=case),
        bits_stored=_BITS,
        window=(80 + _WHITE / 2, float(_WHITE)),
        spacing=(spacing, spacing),
        quality_control=True,
        model_name="phantom",
        station_name="PHANTOM",
    )
    return build_radiograph(stored, details)


def write_phantom(
    phantom: Phantom,
    folder: Path,
    *,
    case: int,
    study: str = "",
    number: int = 1,
    accession: str = "",
) -> Path:
    """Write the phantom into ``folder`` (made if missing); the file is named by its UID."""
    dataset = phantom_dataset(phantom, case=case, study=study, number=number, accession=accession)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path
