"""Every report that can be built conforms: dciodvfy finds no error in any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from cxr_node.domain.findings import FindingKind, Presence, Reading
from cxr_node.reporting.measurement_report import build_report
from cxr_node.reporting.other_class import as_comprehensive
from cxr_node.reporting.templates import load_templates
from tests.readings import MODEL, contradicted, finding, sample_reading
from tests.reports import built, reading_of, request, source_file, write
from tests.validators import dciodvfy

pytestmark = pytest.mark.peers

ABSENT = tuple(finding(kind, 0.03) for kind in FindingKind)
UNASSESSED = tuple(finding(kind, None) for kind in FindingKind)
UNSURE = tuple(replace(f, presence=Presence.UNCERTAIN) for f in ABSENT)
PRESENT = tuple(finding(kind, 0.97) for kind in FindingKind)
# The Device UID of a contributing equipment is newer than the tool's list of attributes.
KNOWN = "ContributingEquipmentSequence(0018,a001)[1]/DeviceUID(0018,1002)"

PROFILES = ("viewer", "air", "ohif-native")
READINGS: dict[str, Reading] = {
    "everything": contradicted(),
    "nothing present": sample_reading(findings=ABSENT, ratio=None, abnormal=0.02, advice=None),
    "nothing assessed": sample_reading(findings=UNASSESSED, ratio=None, abnormal=None, quality={}),
    "all uncertain": sample_reading(findings=UNSURE),
    "all present": sample_reading(findings=PRESENT),
    "empty": sample_reading(
        findings=(), ratio=None, quality={}, turns=(), impression="", findings_text="", advice=None
    ),
    "outside its use": sample_reading(outside_intended_use="image of a patient"),
    "odd text": sample_reading(
        impression="\x1b\u202eab\\c=d^e \ud800 北京 " * 200,
        model=replace(MODEL, name="n\\o" * 40, statement="", intended_use="", manufacturer=""),
    ),
}
SOURCES: dict[str, dict[str, Any]] = {
    "CR": {"modality": "CR"},
    "sparse": {"ImagerPixelSpacing": None, "PatientOrientation": None, "ImageLaterality": None},
    "anonymous": dict.fromkeys(("PatientName", "PatientID", "PatientSex", "StudyDate", "StudyID")),
    "latin": {"PatientName": "Müller^Jürgen", "SpecificCharacterSet": "ISO_IR 100"},
    "japanese": {
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
    },
    "zone": {"TimezoneOffsetFromUTC": "-0330"},
}
SLOPPY = {
    "PatientAge": "81",
    "PatientSex": "W",
    "PatientBirthDate": "1970",
    "StudyTime": "25:00",
    "PatientWeight": "heavy",
    "StudyDescription": "x" * 70,
    "IssuerOfPatientID": "y" * 70,
}


def check(path: Path) -> None:
    errors, warnings = dciodvfy(path)
    assert errors == []
    assert [line for line in warnings if KNOWN not in line] == []


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", READINGS)
def test_every_kind_of_reading_gives_a_valid_report_in_every_shape(
    name: str, profile: str, tmp_path: Path
) -> None:
    check(write(built(tmp_path, READINGS[name], sr_profile=profile), tmp_path))


@pytest.mark.parametrize("profile", PROFILES)
def test_the_same_report_in_the_older_class_is_valid(profile: str, tmp_path: Path) -> None:
    first = write(built(tmp_path, contradicted(), sr_profile=profile), tmp_path)
    other = as_comprehensive(dcmread(first), lambda uid: False)
    assert other is not None
    check(write(other, tmp_path, "older.dcm"))


def test_a_german_report_is_valid(tmp_path: Path) -> None:
    german = load_templates(language="de")
    check(write(built(tmp_path, contradicted(), templates=german), tmp_path))


def test_both_classes_are_valid_with_a_predecessor(tmp_path: Path) -> None:
    first = write(built(tmp_path), tmp_path, "first.dcm")
    second = built(tmp_path, revision=2, predecessor=first, sr_class="comprehensive")
    check(write(second, tmp_path))


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_source_gives_a_valid_report(name: str, tmp_path: Path) -> None:
    path = source_file(tmp_path, **SOURCES[name])
    check(write(build_report(request(path)), tmp_path))


def test_a_sloppy_source_does_not_pass_on_its_mistakes(tmp_path: Path) -> None:
    path = source_file(tmp_path)
    ds = dcmread(path)
    for keyword, value in SLOPPY.items():
        ds.add_new(keyword, "LT", value)
    ds.save_as(path)
    check(write(build_report(request(path)), tmp_path))


def _radiographs(folder: Path) -> Iterator[Path]:
    for name in ("cxr", "charset", "parity"):
        yield from sorted(p for p in (folder / "dicom" / name).iterdir() if p.is_file())


@pytest.mark.real_data
def test_real_sources_give_valid_reports_under_their_patients_name(
    test_data: Path, tmp_path: Path
) -> None:
    checked = 0
    for path in _radiographs(test_data):
        source = dcmread(path, stop_before_pixels=True, force=True)
        report = build_report(request(path, reading_of(source)))
        errors, _ = dciodvfy(write(report, tmp_path))
        assert errors == [], path.name
        again = dcmread(tmp_path / "report.dcm")
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyID"):
            before, after = source.get_item(keyword), again.get_item(keyword)
            assert after is not None
            assert (after.value or b"") == ((before.value if before else b"") or b""), path.name
        checked += 1
    assert checked >= 20
