"""Objects are written sooner than by the library, and to the very same bytes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, dcmwrite

from cxr_node.domain.results import ResultKind
from cxr_node.reporting.companions import companions
from cxr_node.reporting.measurement_report import build_report
from cxr_node.reporting.object_file import encode
from tests.page_examples import picture_of
from tests.readings import contradicted, sample_image
from tests.reports import request, source_file
from tests.unit.test_reporting_companions import MASKS

SETS = [
    ("ISO_IR 192", "Ζωή^山田"),
    ("ISO_IR 100", "Müller^Jörg"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (None, "Plain^Name"),
]


def by_library(made: Dataset) -> bytes:
    """What pydicom itself writes."""
    stream = BytesIO()
    dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("profile", ["viewer", "air", "ohif-native"])
@pytest.mark.parametrize(("sets", "name"), SETS, ids=["utf-8", "latin-1", "japanese", "none"])
def test_a_report_is_written_as_the_library_writes_it(
    sets: str | list[str] | None, name: str, profile: str, tmp_path: Path
) -> None:
    path = source_file(tmp_path, SpecificCharacterSet=sets, PatientName=name)
    report = build_report(request(path, contradicted(), sr_profile=profile))
    written = encode(report)
    assert written == by_library(report)
    again = dcmread(BytesIO(written))
    assert encode(again) == by_library(again) == written


def test_so_are_the_objects_beside_it(tmp_path: Path) -> None:
    made = companions(
        request(source_file(tmp_path)), tuple(ResultKind), (picture_of(sample_image()),), MASKS
    )
    assert len(made) == len(ResultKind)
    for _, found in made:
        assert encode(found) == by_library(found)


def test_so_is_whatever_else_stands_in_a_sequence(tmp_path: Path) -> None:
    """Values of several parts, numbers, empty ones, and a text too long for its form."""
    report = build_report(request(source_file(tmp_path)))
    odd = Dataset()
    odd.SoftwareVersions = ["one", "two and a half"]
    odd.Rows, odd.NumericValue, odd.GraphicData = 7, "1.5", [0.5, 1.5]
    odd.PersonName, odd.TextValue, odd.CodeMeaning = "Ä^Ö", "", "ß" * 40_000
    odd.ReferencedSOPInstanceUID, odd.CodeValue = "1.2.3", None
    report.ContentSequence.append(odd)
    report.ContentSequence.append(odd)
    with pytest.warns(UserWarning, match="64 kByte"):
        expected = by_library(report)
    with pytest.warns(UserWarning, match="64 kByte"):
        assert encode(report) == expected
