"""DCMTK against the listener: echo, store in several syntaxes, and the worklist."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from cxr_node.domain.priority import Priority
from tests.builders import ct_slice, radiograph, save
from tests.listening import NODE, SENDER, Node, listening
from tests.peers import require
from tests.unit.test_dicom_worklist import entry

pytestmark = pytest.mark.peers


def _run(program: str, node: Node, *options: str) -> subprocess.CompletedProcess[str]:
    command = [require(program, "dcmtk"), "-aet", SENDER, "-aec", NODE]
    command += [*options[:-1], "127.0.0.1", str(node.port)]
    command += [options[-1]] if options[-1] else []
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_echoscu(tmp_path: Path) -> None:
    with listening(tmp_path) as node:
        done = _run("echoscu", node, "-v", "")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("syntax", "option"),
    [
        (ExplicitVRLittleEndian, "-x="),
        (RLELossless, "-xr"),
        (JPEGLSLossless, "-xt"),
        (JPEG2000Lossless, "-xv"),
    ],
)
def test_storescu(tmp_path: Path, syntax: str, option: str) -> None:
    path = save(radiograph(transfer_syntax=syntax), tmp_path)
    with listening(tmp_path) as node:
        done = _run("storescu", node, "-v", option, str(path))
    assert done.returncode == 0, done.stderr
    assert [facts.transfer_syntax.text for facts in node.stored] == [syntax]


def test_storescu_with_a_ct_and_then_a_radiograph(tmp_path: Path) -> None:
    with listening(tmp_path) as node:
        assert _run("storescu", node, str(save(ct_slice(), tmp_path))).returncode != 0
        assert _run("storescu", node, str(save(radiograph(), tmp_path))).returncode == 0
    assert [facts.modality for facts in node.stored] == ["DX"]


def test_findscu_shows_studies_in_the_order_of_the_list(tmp_path: Path) -> None:
    entries = [entry(2, Priority.STAT), entry(3, Priority.HIGH), entry(1)]
    with listening(tmp_path, worklist=lambda: entries) as node:
        done = _run(
            "findscu", node, "-W", "-k", "0010,0010", "-k", "0040,1003", "-k", "0032,1060",
            "-k", "0040,0100[0].0008,0060=DX", "-k", "0020,000d", "-v", "",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = done.stdout + done.stderr
    lines = [line for line in shown.splitlines() if "(0040,1003)" in line]
    found = [line.partition("[")[2].partition("]")[0].strip() for line in lines]
    assert [value for value in found if value] == ["STAT", "HIGH", "ROUTINE"]
    assert "flagged - pneumothorax" in shown
