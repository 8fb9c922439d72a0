"""What a commissioning reads out of a report is what the node wrote into it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from cxr_node.config import SrProfile
from cxr_node.domain.errors import NotConformant
from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.evaluation.commission.reports import is_measurement_report, read_report
from tests.builders import radiograph, save
from tests.readings import MODEL, sample_reading
from tests.reports import built, items_below, templates, write


@pytest.mark.parametrize("profile", get_args(SrProfile))
def test_findings_sides_and_identity_come_back(profile: SrProfile, tmp_path: Path) -> None:
    reading = sample_reading()
    report = built(tmp_path, sr_profile=profile)
    path = write(report, tmp_path)
    assert is_measurement_report(path)
    found = read_report(path, templates().codes)
    said = {kind: finding.presence for kind, finding in found.findings.items()}
    assert said == {
        f.kind.value: f.presence.value
        for f in reading.findings
        if f.presence is not Presence.NOT_ASSESSED
    }
    sides = {k: set(finding.sides) for k, finding in found.findings.items() if finding.sides}
    assert sides == {f.kind.value: {f.laterality.value} for f in reading.findings if f.laterality}
    assert found.projection == reading.projection
    assert found.model_digest == MODEL.digest
    assert (found.study_uid, found.patient_id) == (report.StudyInstanceUID, report.PatientID)
    assert found.images == {image.sop_instance_uid.text for image in reading.images}
    assert not found.verified


def test_a_finding_said_twice_and_otherwise_is_a_contradiction(tmp_path: Path) -> None:
    report, codes = built(tmp_path), templates().codes
    [absent] = items_below(report, codes.concepts.held_absent.meaning)
    code = absent.ContentSequence[0].ConceptCodeSequence[0]
    code.CodeValue = codes.findings[FindingKind.PNEUMOTHORAX].value
    code.CodingSchemeDesignator = codes.findings[FindingKind.PNEUMOTHORAX].scheme
    found = read_report(write(report, tmp_path), codes)
    assert found.findings["pneumothorax"].presence == "contradicted"


def test_other_files_are_no_reports(tmp_path: Path) -> None:
    image = save(radiograph(), tmp_path / "image")
    (tmp_path / "text.dcm").write_text("not DICOM")
    report = built(tmp_path)
    whole = write(report, tmp_path).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    assert not is_measurement_report(image)
    assert not is_measurement_report(tmp_path / "text.dcm")
    with pytest.raises(NotConformant):
        read_report(image, templates().codes)
    with pytest.raises(NotConformant):
        read_report(tmp_path / "text.dcm", templates().codes)
