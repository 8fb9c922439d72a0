"""PNG and JPEG become DX files with a stable identity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from cxr_node.domain.errors import Unreadable
from cxr_node.imaging.dicomize import dicomize, dicomize_path
from cxr_node.imaging.radiograph import RadiographDetails
from tests.builders import chest

GRAY8 = (chest() >> 4).astype(np.uint8)


def wrap(source: Path, out: Path) -> list[Path]:
    return dicomize_path(source, out, view="PA", age=50, sex="F")


def test_eight_bit_grey_is_unchanged(tmp_path: Path) -> None:
    Image.fromarray(GRAY8).save(tmp_path / "a.png")
    (written,) = wrap(tmp_path / "a.png", tmp_path / "out")
    dataset = pydicom.dcmread(written)
    assert written == tmp_path / "out" / "a.png.dcm"
    assert np.array_equal(dataset.pixel_array, GRAY8)
    assert (dataset.Modality, dataset.ViewPosition, dataset.PatientAge) == ("DX", "PA", "050Y")
    assert dataset.LossyImageCompression == "00"


def test_sixteen_bit_grey_is_unchanged(tmp_path: Path) -> None:
    Image.fromarray(chest(bits=16)).save(tmp_path / "a.png")
    (written,) = wrap(tmp_path / "a.png", tmp_path / "out")
    dataset = pydicom.dcmread(written)
    assert dataset.BitsStored == 16
    assert np.array_equal(dataset.pixel_array, chest(bits=16))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
def test_colour_becomes_luminance(tmp_path: Path, mode: str) -> None:
    Image.fromarray(GRAY8).convert(mode).save(tmp_path / "a.png")
    (written,) = wrap(tmp_path / "a.png", tmp_path / "out")
    difference = np.abs(pydicom.dcmread(written).pixel_array.astype(int) - GRAY8)
    assert difference.max() <= 1


def test_a_jpeg_says_that_it_was_lossy(tmp_path: Path) -> None:
    Image.fromarray(GRAY8).save(tmp_path / "a.JPG", "JPEG", quality=80)
    (written,) = wrap(tmp_path, tmp_path / "out")
    dataset = pydicom.dcmread(written)
    assert dataset.LossyImageCompression == "01"
    assert dataset.LossyImageCompressionRatio == pytest.approx(
        GRAY8.size / (tmp_path / "a.JPG").stat().st_size, abs=0.01
    )


def test_a_folder_is_walked_and_mirrored(tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    Image.fromarray(GRAY8).save(tmp_path / "in/a.png")
    Image.fromarray(GRAY8[::-1]).save(tmp_path / "in/deep/b.png")
    (tmp_path / "in/notes.txt").write_text("no picture")
    written = wrap(tmp_path / "in", tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "out/a.png.dcm",
        "out/deep/b.png.dcm",
    ]
    patients = {pydicom.dcmread(path).PatientID for path in written}
    assert len(patients) == 2


def test_the_same_file_gets_the_same_uids(tmp_path: Path) -> None:
    Image.fromarray(GRAY8).save(tmp_path / "a.png")
    first, second = (
        pydicom.dcmread(wrap(tmp_path / "a.png", tmp_path / name)[0]) for name in ("x", "y")
    )
    assert first == second


def test_the_patient_id_can_be_given(tmp_path: Path) -> None:
    Image.fromarray(GRAY8).save(tmp_path / "a.png")
    (written,) = dicomize_path(
        tmp_path / "a.png", tmp_path / "out", view="ap", age=None, sex="", patient_id="P7"
    )
    dataset = pydicom.dcmread(written)
    assert (dataset.PatientID, dataset.ViewPosition) == ("P7", "AP")
    assert "PatientAge" not in dataset


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(Unreadable):
        wrap(tmp_path / "a.png", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cut_picture_is_refused(tmp_path: Path) -> None:
    Image.fromarray(GRAY8).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-500])
    with pytest.raises(Unreadable):
        dicomize(tmp_path / "a.png", tmp_path / "a.dcm", RadiographDetails("P"))


def test_nothing_to_wrap_and_unknown_views(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no PNG"):
        wrap(tmp_path, tmp_path / "out")
    with pytest.raises(Unreadable, match="view"):
        dicomize_path(tmp_path, tmp_path / "out", view="TOP", age=1, sex="")
