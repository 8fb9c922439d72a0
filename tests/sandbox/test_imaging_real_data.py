"""Real files: seven transfer syntaxes of one image, real tables, every odd file once."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from cxr_node.config import ImagingSection
from cxr_node.domain.errors import NotConformant, NotReadable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import ImagePolicy, SizePolicy
from cxr_node.imaging.budget import Budget, check_budget
from cxr_node.imaging.decode import Decoded, decode
from cxr_node.imaging.dicomize import dicomize_path
from cxr_node.imaging.grayscale import Rendered, render
from cxr_node.imaging.quality import check_quality
from cxr_node.imaging.reader import PixelReader
from cxr_node.imaging.stored import StoredPixels, read_stored

pytestmark = [pytest.mark.real_data, pytest.mark.filterwarnings("ignore")]
POLICY = ImagePolicy(SizePolicy.LETTERBOX, side=448)
BUDGET = Budget(64_000_000, 1 << 30, 20.0)


@pytest.fixture(scope="module")
def reader() -> Iterator[PixelReader]:
    made = PixelReader(ImagingSection())
    yield made
    made.close()


def opened(path: Path) -> tuple[StoredPixels, Decoded, Rendered]:
    stored = read_stored(path)
    claims = check_budget(stored, BUDGET)
    decoded = decode(path, stored, claims)
    return stored, decoded, render(decoded.values, stored.header, claims)


def test_seven_transfer_syntaxes(test_data: Path) -> None:
    expected = {
        "J2KR": ("gdcm", 0),
        "JLSL": ("pyjpegls", 0),
        "JPLL": ("gdcm", 0),
        "RLE": ("pylibjpeg", 0),
        "J2KI": ("gdcm", 9),
        "JLSN": ("pyjpegls", 4),
    }
    true = opened(test_data / "dicom/parity/RG3_RLE.dcm")[1].values.astype(int)
    for name, (decoder, difference) in expected.items():
        found = opened(test_data / f"dicom/parity/RG3_{name}.dcm")[1]
        assert found.decoder == decoder
        assert np.abs(found.values.astype(int) - true).max() <= difference, name


def test_the_undecodable_one_fails_cleanly(test_data: Path, reader: PixelReader) -> None:
    path = test_data / "dicom/parity/RG3_JPLY.dcm"
    instance = Uid(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
    with pytest.raises(NotReadable, match="decode"):
        reader.prepare(path, instance, POLICY)


def test_real_tables_agree_with_pydicom(test_data: Path) -> None:
    path = test_data / "dicom/lut/MG_multiVOI_GH133.dcm"
    stored, decoded, found = opened(path)
    values = apply_voi_lut(apply_modality_lut(decoded.values, stored.header), stored.header)
    bits = stored.header.VOILUTSequence[0].LUTDescriptor[2]
    seen = decoded.values > stored.header.PixelPaddingRangeLimit
    difference = np.abs(found.gray[seen] - values[seen] / ((1 << bits) - 1) * 255)
    assert difference.max() <= 1
    assert (found.gray[~seen] == 0).all()


def test_a_real_modality_table_agrees_with_pydicom(test_data: Path) -> None:
    path = test_data / "dicom/lut/CR-ModalitySequenceLUT.dcm"
    stored, decoded, found = opened(path)
    values = apply_modality_lut(decoded.values, stored.header).astype(float)
    assert "inverted" in found.notes
    if "window-missing" in found.notes:
        low, high = np.percentile(values, (0.5, 99.5))
        expected = 255 - np.clip((values - low) / (high - low), 0, 1) * 255
    else:
        centre, width = (
            float(np.atleast_1d(stored.header[key].value)[0])
            for key in ("WindowCenter", "WindowWidth")
        )
        grey = np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
        expected = 255 - grey * 255
    assert np.abs(found.gray - expected).max() <= 1


@pytest.mark.parametrize(
    "name", ["CR-MONO1-10-chest.dcm", "CR-MONO1-10-chest_nopreamble", "RG1_J2KI.dcm"]
)
def test_bones_are_bright_in_a_monochrome1_chest(test_data: Path, name: str) -> None:
    gray = opened(test_data / "dicom/cxr" / name)[2].gray
    rows, columns = gray.shape

    def patch(v: float, u: float) -> float:
        row, column = int(v * rows), int(u * columns)
        return float(gray[row : row + rows // 12, column : column + columns // 20].mean())

    spine = patch(0.55, 0.48)
    assert spine > patch(0.30, 0.22) + 20
    assert spine > patch(0.30, 0.72) + 20
    assert patch(0.92, 0.45) > patch(0.30, 0.22) + 20, "the abdomen is brighter than a lung"


def test_every_file_is_a_picture_or_a_reason(test_data: Path, reader: PixelReader) -> None:
    files = sorted(path for path in (test_data / "dicom").rglob("*") if path.is_file())
    pictures, children = 0, set()
    for path in files:
        start = time.monotonic()
        try:
            reader.prepare(path, _instance(path), POLICY)
            pictures += 1
        except (NotReadable, NotConformant):
            pass
        children.add(reader.decoder_pid)
        assert time.monotonic() - start < 10, path.name
    assert len(files) >= 65
    assert pictures >= 25
    assert len(children) == 1, "one child served them all"


def _instance(path: Path) -> Uid:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Uid(
                str(pydicom.dcmread(path, force=True, stop_before_pixels=True).SOPInstanceUID)
            )
    except (NotConformant, AttributeError, OSError, ValueError, RecursionError):
        return Uid("1.2")


def test_real_radiographs_pass_the_quality_check(test_data: Path, tmp_path: Path) -> None:
    written = [
        path
        for folder in ("nih", "serial")
        for path in dicomize_path(
            test_data / "cxr" / folder, tmp_path / folder, view="PA", age=50, sex=""
        )
    ]
    assert len(written) == 67
    worst = min(check_quality(opened(path)[2].gray).correlation for path in written)
    assert worst > 0.9
    for name in ("nih_test1.dcm", "nih_test3.dcm", "CR-MONO1-10-chest.dcm", "RG1_J2KI.dcm"):
        check_quality(opened(test_data / "dicom/cxr" / name)[2].gray)


def test_a_wrapped_radiograph_is_prepared_as_it_was(
    test_data: Path, tmp_path: Path, reader: PixelReader
) -> None:
    source = sorted((test_data / "cxr/nih").glob("*.png"))[0]
    (path,) = dicomize_path(source, tmp_path, view="PA", age=50, sex="")
    image = reader.prepare(path, _instance(path), ImagePolicy(SizePolicy.STRETCH, side=1024))
    assert image.gray == Image.open(source).convert("L").tobytes()
