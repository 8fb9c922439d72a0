"""The Structured Report: its tree, its identity, and what it does with odd readings."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from highdicom.sr import srread
from pydicom import Dataset, dcmread

from cxr_node.domain.errors import NotConformant
from cxr_node.domain.findings import FindingKind, Presence, Zone
from cxr_node.domain.priority import Priority
from cxr_node.reporting.measurement_report import build_report
from cxr_node.reporting.object_file import encode
from tests.readings import IMAGE, MODEL, box, finding, sample_image, sample_reading
from tests.reports import (
    BUILT_AT,
    built,
    coded,
    items_below,
    request,
    source_file,
    templates,
    text_of,
    write,
)


def test_the_same_request_gives_the_same_bytes(tmp_path: Path) -> None:
    asked = request(source_file(tmp_path))
    assert encode(build_report(asked)) == encode(build_report(asked))


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": 2},
        {"sr_class": "comprehensive"},
        {"site_key": "another site"},
        {"station_name": "OTHER"},
        {"reading": sample_reading(impression="Something else.")},
        {"reading": sample_reading(model=replace(MODEL, digest="1" * 64))},
    ],
)
def test_changed_content_travels_under_another_uid(tmp_path: Path, changes: dict) -> None:  # type: ignore[type-arg]
    asked = request(source_file(tmp_path))
    first, second = build_report(asked), build_report(replace(asked, **changes))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID


def test_findings_keep_their_tracking_uid_over_reruns(tmp_path: Path) -> None:
    asked = request(source_file(tmp_path))
    again = replace(asked, revision=2, reading=sample_reading(impression="Other words."))
    first, second = (
        {item.UID for item in items_below(build_report(r), "Tracking Unique Identifier")}
        for r in (asked, again)
    )
    assert first == second
    assert len(first) == 4


def test_the_object_says_what_it_is(tmp_path: Path) -> None:
    report = built(tmp_path)
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert report.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert report.ContentQualification == "RESEARCH"
    assert report.SeriesDescription == "AI TRIAGE STAT"
    assert report.SeriesNumber > 9000
    assert report.ManufacturerModelName == "cxr-node"
    assert report.Modality == "SR"
    (equipment,) = report.ContributingEquipmentSequence
    assert equipment.DeviceUID == MODEL.device_uid.text
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    (scheme,) = report.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99CXRNODE"


def test_the_other_class_is_a_switch(tmp_path: Path) -> None:
    report = built(tmp_path, sr_class="comprehensive")
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33"
    assert len(items_below(report, "Measurement Group")) == 5


def test_it_belongs_to_the_study_and_refers_to_the_image(tmp_path: Path) -> None:
    source = dcmread(source_file(tmp_path))
    report = built(tmp_path)
    assert report.StudyInstanceUID == source.StudyInstanceUID
    assert report.SeriesInstanceUID != source.SeriesInstanceUID
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == IMAGE.text


def test_boxes_and_ratio_come_back_exactly(tmp_path: Path) -> None:
    content = srread(write(built(tmp_path), tmp_path)).content
    regions = content.get_planar_roi_measurement_groups()
    assert [g.finding_type.meaning for g in regions] == ["Pneumothorax", "Pleural effusion"]
    (outline, _) = (np.asarray(g.roi.value) for g in regions)
    corners = [(40.5, 30.25), (150, 30.25), (150, 140.75), (40.5, 140.75), (40.5, 30.25)]
    assert np.abs(outline - corners).max() < 0.1
    numbers = [m for g in content.get_image_measurement_groups() for m in g.get_measurements()]
    said = {(m.name.meaning, m.value) for m in numbers}
    assert said == {
        ("Certainty of Finding", 87.0),
        ("Certainty of Finding", 64.0),
        ("Cardiothoracic ratio", 0.54),
        ("Transverse diameter of the heart", 243.0),
        ("Transverse diameter of the thorax", 450.0),
    }
    line = next(m for m in numbers if m.name.meaning == "Cardiothoracic ratio")
    points = np.asarray(line.referenced_coordinates[0].value)
    assert np.abs(points - [(130, 310), (292, 310)]).max() < 0.1


def test_no_group_holds_both_a_region_and_a_number(tmp_path: Path) -> None:
    """A viewer in wide use takes a group's first number and wants the region below it."""
    for group in items_below(built(tmp_path), "Measurement Group"):
        types = {item.ValueType for item in group.ContentSequence}
        assert not {"SCOORD", "NUM"} <= types


def test_every_group_has_coordinates_under_its_tracking_uid(tmp_path: Path) -> None:
    """One group without any makes the same viewer refuse the report as a whole."""
    groups = items_below(built(tmp_path), "Measurement Group")
    drawn = {
        tracking(group)
        for group in groups
        if items_below(group, "Image Region") or items_below(group, "Source")
    }
    assert {tracking(group) for group in groups} == drawn


def tracking(group: object) -> str:
    (item,) = items_below(group, "Tracking Unique Identifier")  # type: ignore[arg-type]
    return str(item.UID)


def test_comments_are_short_and_say_that_a_machine_speaks(tmp_path: Path) -> None:
    comments = [item.TextValue for item in items_below(built(tmp_path), "Comment")]
    assert comments == ["AI: pneumothorax R", "AI: pleural effusion L"]


def test_a_finding_without_box_is_an_evaluation_with_properties(tmp_path: Path) -> None:
    report = built(tmp_path)
    evaluations = items_below(report, "Qualitative Evaluations")[0]
    found = {coded(item): item for item in items_below(evaluations, "Finding")}
    tube = found["Endotracheal tube"]
    assert coded(items_below(tube, "Presence of property")[0]) == "Present"
    assert coded(items_below(tube, "Position of device")[0]) == "Tip too low"
    absent = found["Fracture of bone"]
    assert coded(items_below(absent, "Presence of property")[0]) == "Absent"
    assert "Pneumothorax" not in found
    assert "Other pleural abnormality" not in found, "it was not assessed"


def test_absent_findings_stand_under_a_heading_that_says_so(tmp_path: Path) -> None:
    """Simple viewers show the name of a finding and hide its presence in a footnote."""
    unsure = finding(FindingKind.EDEMA, 0.45, presence=Presence.UNCERTAIN)
    findings = (finding(FindingKind.PORT, 0.9), unsure, finding(FindingKind.FRACTURE, 0.1))
    report = built(tmp_path, sample_reading(findings=findings, ratio=None))

    def named(container: Dataset) -> list[str]:
        items = container.ContentSequence
        return [coded(i) for i in items if i.ConceptNameCodeSequence[0].CodeMeaning == "Finding"]

    (top,) = items_below(report, "Qualitative Evaluations")
    assert named(top) == ["Portacath"]
    assert named(items_below(top, "Findings that are uncertain")[0]) == ["Pulmonary edema"]
    assert named(items_below(top, "Findings held absent")[0]) == ["Fracture of bone"]


def test_the_certainty_of_an_absent_finding_is_that_of_its_absence(tmp_path: Path) -> None:
    findings = (finding(FindingKind.PNEUMOTHORAX, 0.08),)
    report = built(tmp_path, sample_reading(findings=findings, ratio=None))
    (item,) = items_below(report, "Finding")
    (number,) = items_below(item, "Certainty of Finding")
    assert number.MeasuredValueSequence[0].NumericValue == 92


def test_an_uncertain_finding_is_undetermined_and_has_no_certainty(tmp_path: Path) -> None:
    unsure = finding(FindingKind.EDEMA, 0.45, presence=Presence.UNCERTAIN)
    report = built(tmp_path, sample_reading(findings=(unsure,), ratio=None))
    (item,) = items_below(report, "Finding")
    assert coded(items_below(item, "Presence of property")[0]) == "Undetermined"
    assert items_below(item, "Certainty of Finding") == []


def test_the_conclusion_comes_first_and_every_stage_has_its_text(tmp_path: Path) -> None:
    report = built(tmp_path)
    (container,) = items_below(report, "Qualitative Evaluations")
    first = container.ContentSequence[0]
    assert first.ConceptNameCodeSequence[0].CodeMeaning == "Conclusion"
    values = [
        item.ConceptNameCodeSequence[0].CodeValue
        for item in container.ContentSequence
        if item.ValueType == "TEXT"
    ]
    assert [v for v in values if v.startswith("STG")] == [f"STG{n}" for n in range(1, 9)]
    assert coded(items_below(report, "Proposed reading priority")[0]) == "STAT priority"
    actionable = items_below(report, "Actionable finding category")[0]
    assert coded(actionable) == "ACR Category 1 Actionable Finding"
    assert text_of(report, "Statement about the model") == MODEL.statement
    assert coded(items_below(report, "Quality of inspiration")[0]) == "Limited quality"
    assert coded(items_below(report, "Image View")[0]) == "postero-anterior"


def test_a_model_outside_its_use_says_so_and_flags_nothing(tmp_path: Path) -> None:
    report = built(tmp_path, sample_reading(outside_intended_use="image of a patient"))
    assert report.SeriesDescription == "AI READING"
    assert "OUTSIDE INTENDED USE: image of a patient." in text_of(report, "Conclusion")
    assert coded(items_below(report, "Proposed reading priority")[0]) == "Routine priority"


def test_nothing_drawn_leaves_the_measurements_out(tmp_path: Path) -> None:
    findings = tuple(finding(kind, 0.02) for kind in FindingKind)
    reading = sample_reading(findings=findings, ratio=None, abnormal=0.03, advice=None)
    report = built(tmp_path, reading)
    assert items_below(report, "Imaging Measurements") == []
    (overall,) = items_below(report, "Overall impression of the model")
    assert coded(overall) == "Normal"
    assert len(items_below(report, "Finding")) == len(FindingKind)


def test_normal_is_not_said_where_anything_is_open(tmp_path: Path) -> None:
    rest = tuple(finding(k, 0.02) for k in FindingKind if k is not FindingKind.EDEMA)
    unsure = finding(FindingKind.EDEMA, 0.4, presence=Presence.UNCERTAIN)
    for findings, changes in (
        ((*rest, unsure), {}),
        ((*rest, finding(FindingKind.EDEMA, None)), {}),
        ((*rest, finding(FindingKind.EDEMA, 0.02)), {"abnormal": 0.7}),
        ((*rest, finding(FindingKind.EDEMA, 0.02)), {"outside_intended_use": "a patient"}),
    ):
        reading = sample_reading(**{"findings": findings, "abnormal": 0.03, **changes})
        assert items_below(built(tmp_path, reading), "Overall impression of the model") == []


@pytest.mark.parametrize(
    "odd",
    [
        box(10, 10, 10, 50),
        box(500, 10, 600, 50),
        box(-50, -50, -1, -1),
        replace(box(10, 10, 50, 50), sop_instance_uid=IMAGE.__class__("1.2.3")),
    ],
)
def test_a_box_that_cannot_be_drawn_is_left_out_but_not_its_finding(
    tmp_path: Path, odd: object
) -> None:
    found = finding(FindingKind.EDEMA, 0.9, box=odd)
    report = built(tmp_path, sample_reading(findings=(found,), ratio=None))
    assert items_below(report, "Measurement Group") == []
    (item,) = items_below(report, "Finding")
    assert coded(item) == "Pulmonary edema"
    assert len(items_below(item, "Tracking Unique Identifier")) == 1


def test_a_box_beyond_the_image_is_clipped(tmp_path: Path) -> None:
    found = finding(FindingKind.EDEMA, 0.9, box=box(-20, 400, 900, 300))
    report = built(tmp_path, sample_reading(findings=(found,), ratio=None))
    (region,) = items_below(report, "Image Region")
    columns, rows = region.GraphicData[0::2], region.GraphicData[1::2]
    assert (min(columns), max(columns), min(rows), max(rows)) == (0, 400, 300, 400)


def test_a_ratio_without_a_line_is_an_evaluation(tmp_path: Path) -> None:
    ratio = sample_reading().ratio
    assert ratio is not None
    undrawn = replace(ratio, heart=box(5, 5, 5, 5))
    report = built(tmp_path, sample_reading(findings=(), ratio=undrawn))
    (item,) = items_below(report, "Cardiothoracic ratio")
    assert item.MeasuredValueSequence[0].NumericValue == pytest.approx(0.54)
    assert items_below(report, "Measurement Group") == []


def test_a_zone_of_the_lung_replaces_the_lung(tmp_path: Path) -> None:
    found = finding(FindingKind.CONSOLIDATION, 0.9, zone=Zone.LOWER)
    report = built(tmp_path, sample_reading(findings=(found,), ratio=None))
    assert [coded(s) for s in items_below(report, "Finding Site")] == ["Lower zone of lung"]


def test_predecessor_is_named(tmp_path: Path) -> None:
    first = built(tmp_path)
    path = write(first, tmp_path, "first.dcm")
    second = built(tmp_path, revision=2, predecessor=path)
    (study,) = second.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (reference,) = series.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert second.SeriesInstanceUID != first.SeriesInstanceUID
    assert "PredecessorDocumentsSequence" not in first


def test_two_images_are_both_evidence(tmp_path: Path) -> None:
    other = sample_image(sop_instance_uid=IMAGE.__class__("1.2.3.9"), series_uid=IMAGE)
    report = built(tmp_path, sample_reading(images=(sample_image(), other)))
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    assert len(study.ReferencedSeriesSequence) == 2
    assert len(items_below(report, "Pixel Data Rows")) == 2


def test_the_moment_is_written_in_the_zone_of_the_source(tmp_path: Path) -> None:
    path = source_file(tmp_path, TimezoneOffsetFromUTC="+0530")
    report = build_report(request(path))
    assert str(report.ContentDate) == "20260102"
    assert str(report.ContentTime).startswith("1600")
    assert report.TimezoneOffsetFromUTC == "+0530"
    plain = build_report(request(source_file(tmp_path)))
    local = BUILT_AT.astimezone()
    assert str(plain.ContentTime).startswith(local.strftime("%H%M"))


def test_the_marker_follows_the_priority(tmp_path: Path) -> None:
    asked = request(source_file(tmp_path))
    for priority, marker in ((Priority.HIGH, "AI TRIAGE HIGH"), (Priority.MEDIUM, "AI READING")):
        decision = replace(asked.decision, priority=priority)
        assert build_report(replace(asked, decision=decision)).SeriesDescription == marker


def test_a_source_without_study_is_refused(tmp_path: Path) -> None:
    path = source_file(tmp_path)
    ds = dcmread(path)
    del ds.StudyInstanceUID
    ds.save_as(path)
    with pytest.raises(NotConformant):
        build_report(request(path))


def test_long_and_hidden_text_is_bounded(tmp_path: Path) -> None:
    model = replace(
        MODEL,
        name="m" * 300,
        version="\x00v\u202e",
        manufacturer="c\\d" * 60,
        statement="s" * 9_000,
    )
    report = built(tmp_path, sample_reading(model=model, impression="\x1b[31m" + "y" * 50_000))
    again = dcmread(BytesIO(encode(report)))
    assert len(text_of(again, "Conclusion")) <= 8_000
    assert len(again.Manufacturer) <= 64
    assert "\x1b" not in text_of(again, "Stage 8: report")
    assert templates().wording.conclusion.banner in text_of(again, "Conclusion")
