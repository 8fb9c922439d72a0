"""Dialogue records out of phantoms, of a folder of reports, and of stored readings."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_node.domain.errors import RecordRefused
from cxr_node.domain.stages import OPENING, StageKey
from cxr_node.training.mimic_lists import read_lists
from cxr_node.training.mimic_records import mimic_records, picture_file
from cxr_node.training.reading_records import reading_record
from cxr_node.training.record_counts import oddities
from cxr_node.training.records import Record
from cxr_node.training.report_sections import ReportSections, report_sections
from tests.readings import contradicted


def said(record: Record, key: str) -> str:
    return next(t.answer for t in record.turns if t.document.get("node_key") == key)


def stages(record: Record) -> set[int]:
    return {turn.stage for turn in record.turns}


REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PORTABLE AP)

 INDICATION:  Made-up person with a made-up cough.

 COMPARISON:  None.

 {}
"""
SECTIONS = [
    (
        "FINDINGS: \n \n Lungs are\n clear.\n\n IMPRESSION: \n \n Normal.",
        "Lungs are clear.",
        "Normal.",
    ),
    ("Findings: Clear.\nImpression: Normal.", "Clear.", "Normal."),
    ("FINDINGS:\nClear.\n\nCONCLUSION:\nNormal.", "Clear.", "Normal."),
    ("FINDINGS:  Clear.\n\n FINAL IMPRESSION:  Normal.", "Clear.", "Normal."),
    ("PORTABLE CHEST, ONE VIEW:  Clear.\n\n IMPRESSION:  Normal.", "Clear.", "Normal."),
    ("FINDINGS:  Clear.\n\nRECOMMENDATION(S):  Call someone.", "Clear.", ""),
    (
        "IMPRESSION:  1. Normal.\n 2. Really.\n\nNOTIFICATION:  Someone was called.",
        "",
        "1. Normal. 2. Really.",
    ),
    ("FINDINGS:  Clear.\n\n FINDINGS:  Still clear.", "Clear. Still clear.", ""),
    ("FINDINGS:  \n\n IMPRESSION:  Normal.", "", "Normal."),
]


@pytest.mark.parametrize(("text", "findings", "impression"), SECTIONS)
def test_sections_of_a_report(text: str, findings: str, impression: str) -> None:
    assert report_sections(REPORT.format(text)) == ReportSections(findings, impression)


@pytest.mark.parametrize(
    "heading", ["FINDINGS AND IMPRESSION", "IMPRESSION/FINDINGS", "Findings and Impression"]
)
def test_one_section_for_both(heading: str) -> None:
    found = report_sections(REPORT.format(f"{heading}:  Clear and normal."))
    assert found == ReportSections(together="Clear and normal.")


def test_a_report_without_headings_says_nothing() -> None:
    assert not report_sections("The lungs are clear. Normal: yes.")
    assert not report_sections(REPORT.format("WET READ: nothing."))


def mimic(folder: Path) -> Path:
    """Two patients: one with three studies out of order, one whose files are missing."""
    for subject, study, text in (
        ("10000001", "50000003", "FINDINGS: A.\n\nIMPRESSION: B."),
        ("10000001", "50000001", "FINDINGS AND IMPRESSION: C."),
        ("10000001", "50000002", "no heading"),
    ):
        home = folder / "files" / f"p{subject[:2]}" / f"p{subject}"
        (home / f"s{study}").mkdir(parents=True)
        (home / f"s{study}.txt").write_text(REPORT.format(text))
        (home / f"s{study}" / f"d{study}.jpg").write_bytes(b"not looked at")
    return folder


def table(path: Path, *rows: dict[str, str]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(n for row in rows for n in row)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def row(subject: str, study: str, **more: str) -> dict[str, str]:
    return {"subject_id": subject, "study_id": study} | more


def lists(folder: Path) -> list[Path]:
    one = "10000001"
    split = [
        row(one, "50000003", dicom_id="d50000003", split="train"),
        row(one, "50000001", dicom_id="d50000001", split="train"),
        row(one, "50000002", dicom_id="d50000002", split="test"),
        row("10000002", "50000009", dicom_id="gone", split="train"),
    ]
    labels = [
        {
            **row(one, "50000003"),
            "Edema": "1.0",
            "Fracture": "-1.0",
            "No Finding": "",
            "Support Devices": "1.0",
        },
        {**row(one, "50000001"), "No Finding": "1.0", "Pleural Effusion": "0.0"},
        {**row("10000002", "50000009"), "Pneumonia": "1"},
    ]
    dates = [
        row(
            one,
            "50000001",
            dicom_id="d50000001",
            ViewPosition="PA",
            StudyDate="21800101",
            StudyTime="90000",
        ),
        row(
            one,
            "50000002",
            dicom_id="d50000002",
            ViewPosition="LL",
            StudyDate="21790101",
            StudyTime="1.5",
        ),
        row(
            one,
            "50000003",
            dicom_id="d50000003",
            ViewPosition="AP",
            StudyDate="21800101",
            StudyTime="123000.25",
        ),
    ]
    return [
        table(folder / "split.csv.gz", *split),
        table(folder / "chexpert.csv", *labels),
        table(folder / "metadata.csv", *dates),
    ]


def test_a_folder_of_reports_becomes_records(tmp_path: Path) -> None:
    root, missing = mimic(tmp_path / "mimic"), list[Path]()
    studies = read_lists(lists(tmp_path))
    records = {r.study: r for r in mimic_records(root, studies, missing=missing.append)}
    assert [path.name for path in missing] == ["gone.jpg", "s50000009.txt"]
    third = records["50000003"]
    assert (third.patient, third.images) == ("10000001", ("d50000003",))
    assert (third.reference_study, third.following_study) == ("50000001", None)
    assert records["50000001"].reference_study == "50000002"
    assert [(t.task_type, t.target, t.answer) for t in third.turns] == [
        ("View_Information", "", "AP"),
        ("Findings_Identification", "yes_no_abnormality", "abnormal"),
        ("Findings_Identification", "abnormality_[pulmonary edema]", "present"),
        ("Findings_Identification", "abnormality_[bone fracture]", "uncertain"),
        ("Findings_Identification", "yes_no_foreign_body", "present"),
        ("Report_Generation[Findings]", "", "A."),
        ("Report_Generation[Impression]", "", "B."),
    ]
    assert [t.question.count("<image>") for t in third.turns] == [1, 0, 0, 0, 0, 0, 0]
    assert said(records["50000001"], "findings/overall") == "normal"
    assert records["50000001"].turns[-1].task_type == "Report_Generation[ALL]"
    assert [t.answer for t in records["50000002"].turns] == ["lateral"]
    assert stages(records["50000009"]) == {2}
    assert not any(list(oddities(r)) for r in records.values())
    assert "made-up cough" not in str([dict(r.document) for r in records.values()])


def test_a_split_is_taken_and_order_without_dates_is_that_of_the_list(tmp_path: Path) -> None:
    root = mimic(tmp_path / "mimic")
    studies = read_lists(lists(tmp_path)[:1])
    records = list(mimic_records(root, studies, split="train", pictures=False))
    assert [(r.study, r.reference_study) for r in records] == [
        ("50000003", None),
        ("50000001", "50000003"),
    ]
    assert Counter(r.document["split"] for r in records) == {"train": 2}


def test_pictures_are_found_by_their_id(tmp_path: Path) -> None:
    root = mimic(tmp_path)
    found = picture_file(root, "10000001", "50000001", "d50000001")
    assert found is not None and found.name == "d50000001.jpg"
    assert picture_file(root / "files", "10000001", "50000001", "d50000001") == found
    assert picture_file(root, "10000001", "50000001", "other") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject_id,study_id\n../../x,1\n", "line 2: column subject_id holds no id"),
        ("subject_id,study_id,dicom_id\n1,2,../x\n", "line 2: column dicom_id holds no id"),
        ("subject_id,study_id,Edema\n1,2,0.7\n", "line 2: column Edema holds neither 1, 0 nor -1"),
        ("subject_id\n1\n", "line 2: column study_id holds no id"),
        ("subject_id,study_id\n1,2,3\n", "line 2: more values than columns"),
    ],
)
def test_a_list_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(RecordRefused) as refused:
        read_lists([path])
    assert words in str(refused.value)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordRefused, match=r"none\.csv: cannot be read"):
        read_lists([tmp_path / "none.csv"])
    (tmp_path / "x.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(RecordRefused, match=r"x\.csv\.gz"):
        read_lists([tmp_path / "x.csv.gz"])
    with pytest.raises(RecordRefused, match="the folder does not exist"):
        list(mimic_records(tmp_path / "none", []))


def test_a_stored_reading_becomes_a_record() -> None:
    reading = contradicted()
    refused = replace(reading.turns[1], accepted=False, answer="not assessed")
    thought = replace(
        reading.turns[0],
        stage=StageKey.FINDINGS,
        question=OPENING,
        prompt="Find abnormalities.",
        raw="<think>Clear.</think><answer>No Finding</answer>",
        answer="No Finding",
    )
    place = replace(
        reading.turns[0],
        stage=StageKey.ATTRIBUTES_GROUNDING,
        question="box",
        subject="pneumothorax",
        answer="(1.5, 2), (30, 40.25)",
    )
    kept = [thought, reading.turns[0], *reading.turns[2:9], place, *reading.turns[9:]]
    record = reading_record(
        replace(reading, turns=(*kept[:2], refused, *kept[2:])), study="1.2.3", patient="digest"
    )
    assert reading.prior is not None
    assert record.images == (
        reading.images[0].sop_instance_uid.text,
        reading.prior.image.sop_instance_uid.text,
    )
    assert record.reference_study == reading.prior.study_uid.text
    assert record.document["refused"] == 1
    assert str(record.document["answered_by"]).startswith(reading.model.name)
    assert [t.stage for t in record.turns] == [t.stage.number for t in kept]
    assert record.turns[0].question == "<image>Find abnormalities."
    assert record.turns[0].answer == thought.raw
    assert said(record, "findings/presence/pneumothorax") == "present"
    assert "(1.50, 2.00), (30.00, 40.25)" in said(record, "attributes_grounding/box/pneumothorax")
    assert list(oddities(record)) == []
