"""The synthetic objects are valid: dicom3tools' dciodvfy finds no error in any of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from tests.builders import ct_slice, radiograph, save
from tests.peers import require

pytestmark = pytest.mark.peers

CASES = {
    **{
        f"{m} {v}": radiograph(modality=m, view=v) for m in ("DX", "CR") for v in ("PA", "AP", "LL")
    },
    "no view": radiograph(view=""),
    "for processing": radiograph(for_processing=True),
    "MONOCHROME1": radiograph(photometric="MONOCHROME1"),
    "8 bits": radiograph(bits=8),
    "quality control": radiograph(quality_control=True),
    "implicit": radiograph(transfer_syntax=ImplicitVRLittleEndian),
    "big endian": radiograph(transfer_syntax=ExplicitVRBigEndian),
    "RLE": radiograph(transfer_syntax=RLELossless),
    "JPEG-LS": radiograph(transfer_syntax=JPEGLSLossless),
    "CT": ct_slice(),
}


@pytest.mark.parametrize("ds", CASES.values(), ids=CASES)
def test_dciodvfy_finds_no_error(ds: FileDataset, tmp_path: Path) -> None:
    program = require("dciodvfy", "dicom3tools")
    done = subprocess.run(
        [program, "-new", save(ds, tmp_path)], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert said.strip(), "dciodvfy names at least the object it recognised"
    assert "Error" not in said
