"""One phantom kept in the package, for hosts without torch: nothing is drawn to send it.

``film.npz`` is seed ``SEED`` of phantom-2, a normal PA view at 512 pixels; a test draws it again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.identifiers import result_uid
from cxr_node.imaging.radiograph import RadiographDetails, ViewPosition, build_radiograph

SEED, SIZE = 50_000_001, 512
FILM = Path(__file__).with_name("film.npz")
_FIELD_MM = 400.0
_DEPTH = 8
_BITS = 12


def stored_film() -> NDArray[np.uint8]:
    """(512, 512), bones bright."""
    with np.load(FILM, allow_pickle=False) as stored:
        image: NDArray[np.uint8] = stored["image"]
        return image


def write_stored_film(folder: Path, study: str) -> Path:
    """The film as a DX file of a study of its own, named by any text ``study``."""
    key = ("stored film", study)
    spacing = _FIELD_MM / SIZE
    details = RadiographDetails(
        patient_id="QC-9000",
        patient_name="PHANTOM^CASE 9000",
        sex="O",
        age_years=50.0,
        view=ViewPosition.PA,
        study_uid=result_uid(*key).text,
        series_uid=result_uid(*key, "series").text,
        instance_uid=result_uid(*key, "image").text,
        accession_number="QC9000",
        study_description="Synthetic chest radiograph",
        acquired_at=datetime(2026, 1, 5, 8, 0, tzinfo=UTC),
        bits_stored=_BITS,
        window=(2047.5, 4095.0),
        spacing=(spacing, spacing),
        quality_control=True,
        model_name="phantom",
        station_name="PHANTOM",
    )
    pixels = (stored_film().astype(np.uint16) * (1 << (_BITS - _DEPTH))).astype(np.uint16)
    dataset = build_radiograph(pixels, details)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path
