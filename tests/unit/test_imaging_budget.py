"""What is refused before any decoder runs, and with which reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from cxr_node.domain.errors import NotReadable
from cxr_node.imaging.budget import Budget, check_budget
from cxr_node.imaging.stored import read_stored
from tests.builders import radiograph, save

BUDGET = Budget(max_pixels=64_000_000, memory_bytes=1 << 30, seconds=20)


def reason(dataset: FileDataset, folder: Path, budget: Budget = BUDGET) -> str | None:
    try:
        check_budget(read_stored(save(dataset, folder)), budget)
    except NotReadable as refusal:
        return str(refusal.reason)
    return None


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_native_pixels_pass(tmp_path: Path, bits: int) -> None:
    assert reason(radiograph(bits=bits), tmp_path) is None


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_compressed_pixels_pass(tmp_path: Path, syntax: str) -> None:
    assert reason(radiograph(transfer_syntax=syntax), tmp_path) is None


def drop_pixels(dataset: FileDataset) -> None:
    del dataset.PixelData


def cut_pixels(dataset: FileDataset) -> None:
    dataset.PixelData = dataset.PixelData[:-2]


def three_samples(dataset: FileDataset) -> None:
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"


def put(**tags: Any) -> Callable[[FileDataset], None]:
    def change(dataset: FileDataset) -> None:
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (drop_pixels, "no-pixels"),
        (cut_pixels, "pixel-data-short"),
        (put(Rows=65535, Columns=65535), "pixel-data-short"),
        (put(NumberOfFrames=1_000_000_000), "frames"),
        (put(NumberOfFrames=-1), "frames"),
        (put(NumberOfFrames=0), "frames"),
        (put(Rows=0), "dimensions"),
        (put(Columns=None), "dimensions"),
        (put(BitsStored=17), "pixel-description"),
        (put(HighBit=15), "pixel-description"),
        (put(PixelRepresentation=7), "pixel-description"),
        (put(SamplesPerPixel=3), "pixel-description"),
        (put(PhotometricInterpretation="PALETTE COLOR"), "pixel-description"),
        (put(RescaleSlope=0), "rescale"),
        (put(RescaleSlope="1e308"), "rescale"),
        (three_samples, "pixel-data-short"),
    ],
)
def test_contradictions(
    tmp_path: Path, change: Callable[[FileDataset], None], expected: str
) -> None:
    dataset = radiograph()
    change(dataset)
    assert reason(dataset, tmp_path) == expected


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("tags", [{"Rows": 8, "Columns": 8}, {"Columns": 512}])
def test_the_codestream_must_agree(tmp_path: Path, syntax: str, tags: dict[str, int]) -> None:
    dataset = radiograph(transfer_syntax=syntax)
    put(**tags)(dataset)
    assert reason(dataset, tmp_path) == "codestream-mismatch"


def test_another_codec_than_named(tmp_path: Path) -> None:
    dataset = radiograph(transfer_syntax=JPEGLSLossless)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    assert reason(dataset, tmp_path) == "decode"


def test_limits_are_limits(tmp_path: Path) -> None:
    exact = Budget(256 * 224, 256 * 224 * 8, 1)
    assert reason(radiograph(rows=256, columns=224), tmp_path, exact) is None
    few = Budget(256 * 224 - 1, 1 << 30, 1)
    assert reason(radiograph(rows=256, columns=224), tmp_path, few) == "too-large"
    poor = Budget(64_000_000, 256 * 224 * 8 - 1, 1)
    assert reason(radiograph(rows=256, columns=224), tmp_path, poor) == "too-large"


def test_an_empty_encapsulation(tmp_path: Path) -> None:
    dataset = radiograph(transfer_syntax=JPEGLSLossless)
    dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    assert reason(dataset, tmp_path) == "pixel-data-short"


def test_rescale_text_that_is_no_number(tmp_path: Path) -> None:
    path = save(radiograph(RescaleSlope="1.5e0"), tmp_path)
    for text in (b"nan  ", b"1,5e0", b"  inf"):
        path.write_bytes(path.read_bytes().replace(b"1.5e0", text))
        with pytest.raises(NotReadable, match="rescale"):
            check_budget(read_stored(path), BUDGET)
        path.write_bytes(path.read_bytes().replace(text, b"1.5e0"))


def test_a_file_cut_inside_its_pixels(tmp_path: Path) -> None:
    """The element's length field still promises the whole picture."""
    path = save(radiograph(), tmp_path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(NotReadable, match="pixel-data-short"):
        check_budget(read_stored(path), BUDGET)
