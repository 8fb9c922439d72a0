"""Patient and study values: identifying ones byte for byte, others only where they conform."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from cxr_node.reporting.measurement_report import build_report
from cxr_node.reporting.object_file import encode
from cxr_node.reporting.patient_study import character_sets, read_header
from tests.reports import coded, items_below, request, source_file, text_of


def carried(folder: Path, **tags: Any) -> Dataset:
    return dcmread(BytesIO(encode(build_report(request(source_file(folder, **tags))))))


def raw(ds: Dataset, keyword: str) -> bytes:
    element = ds.get_item(keyword)
    assert element is not None
    value = element.value
    assert isinstance(value, bytes)
    return value


def item(**values: str) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("Müller^Jürgen", ["ISO_IR 100"]),
        ("Διονυσιος", ["ISO_IR 126"]),
        ("Wang^XiaoDong=王^小东", ["GB18030"]),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"]),
        ("Łukasz^Żółw", ["ISO_IR 101"]),
        ("محمد^علي", ["ISO_IR 192"]),
        ("قباني^لنزار", ["ISO_IR 127"]),
        ("Люксембург^Роза", ["ISO_IR 144"]),
        ("שרון^דבורה", ["ISO_IR 138"]),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", ["ISO 2022 IR 13", "ISO 2022 IR 87"]),
        ("Hong^Gildong=洪^吉洞=홍^길동", ["", "ISO 2022 IR 149"]),
    ],
)
def test_names_keep_their_bytes_and_character_set(
    tmp_path: Path, name: str, sets: list[str]
) -> None:
    path = source_file(tmp_path, PatientName=name, SpecificCharacterSet=sets)
    report = dcmread(BytesIO(encode(build_report(request(path)))))
    source = dcmread(path)
    assert raw(report, "PatientName") == raw(source, "PatientName")
    assert str(report.PatientName) == name
    declared = report.SpecificCharacterSet
    assert ([declared] if isinstance(declared, str) else list(declared)) == sets
    assert "right pneumothorax" in text_of(report, "Conclusion")


def test_plain_values_let_the_result_speak_unicode(tmp_path: Path) -> None:
    for declared in ("ISO_IR 100", None):
        header = read_header(source_file(tmp_path, SpecificCharacterSet=declared))
        assert character_sets(header) == ("ISO_IR 192",)
    odd = read_header(source_file(tmp_path, SpecificCharacterSet="ISO_IR 13", StudyID="a~b"))
    assert character_sets(odd) == ("ISO_IR 13",)


def test_bytes_beyond_their_undeclared_set_are_kept_as_they_are(tmp_path: Path) -> None:
    path = source_file(tmp_path, PatientName="Muller^X", SpecificCharacterSet=None)
    path.write_bytes(path.read_bytes().replace(b"Muller^X", b"M\xfcller^X"))
    report = dcmread(BytesIO(encode(build_report(request(path)))))
    assert raw(report, "PatientName") == b"M\xfcller^X"
    assert "SpecificCharacterSet" not in report


def test_identifiers_and_issuer_are_carried(tmp_path: Path) -> None:
    issuer = item(UniversalEntityID="1.2.3", UniversalEntityIDType="ISO")
    report = carried(
        tmp_path,
        PatientID="  007 ",
        IssuerOfPatientID="HOSPITAL",
        IssuerOfPatientIDQualifiersSequence=Sequence([issuer]),
        IssuerOfAccessionNumberSequence=Sequence([item(LocalNamespaceEntityID="RIS")]),
        AccessionNumber="ACC 42",
    )
    assert raw(report, "PatientID").strip(b" ") == b"007"
    assert report.IssuerOfPatientID == "HOSPITAL"
    assert report.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "1.2.3"
    assert report.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "RIS"
    assert report.AccessionNumber == "ACC 42"
    assert (report.PatientAge, report.StudyDescription) == ("045Y", "Chest radiograph")


def test_an_implicit_source_is_carried_as_well(tmp_path: Path) -> None:
    issuer = item(UniversalEntityID="1.2.3", UniversalEntityIDType="ISO")
    report = carried(
        tmp_path,
        transfer_syntax=ImplicitVRLittleEndian,
        IssuerOfPatientIDQualifiersSequence=Sequence([issuer]),
    )
    assert report.PatientName == "DOE^JANE"
    assert report.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityIDType == "ISO"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientAge", "81"),
        ("PatientSex", "W"),
        ("PatientBirthDate", "1970"),
        ("StudyDate", "2026-01-02"),
        ("StudyTime", "25:00"),
        ("PatientWeight", "heavy"),
        ("TimezoneOffsetFromUTC", "CET"),
        ("StudyDescription", "x" * 65),
    ],
)
def test_values_that_break_the_standard_are_left_out(
    tmp_path: Path, keyword: str, value: str
) -> None:
    path = source_file(tmp_path)
    ds = dcmread(path)
    ds.add_new(keyword, "LO", value)
    ds.save_as(path)
    report = dcmread(BytesIO(encode(build_report(request(path)))))
    assert not report.get(keyword)


def test_missing_values_become_empty_ones_where_they_must_be_there(tmp_path: Path) -> None:
    keywords = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID")
    more = ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")
    report = carried(tmp_path, **dict.fromkeys((*keywords, *more)))
    assert all(keyword in report and not report[keyword].value for keyword in (*keywords, *more))


def test_the_studys_own_procedure_code_is_reported(tmp_path: Path) -> None:
    good = item(CodeValue="36643-5", CodingSchemeDesignator="LN", CodeMeaning="Chest X-ray 2 views")
    broken = item(CodeValue="XR", CodeMeaning="Chest")
    path = source_file(tmp_path, ProcedureCodeSequence=Sequence([good, broken]))
    (reported,) = items_below(build_report(request(path)), "Procedure reported")
    assert coded(reported) == "Chest X-ray 2 views"
    (usual,) = items_below(build_report(request(source_file(tmp_path))), "Procedure reported")
    assert coded(usual) == "Plain chest X-ray"
