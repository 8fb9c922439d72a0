"""Independent readers of TID 1500 accept the report and understand it as it was meant."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from cxr_node.domain.findings import FindingKind
from tests.peers import Orthanc
from tests.readings import contradicted, finding, sample_reading
from tests.reports import built, write
from tests.validators import dcmqi, dsr2html, dsrdump, pixelmed

pytestmark = pytest.mark.peers


F1, F2 = ("Pneumothorax", "F1 pneumothorax R"), ("Pleural effusion", "F2 pleural effusion L")
TUBE, CTR = ("Endotracheal tube", "F3 endotracheal tube"), (None, "CTR")


def native(group: tuple[str, str]) -> tuple[str, str]:
    """The group with the beginning of its identifier by which OHIF knows it."""
    return group[0], f"Cornerstone3DTools@^0.1.0:RectangleROI:{group[1]}"


@pytest.fixture(
    scope="module",
    params=[
        ("viewer", "comprehensive-3d"),
        ("air", "comprehensive-3d"),
        ("ohif-native", "comprehensive"),
    ],
    ids="-".join,
)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the three shapes; shape and class do not depend on each other."""
    folder = tmp_path_factory.mktemp(request.param[0])
    profile, sr_class = request.param
    return write(built(folder, contradicted(), sr_profile=profile, sr_class=sr_class), folder)


def test_pixelmed_finds_no_error_in_the_template(report: Path) -> None:
    assert pixelmed(report) == []


def test_pixelmed_accepts_a_report_without_measurements(tmp_path: Path) -> None:
    absent = tuple(finding(kind, 0.03) for kind in FindingKind)
    reading = sample_reading(findings=absent, ratio=None, advice=None)
    assert pixelmed(write(built(tmp_path, reading), tmp_path)) == []


def test_dcmqi_reads_findings_sites_and_numbers(report: Path) -> None:
    document: dict[str, Any] = dcmqi(report)
    assert document["VerificationFlag"] == "UNVERIFIED"
    groups = [g for g in document["Measurements"] if "absent" not in g["TrackingIdentifier"]]
    named = [(g.get("Finding", {}).get("CodeMeaning"), g["TrackingIdentifier"]) for g in groups]
    expected = {
        "viewer": [F1, F1, F2, F2, CTR],
        "air": [F1, F2, TUBE, CTR],
        "ohif-native": [native(F1), native(F2), CTR],
    }
    assert named == expected[report.parent.name.rstrip("0123456789")]
    assert groups[0]["Laterality"]["CodeMeaning"] == "Right"
    numbers = {
        (item["quantity"]["CodeMeaning"], float(item["value"]))
        for group in groups
        for item in group["measurementItems"]
    }
    numbers.discard(("Certainty of Finding", 91.0))
    assert numbers == {
        ("Certainty of Finding", 87.0),
        ("Certainty of Finding", 64.0),
        ("Cardiothoracic ratio", 0.54),
        ("Transverse diameter of the heart", 243.0),
        ("Transverse diameter of the thorax", 450.0),
    }


def test_dcmtk_renders_text_and_page(report: Path) -> None:
    dumped = dsrdump(report)
    assert "Verification Flag   : UNVERIFIED" in dumped
    assert "=(POLYLINE,40.5/30.25,150/30.25" in dumped
    page = dsr2html(report)
    assert "AI result, unverified. Not for diagnosis" in page
    assert "Stage 8, report." in page
    if report.parent.name.startswith("air"):
        assert page.index("absent: fracture") < page.index("Fracture of bone")
    else:
        assert page.index("Findings held absent") < page.index("Fracture of bone")


def test_generated_markup_is_text_in_a_page(tmp_path: Path) -> None:
    reading = contradicted(impression="<script>alert(1)</script> & <b>bold</b>")
    page = dsr2html(write(built(tmp_path, reading), tmp_path))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;" in page
    assert "<script" not in page


def test_orthanc_returns_every_shape_byte_for_byte(report: Path, orthanc: Orthanc) -> None:
    content = report.read_bytes()
    sent = urllib.request.Request(f"{orthanc.base_url}/instances", data=content, method="POST")
    urllib.request.urlopen(sent, timeout=60).close()
    [found] = orthanc.find("Instance", SOPInstanceUID=str(dcmread(report).SOPInstanceUID))
    assert orthanc.content(f"/instances/{found}/file") == content
