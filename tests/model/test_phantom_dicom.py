"""Phantoms as DICOM: quality control images of made-up patients, and the two misfits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from cxr_node.domain.instance import View
from cxr_node.phantom import make_phantom
from cxr_node.phantom.cases import demo_cases
from cxr_node.phantom.dicom import write_phantom


def test_written_phantom_says_that_it_is_one(tmp_path: Path) -> None:
    phantom = make_phantom(7, size=256, view=View.AP)
    dataset = pydicom.dcmread(write_phantom(phantom, tmp_path, case=3))
    assert dataset.PatientID == "QC-0003"
    assert dataset.PatientName == "PHANTOM^CASE 003"
    assert dataset.QualityControlImage == "YES"
    assert (dataset.Modality, dataset.ViewPosition) == ("DX", "AP")
    assert (dataset.BitsStored, dataset.PhotometricInterpretation) == (12, "MONOCHROME2")
    low = dataset.WindowCenter - dataset.WindowWidth / 2
    shown = (dataset.pixel_array - low) / dataset.WindowWidth
    assert float(np.abs(shown - phantom.image).max()) < 0.001


def test_same_phantom_has_the_same_uids(tmp_path: Path) -> None:
    phantom = make_phantom(7, size=64)
    first = write_phantom(phantom, tmp_path / "a", case=3)
    again = write_phantom(phantom, tmp_path / "b", case=3)
    other = write_phantom(phantom, tmp_path / "c", case=3, study="second")
    assert first.read_bytes() == again.read_bytes()
    assert pydicom.dcmread(first).StudyInstanceUID != pydicom.dcmread(other).StudyInstanceUID


def test_demo_set_has_six_studies_to_read_and_two_to_decline(tmp_path: Path) -> None:
    cases = demo_cases()
    assert [case.readable for case in cases] == [True] * 6 + [False] * 2
    studies = set()
    for case in cases:
        paths = case.write(tmp_path / str(case.number), size=128)
        for path in paths[: 1 if case.readable else 0]:
            studies.add(pydicom.dcmread(path).StudyInstanceUID)
    assert len(studies) == 6
    assert [str(t.projection) for t in cases[5].truths()] == ["PA", "LATERAL"]
    assert cases[0].truths()[0].findings == ()


def test_ct_is_a_ct_and_the_truncated_file_is_truncated(tmp_path: Path) -> None:
    *_, ct, cut = demo_cases()
    slice_ = pydicom.dcmread(ct.write(tmp_path)[0])
    assert slice_.SOPClassUID == pydicom.uid.CTImageStorage
    assert slice_.pixel_array.shape == (128, 128)
    short = pydicom.dcmread(cut.write(tmp_path)[0])
    with pytest.raises(ValueError, match=r"(?i)pixel data"):
        _ = short.pixel_array
