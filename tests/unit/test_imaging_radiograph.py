"""The DX writer: conformant by dciodvfy, stable identity, refusals in domain terms."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from cxr_node.domain.errors import NotConformant
from cxr_node.imaging.radiograph import RadiographDetails, ViewPosition, build_radiograph

DETAILS = RadiographDetails(patient_id="T1", sex="F", age_years=47.0)


def ramp(bits: int = 12) -> np.ndarray:
    values = np.linspace(0, (1 << bits) - 1, 33 * 41).reshape(33, 41)
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


@pytest.mark.peers
@pytest.mark.parametrize("view", list(ViewPosition))
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("bits", "spacing"), [(8, None), (12, (0.14, 0.14)), (16, None)])
def test_dciodvfy_finds_no_error(
    tmp_path: Path,
    view: ViewPosition,
    photometric: str,
    bits: int,
    spacing: tuple[float, float] | None,
) -> None:
    assert shutil.which("dciodvfy"), "the Debian package dicom3tools is needed"
    details = replace(
        DETAILS,
        view=view,
        photometric=photometric,
        bits_stored=bits,
        spacing=spacing,
        quality_control=True,
        jpeg_ratio=7.5 if bits == 8 else 0.0,
    )
    target = tmp_path / "x.dcm"
    build_radiograph(ramp(bits), details).save_as(target, enforce_file_format=True)
    verdict = subprocess.run(["dciodvfy", "-new", target], capture_output=True, text=True)
    lines = (verdict.stdout + verdict.stderr).splitlines()
    assert [line for line in lines if "Error" in line] == []
    assert any("DXImageForPresentation" in line for line in lines)


def test_pixels_survive_and_identity_is_computed(tmp_path: Path) -> None:
    pixels = ramp()
    first = build_radiograph(pixels, replace(DETAILS, bits_stored=12))
    first.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    read = pydicom.dcmread(tmp_path / "a.dcm")
    assert np.array_equal(read.pixel_array, pixels)
    again = build_radiograph(pixels, replace(DETAILS, bits_stored=12))
    other = build_radiograph(pixels[::-1], replace(DETAILS, bits_stored=12))
    assert again.SOPInstanceUID == first.SOPInstanceUID == read.SOPInstanceUID
    assert other.SOPInstanceUID != first.SOPInstanceUID
    assert other.StudyInstanceUID != first.StudyInstanceUID
    assert read.PatientAge == "047Y"


def test_nominal_spacing_is_named() -> None:
    assert "nominal" in build_radiograph(ramp(), DETAILS).ImageComments
    assert "ImageComments" not in build_radiograph(ramp(), replace(DETAILS, spacing=(0.1, 0.1)))


@pytest.mark.parametrize(
    ("pixels", "details"),
    [
        (np.zeros((3, 3), np.float32), DETAILS),
        (np.zeros((3, 3, 3), np.uint8), DETAILS),
        (np.zeros((0, 3), np.uint8), DETAILS),
        (np.full((3, 3), 4096, np.uint16), replace(DETAILS, bits_stored=12)),
        (np.zeros((3, 3), np.uint8), replace(DETAILS, body_part="TAIL")),
        (np.zeros((3, 3), np.uint8), replace(DETAILS, photometric="RGB")),
    ],
)
def test_what_dx_cannot_hold_is_refused(pixels: np.ndarray, details: RadiographDetails) -> None:
    with pytest.raises(NotConformant):
        build_radiograph(pixels, details)
