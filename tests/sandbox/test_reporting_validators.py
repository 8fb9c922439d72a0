"""Independent readers of TID 1500 accept the report and understand it as it was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxr_node.domain.findings import FindingKind
from tests.readings import finding, sample_reading
from tests.reports import built, write
from tests.validators import dcmqi, dsr2html, dsrdump, pixelmed

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module", params=["comprehensive-3d", "comprehensive"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write(built(folder, sr_class=request.param), folder)


def test_pixelmed_finds_no_error_in_the_template(report: Path) -> None:
    assert pixelmed(report) == []


def test_pixelmed_accepts_a_report_without_measurements(tmp_path: Path) -> None:
    absent = tuple(finding(kind, 0.03) for kind in FindingKind)
    reading = sample_reading(findings=absent, ratio=None, advice=None)
    assert pixelmed(write(built(tmp_path, reading), tmp_path)) == []


def test_dcmqi_reads_findings_sites_and_numbers(report: Path) -> None:
    document: dict[str, Any] = dcmqi(report)
    assert document["VerificationFlag"] == "UNVERIFIED"
    groups = document["Measurements"]
    named = [(g.get("Finding", {}).get("CodeMeaning"), g["TrackingIdentifier"]) for g in groups]
    assert named == [
        ("Pneumothorax", "F1 pneumothorax R"),
        ("Pneumothorax", "F1 pneumothorax R"),
        ("Pleural effusion", "F2 pleural effusion L"),
        ("Pleural effusion", "F2 pleural effusion L"),
        (None, "CTR"),
    ]
    assert groups[0]["Laterality"]["CodeMeaning"] == "Right"
    numbers = {
        (item["quantity"]["CodeMeaning"], float(item["value"]))
        for group in groups
        for item in group["measurementItems"]
    }
    assert numbers == {
        ("Certainty of Finding", 87.0),
        ("Certainty of Finding", 64.0),
        ("Cardiothoracic ratio", 0.54),
    }


def test_dcmtk_renders_text_and_page(report: Path) -> None:
    dumped = dsrdump(report)
    assert "Verification Flag   : UNVERIFIED" in dumped
    assert '"Image Region")=(POLYLINE,40.5/30.25,150/30.25' in dumped
    page = dsr2html(report)
    assert "AI result, unverified. Not for diagnosis" in page
    assert "Stage 8, report." in page
    assert page.index("Findings held absent") < page.index("Fracture of bone")
