"""phantom-2 as DICOM: conformance, and the node's own pipeline shows the drawn picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from cxr_node.config import ImagingSection
from cxr_node.dicom.contexts import IMAGE_SYNTAXES
from cxr_node.dicom.headers import read_facts
from cxr_node.domain.eligibility import EligibilityPolicy, Eligible, assess
from cxr_node.domain.instance import View
from cxr_node.domain.ports import ImagePolicy, SizePolicy
from cxr_node.imaging.reader import PixelReader
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import dataset_of, write_film
from cxr_node.phantom.batched.make import Radiograph, make_radiograph
from cxr_node.phantom.batched.vendors import VENDORS, Vendor, vendor_of
from tests.peers import require
from tests.validators import run


@pytest.fixture(scope="module")
def film() -> Radiograph:
    case = next(
        c
        for c in (make_case(seed, view=View.PA, signs=()) for seed in range(100))
        if min(c.exposure.collimation[:2]) > 0
    )
    return make_radiograph(case, 300)


def _name(vendor: Vendor) -> str:
    return vendor.model.replace(" ", "")


@pytest.mark.parametrize("vendor", VENDORS, ids=_name)
def test_the_nodes_pipeline_shows_the_drawn_picture(
    vendor: Vendor, film: Radiograph, tmp_path: Path
) -> None:
    path = write_film(film, tmp_path, vendor)
    facts = read_facts(path)
    reader = PixelReader(ImagingSection())
    try:
        reader.inspect(path, facts.pixels)
        policy = ImagePolicy(SizePolicy.STRETCH, side=film.size)
        prepared = reader.prepare(path, facts.sop_instance_uid, policy)
    finally:
        reader.close()
    shown = np.frombuffer(prepared.gray, np.uint8).reshape(film.size, film.size)
    assert float(np.abs(shown / 255 - film.image).max()) < 1.1 / 255


@pytest.mark.parametrize("vendor", VENDORS, ids=_name)
def test_header_says_what_it_is(vendor: Vendor, film: Radiograph, tmp_path: Path) -> None:
    path = write_film(film, tmp_path, vendor)
    facts = read_facts(path)
    dataset = pydicom.dcmread(path)
    assert facts.quality_control and facts.view is View.PA and facts.body_part == "CHEST"
    assert isinstance(assess(facts, EligibilityPolicy()), Eligible)
    assert dataset.file_meta.TransferSyntaxUID == vendor.syntax
    assert vendor.syntax in IMAGE_SYNTAXES
    assert (dataset.Modality, dataset.BitsStored) == (vendor.modality, vendor.bits)
    assert ("PixelPaddingValue" in dataset) == vendor.padding
    assert ("VOILUTSequence" in dataset) == vendor.lut
    assert ("WindowWidth" in dataset) != vendor.lut


@pytest.mark.peers
@pytest.mark.parametrize("vendor", VENDORS, ids=_name)
def test_files_conform(vendor: Vendor, film: Radiograph, tmp_path: Path) -> None:
    path = write_film(film, tmp_path, vendor)
    lines = run(require("dciodvfy", "dicom3tools"), "-new", str(path)).splitlines()
    assert [line for line in lines if line.startswith("Error")] == []
    noise = "needed to build DICOMDIR"
    assert [x for x in lines if x.startswith("Warning") and noise not in x] == []


def test_same_film_has_the_same_uids(film: Radiograph) -> None:
    first, again = dataset_of(film), dataset_of(film)
    assert first.SOPInstanceUID == again.SOPInstanceUID
    other = make_radiograph(make_case(film.case.seed, view=View.AP, signs=()), 96)
    assert dataset_of(other).SOPInstanceUID != first.SOPInstanceUID


def test_every_maker_is_met() -> None:
    assert {vendor_of(seed).model for seed in range(200)} == {v.model for v in VENDORS}
    assert {v.photometric for v in VENDORS} == {"MONOCHROME1", "MONOCHROME2"}
    assert {v.bits for v in VENDORS} >= {10, 12, 14, 16}
