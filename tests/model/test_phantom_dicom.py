"""Phantoms as DICOM: quality control images of made-up patients, and the two misfits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from cxr_node.domain.instance import View
from cxr_node.phantom import stored
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import make_radiograph
from cxr_node.phantom.cases import demo_cases


def test_the_stored_film_is_the_one_that_is_drawn(tmp_path: Path) -> None:
    film = make_radiograph(make_case(stored.SEED, view=View.PA, signs=()), stored.SIZE)
    kept = stored.stored_film()
    assert np.abs(kept / 255.0 - film.image).max() < 0.01
    dataset = pydicom.dcmread(stored.write_stored_film(tmp_path, "one"))
    again = pydicom.dcmread(stored.write_stored_film(tmp_path, "another"))
    assert dataset.StudyInstanceUID != again.StudyInstanceUID
    assert (dataset.QualityControlImage, dataset.ViewPosition) == ("YES", "PA")
    assert np.array_equal(dataset.pixel_array >> 4, kept)


def test_demo_set_has_six_studies_to_read_and_two_to_decline(tmp_path: Path) -> None:
    cases = demo_cases()
    assert [case.readable for case in cases] == [True] * 6 + [False] * 2
    studies = set()
    for case in cases:
        paths = case.write(tmp_path / str(case.number), size=128)
        found = {pydicom.dcmread(path, force=True).StudyInstanceUID for path in paths}
        assert len(found) == 1
        studies |= found if case.readable else set()
    assert len(studies) == 6
    assert [t.projection for t in cases[5].truths()] == ["PA", "lateral"]
    assert cases[0].truths()[0].signs == ()
    assert all(case.truths()[0].signs for case in cases[1:6])


def test_ct_is_a_ct_and_the_truncated_file_is_truncated(tmp_path: Path) -> None:
    *_, ct, cut = demo_cases()
    slice_ = pydicom.dcmread(ct.write(tmp_path)[0])
    assert slice_.SOPClassUID == pydicom.uid.CTImageStorage
    assert slice_.pixel_array.shape == (128, 128)
    short = pydicom.dcmread(cut.write(tmp_path)[0])
    with pytest.raises(ValueError, match=r"(?i)pixel data"):
        _ = short.pixel_array
