"""Every object beside the report conforms: dciodvfy finds no error in any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from cxr_node.domain.results import ResultKind
from cxr_node.reporting.companions import companions
from cxr_node.reporting.measurement_report import ReportRequest
from tests.page_examples import many_findings, picture_of
from tests.readings import contradicted, sample_image, sample_reading
from tests.reports import request, source_file, write
from tests.unit.test_reporting_companions import MASKS, PICTURES
from tests.validators import dciodvfy

pytestmark = pytest.mark.peers

IODS = {
    ResultKind.PAGE: "SCImage",
    ResultKind.PDF: "EncapsulatedPDF",
    ResultKind.KEY_OBJECT: "KeyObjectSelectionDocument",
    ResultKind.PRESENTATION_STATE: "GrayscaleSoftcopyPresentationState",
    ResultKind.SEGMENTATION: "Segmentation",
}
# The Device UID of a contributing equipment is newer than the tool's list of attributes; an
# empty laterality is asked for where the body part is not said, and then warned of.
KNOWN = (
    "ContributingEquipmentSequence(0018,a001)[1]/DeviceUID(0018,1002)",
    "Laterality(0020,0060)",
)
SOURCES: dict[str, dict[str, Any]] = {
    "plain": {},
    "CR": {"modality": "CR"},
    "sparse": {"ImagerPixelSpacing": None, "PatientOrientation": None, "ImageLaterality": None},
    "unequal": {"ImagerPixelSpacing": ["0.35", "0.2"]},
    "anonymous": dict.fromkeys(("PatientName", "PatientID", "PatientSex", "StudyDate", "StudyID")),
    "japanese": {
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
    },
    "inverse": {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    "no window": {"WindowCenter": None, "WindowWidth": None},
}


def check(folder: Path, asked: ReportRequest, **more: Any) -> None:
    given: dict[str, Any] = {"pictures": PICTURES, "masks": MASKS, **more}
    made = companions(asked, tuple(ResultKind), **given)
    assert {kind for kind, _ in made} == set(ResultKind)
    for kind, dataset in made:
        errors, warnings = dciodvfy(write(dataset, folder, f"{kind}.dcm"), IODS[kind])
        assert errors == [], kind
        assert [w for w in warnings if not any(known in w for known in KNOWN)] == [], kind


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_source_gives_valid_objects(name: str, tmp_path: Path) -> None:
    check(tmp_path, request(source_file(tmp_path, **SOURCES[name])))


def test_twenty_findings_and_contradictions_give_valid_objects(tmp_path: Path) -> None:
    source = source_file(tmp_path)
    check(tmp_path, request(source, sample_reading(findings=many_findings(20, sample_image()))))
    check(tmp_path, request(source, contradicted()), pictures=())


def test_look_up_tables_are_repeated_as_they_should_be(tmp_path: Path) -> None:
    path = source_file(tmp_path)
    ds = dcmread(path)
    ds.VOILUTSequence = [_table(12)]
    ds.ModalityLUTSequence = [_table(16)]
    ds.ModalityLUTSequence[0].ModalityLUTType = "US"
    for keyword in ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"):
        ds.pop(keyword, None)
    ds.save_as(path)
    check(tmp_path, request(path), pictures=(picture_of(sample_image()),))


def _table(bits: int) -> Dataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, bits])
    ramp = np.linspace(0, 2**bits - 1, 4096).astype("<u2")
    table.add_new("LUTData", "OW", ramp.tobytes())
    return table
