"""What a report does with images and answers that lack something or hold too much."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from cxr_node.domain.findings import FindingKind, PriorStudy
from cxr_node.domain.identifiers import Uid
from cxr_node.reporting.measurement_report import build_report
from cxr_node.reporting.object_file import encode
from cxr_node.reporting.pixel_spacing import pixel_spacing
from cxr_node.reporting.text import LONGEST_TEXT
from tests.readings import IMAGE, box, contradicted, finding, sample_image, sample_reading
from tests.reports import built, coded, items_below, request, source_file, text_of, write

LENGTHS = ("Transverse diameter of the heart", "Transverse diameter of the thorax")
GEOMETRY = ("Patient Orientation Row", "Patient Orientation Column", "Horizontal Pixel Spacing")


def number(report: Dataset, meaning: str) -> float:
    """Value of the one NUM item of that name."""
    (item,) = items_below(report, meaning)
    return float(item.MeasuredValueSequence[0].NumericValue)


def about(folder: Path, **tags: Any) -> Dataset:
    """The sample report about an image with these attributes."""
    return build_report(request(source_file(folder, **tags)))


@pytest.mark.parametrize("profile", ["viewer", "air", "ohif-native"])
def test_an_image_that_lacks_everything_optional_has_a_report(profile: str, tmp_path: Path) -> None:
    bare = dict.fromkeys(("ImageLaterality", "PatientOrientation", "ImagerPixelSpacing"))
    report = build_report(request(source_file(tmp_path, **bare), sr_profile=profile))
    assert number(report, "Pixel Data Rows") == 512
    assert number(report, "Cardiothoracic ratio") == pytest.approx(0.54)
    for meaning in (*LENGTHS, *GEOMETRY):
        assert items_below(report, meaning) == []


def test_lengths_come_with_a_spacing_and_say_where_they_hold(tmp_path: Path) -> None:
    at_detector = about(tmp_path, ImagerPixelSpacing=[0.4, 0.2])
    assert [number(at_detector, name) for name in LENGTHS] == [32.4, 60.0]
    assert number(at_detector, "Horizontal Pixel Spacing") == 0.2
    notes = [item.TextValue for item in items_below(at_detector, "Algorithm Parameters")]
    assert "lengths at the detector, not corrected for magnification" in notes
    corrected = about(tmp_path, ImagerPixelSpacing=[0.4, 0.4], PixelSpacing=[0.3, 0.3])
    assert [number(corrected, name) for name in LENGTHS] == [48.6, 90.0]
    notes = [item.TextValue for item in items_below(corrected, "Algorithm Parameters")]
    assert "lengths by Pixel Spacing" in notes


@pytest.mark.parametrize(
    "odd", ["0\\0", "0.2", "-1\\1", "nan\\nan", "inf\\1", "x\\y", "", "0.2\\0.2\\0.2", "400\\400"]
)
def test_a_spacing_that_cannot_be_true_gives_no_lengths(odd: str, tmp_path: Path) -> None:
    path = source_file(tmp_path)
    ds = dcmread(path)
    ds.add_new("ImagerPixelSpacing", "LO", odd)
    ds.save_as(path)
    assert pixel_spacing(dcmread(path)) is None
    report = build_report(request(path))
    assert items_below(report, LENGTHS[0]) == []
    assert number(report, "Cardiothoracic ratio") == pytest.approx(0.54)


@pytest.mark.parametrize("odd", ["L", "?\\!", "L\\F\\H", "L\\"])
def test_an_orientation_that_means_nothing_is_left_out(odd: str, tmp_path: Path) -> None:
    path = source_file(tmp_path)
    ds = dcmread(path)
    ds.add_new("PatientOrientation", "LO", odd)
    ds.save_as(path)
    report = build_report(request(path))
    assert items_below(report, "Patient Orientation Row") == []


def test_two_images_of_different_size_keep_their_own_boxes(tmp_path: Path) -> None:
    other = Uid(f"{IMAGE}.2")
    second = sample_image(sop_instance_uid=other, rows=100, columns=90, view="LL")
    found = (
        finding(FindingKind.EDEMA, 0.9, box=box(300, 400, 390, 500)),
        finding(FindingKind.FRACTURE, 0.9, box=box(10, 20, 300, 400, other)),
    )
    reading = sample_reading(images=(sample_image(), second), findings=found, ratio=None)
    paths = (source_file(tmp_path / "a"), source_file(tmp_path / "b", instance_uid=other.text))
    report = build_report(request(paths[0], reading, sources=paths))
    sizes = {
        entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID: number(entry, "Pixel Data Rows")
        for entry in items_below(items_below(report, "Image Library")[0], "Source")
    }
    assert sizes == {IMAGE.text: 512, other.text: 100}
    corners = [max(item.GraphicData[0::2]) for item in items_below(report, "Image Region")]
    assert corners == [390, 90], "clipped to its own image"


def test_the_prior_is_named_even_where_its_file_is_gone(tmp_path: Path) -> None:
    report = built(tmp_path, contradicted())
    (change,) = items_below(report, "Qualitative Difference")
    assert coded(change) == "New since the prior study"
    (image,) = change.ContentSequence
    uid = image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    (study,) = report.PertinentOtherEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert [ref.ReferencedSOPInstanceUID for ref in series.ReferencedSOPSequence] == [uid]
    assert str(items_below(report, "Study Date")[0].Date) == "20250301"
    (own,) = report.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID != own.StudyInstanceUID == report.StudyInstanceUID


@pytest.mark.parametrize("date", ["", "20251350", "soon", "2025"])
def test_a_prior_without_a_usable_date_has_none(date: str, tmp_path: Path) -> None:
    prior = PriorStudy(Uid("1.2.9"), sample_image(sop_instance_uid=Uid("1.2.9.1")), date)
    report = built(tmp_path, sample_reading(prior=prior))
    assert items_below(report, "Study Date") == []
    assert len(items_below(report, "Qualitative Difference")) == 1


def test_a_change_without_a_prior_is_not_coded(tmp_path: Path) -> None:
    """The model may answer stage 5 although nothing was there to compare with."""
    report = built(tmp_path, sample_reading(prior=None))
    assert items_below(report, "Qualitative Difference") == []
    assert "PertinentOtherEvidenceSequence" not in report


def test_a_megabyte_of_generated_text_is_cut_and_marked(tmp_path: Path) -> None:
    flood = "pneumothorax \x00" * 80_000
    assert len(flood) > 1_000_000
    reading = contradicted(
        impression=flood,
        findings_text=flood,
        trend=flood,
        relations=(flood,),
        changes=(flood,),
        warnings=(flood,),
    )
    began = process_time()
    report = built(tmp_path, reading)
    assert process_time() - began < 10
    assert len(encode(report)) < 200_000
    assert len(text_of(report, "Conclusion")) <= LONGEST_TEXT
    assert text_of(report, "Warning about this reading").endswith("...")


def test_control_and_bidirectional_characters_never_arrive(tmp_path: Path) -> None:
    hostile = "left\u202e thgir\u202c \x1b[31m\x07 \u200b\u2066 \r\nStage 9: all normal"
    found = tuple(
        replace(f, description=hostile) if f.present else f for f in contradicted().findings
    )
    reading = contradicted(
        impression=hostile,
        relations=(hostile,),
        warnings=(hostile,),
        outside_intended_use=hostile,
        findings=found,
    )
    again = dcmread(write(built(tmp_path, reading), tmp_path))
    for element in again.iterall():
        if element.VR in ("UT", "LO", "SH", "ST", "LT"):
            text = str(element.value).replace("\r\n", "")
            assert not {unicodedata.category(c) for c in text} & {"Cc", "Cf", "Cs", "Co"}, element
    lines = text_of(again, "Stage 8: report").split("\r\n")
    assert not any(line.startswith("Stage 9") for line in lines)


def test_generated_text_reaches_no_code_and_no_identifier(tmp_path: Path) -> None:
    evil = "zzevil"
    turns = tuple(replace(t, answer=evil, raw=evil) for t in contradicted().turns)
    reading = contradicted(
        turns=turns,
        impression=evil,
        findings_text=evil,
        trend=evil,
        relations=(evil,),
        changes=(evil,),
        quality={evil: evil},
        projection=evil,
    )
    report = built(tmp_path, reading)
    said = [e for e in report.iterall() if e.VR != "SQ" and evil in str(e.value)]
    assert said, "it is in the texts"
    assert {element.keyword for element in said} == {"TextValue"}
