"""Asks an archive for its modality worklist with DCMTK, as a RIS would."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pydicom

from tests.orthancs import PluggedOrthanc
from tests.peers import require


def worklist(orthanc: PluggedOrthanc, folder: Path, **keys: str) -> list[pydicom.Dataset]:
    """What Orthanc answers to DCMTK's findscu -W, in order."""
    folder.mkdir()
    asked = {"0008,0005": "ISO_IR 192", "0010,0010": "", "0020,000D": "", "0040,1003": "", **keys}
    options = [part for key, value in asked.items() for part in ("-k", f"{key}={value}")]
    address = ["-aet", "RIS", "-aec", "ORTHANC", "127.0.0.1", str(orthanc.peer.dicom_port)]
    findscu = require("findscu", "dcmtk")
    command = [findscu, "-W", "-X", "-od", str(folder), *options, *address]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]
