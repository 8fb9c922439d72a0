"""The demo and the doctor, run as a newcomer runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from cxr_node.dicom.archive import ReceivingAE
from tests.builders import ct_slice, radiograph, save
from tests.nodes import Statuses, destination, script
from tests.running_node import RunningNode


def demo(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """``cxr-node demo --exit`` in a terminal wide enough for one line per study."""
    command = [sys.executable, "-m", "cxr_node.entry.cli", "demo", "--exit"]
    return subprocess.run(
        [*command, "--out", str(folder / "demo-out"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "HOME": str(folder)},
        timeout=580,
        check=False,
    )


def test_the_demo_reads_reports_and_says_why_two_were_not_read(tmp_path: Path) -> None:
    ran = demo(folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    reports = list((tmp_path / "demo-out" / "pacs").rglob("SR-*.dcm"))
    assert len(reports) == ran.stdout.count("report delivered") == 6
    assert "CT Image Storage" in ran.stdout
    assert "not eligible" in ran.stdout or "0xC001" in ran.stdout
    events = [json.loads(line) for line in (tmp_path / "demo-out" / "node.log").open()]
    assert not [event for event in events if event["level"] == "error"]


def test_the_demo_sends_a_users_own_files(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    save(radiograph(), own / "chest.dcm")
    save(radiograph(body_part="HAND"), own / "hand.dcm")
    save(ct_slice(), own / "ct.dcm")
    (own / "notes.txt").write_text("not DICOM")
    ran = demo("--dicom", str(own), folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("report delivered") == 1
    assert "body part other than the chest" in ran.stdout
    assert "CT Image Storage" in ran.stdout
    assert "not a DICOM file" in ran.stdout


def test_the_doctor_walks_the_whole_path(node: RunningNode) -> None:
    said = node.command("doctor").stdout
    links = ["association", "store", "database", "spool", "job"]
    links += ["model", "report", "PACS", "worklist"]
    for link in links:
        assert f"holds  {link}" in said


@pytest.mark.parametrize("broken", ["association", "PACS"])
def test_the_doctor_names_the_first_broken_link(
    broken: str, tmp_path: Path, pacs: ReceivingAE, statuses: Statuses
) -> None:
    node = RunningNode(tmp_path / "node", destinations=(destination(pacs),), model=script(tmp_path))
    statuses.status = 0xC000
    with node:
        if broken == "association":
            node.stop()
        with pytest.raises(subprocess.CalledProcessError) as failed:
            node.command("doctor")
    lines = failed.value.stdout.strip().splitlines()
    assert lines[-1].startswith(f"broken {broken}")
    assert "broken" not in "".join(lines[:-1])


def test_the_phantoms_identity_is_in_every_report(
    node: RunningNode, reports: Callable[[str], list[Path]], tmp_path: Path
) -> None:
    image = radiograph(patient_id="QC-1", patient_name="PHANTOM^ONE", quality_control=True)
    node.send(save(image, tmp_path / "in"))
    node.settled(image.StudyInstanceUID)
    [path] = reports(image.StudyInstanceUID)
    report = pydicom.dcmread(path)
    assert (report.PatientID, report.PatientName) == ("QC-1", "PHANTOM^ONE")
