"""Bad pixels (B21–B23, B39–B43): refused with a reason, quickly, and the next image is read."""

from __future__ import annotations

import resource
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from cxr_node.config import ImagingSection
from cxr_node.domain.errors import NotConformant, NotReadable, Unreadable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import ImagePolicy, SizePolicy
from cxr_node.imaging.reader import PixelReader
from tests.builders import radiograph, save

POLICY = ImagePolicy(SizePolicy.STRETCH, side=128)
INSTANCE = Uid("1.2.826.0.1.3680043.8.498.1")


@pytest.fixture(scope="module")
def reader() -> Iterator[PixelReader]:
    made = PixelReader(ImagingSection())
    yield made
    made.close()


def put(**tags: Any) -> Callable[[FileDataset], None]:
    def change(dataset: FileDataset) -> None:
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)

    return change


def claim_65535(dataset: FileDataset) -> None:
    dataset.Rows = dataset.Columns = 65535
    dataset.PixelData = b"\0" * 128


def as_long(dataset: FileDataset) -> None:
    del dataset.Rows
    dataset.add_new("Rows", "UL", 256)


def constant(dataset: FileDataset) -> None:
    dataset.PixelData = np.full((256, 224), 99, "<u2").tobytes()


def noise(dataset: FileDataset) -> None:
    random = np.random.default_rng(5)
    dataset.PixelData = random.integers(0, 4096, (256, 224)).astype("<u2").tobytes()


CASES: dict[str, tuple[Callable[[FileDataset], None], str]] = {
    "B21": (claim_65535, "pixel-data-short"),
    "B23-many": (put(NumberOfFrames=10**9), "frames"),
    "B23-negative": (put(NumberOfFrames=-1), "frames"),
    "B39-zero": (put(WindowWidth=0), "grayscale"),
    "B39-negative": (put(WindowWidth=-40), "grayscale"),
    "B40-zero": (put(RescaleSlope=0), "rescale"),
    "B40-huge": (put(RescaleSlope="1e308"), "rescale"),
    "B41-stored": (put(BitsStored=20), "pixel-description"),
    "B41-high": (put(HighBit=3), "pixel-description"),
    "B41-samples": (put(SamplesPerPixel=3), "pixel-description"),
    "B41-representation": (put(PixelRepresentation=7), "pixel-description"),
    "B42-zero": (put(Rows=0), "dimensions"),
    "B42-absent": (put(Columns=None), "dimensions"),
    "B42-long": (as_long, "dimensions"),
    "B43-constant": (constant, "image-quality"),
    "B43-noise": (noise, "image-quality"),
}


def refused(reader: PixelReader, dataset: FileDataset, folder: Path) -> str:
    """The reason; takes under 2 s, costs under 64 MiB, and an honest image still passes."""
    path = save(dataset, folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    with pytest.raises(NotReadable) as refusal:
        reader.prepare(path, INSTANCE, POLICY)
    assert time.monotonic() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    honest = radiograph(instance_uid=INSTANCE.text)
    assert reader.prepare(save(honest, folder / "honest.dcm"), INSTANCE, POLICY).width == 128
    return refusal.value.reason


@pytest.mark.parametrize("name", CASES)
def test_bad_pixels(reader: PixelReader, tmp_path: Path, name: str) -> None:
    change, reason = CASES[name]
    dataset = radiograph(instance_uid=INSTANCE.text)
    change(dataset)
    assert refused(reader, dataset, tmp_path) == reason


def enlarged(stream: bytes, columns: int, rows: int) -> bytes:
    """The same JPEG 2000 stream claiming another size."""
    return stream[:8] + struct.pack(">II", columns, rows) + stream[16:]


@pytest.mark.parametrize(
    ("header", "reason"), [(512, "codestream-mismatch"), (30_000, "too-large")]
)
def test_b22_a_bomb_is_never_decoded(
    reader: PixelReader, tmp_path: Path, header: int, reason: str
) -> None:
    dataset = radiograph(instance_uid=INSTANCE.text, transfer_syntax=JPEG2000Lossless)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([enlarged(stream, 30_000, 30_000)])
    dataset.Rows = dataset.Columns = header
    assert refused(reader, dataset, tmp_path) == reason


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_a_cut_stream_is_a_refusal_or_a_picture(
    reader: PixelReader, tmp_path: Path, syntax: str
) -> None:
    whole = radiograph(instance_uid=INSTANCE.text, transfer_syntax=syntax)
    stream = next(generate_frames(whole.PixelData, number_of_frames=1))
    for length in (10, 60, len(stream) // 2, len(stream) - 3):
        whole.PixelData = encapsulate([stream[:length] + b"\0" * (length % 2)])
        path = save(whole, tmp_path)
        try:
            reader.prepare(path, INSTANCE, POLICY)
        except NotReadable as refusal:
            assert refusal.reason in ("decode", "pixel-data-short", "image-quality")


def test_flipped_bytes_never_bring_the_reader_down(reader: PixelReader, tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    for syntax in (JPEG2000Lossless, JPEGLSLossless, RLELossless):
        dataset = radiograph(instance_uid=INSTANCE.text, transfer_syntax=syntax)
        honest = save(dataset, tmp_path).read_bytes()
        for _ in range(15):
            broken = bytearray(honest)
            for place in random.integers(132, len(broken), 6):
                broken[place] = random.integers(0, 256)
            path = tmp_path / "broken.dcm"
            path.write_bytes(bytes(broken))
            _prepared_or_refused(reader, path)
    assert reader.prepare(save(dataset, tmp_path), INSTANCE, POLICY).width == 128


def _prepared_or_refused(reader: PixelReader, path: Path) -> None:
    try:
        reader.prepare(path, INSTANCE, POLICY)
    except (NotReadable, NotConformant):
        return


def test_b27_deep_nesting(reader: PixelReader, tmp_path: Path) -> None:
    dataset = radiograph(instance_uid=INSTANCE.text)
    path = save(dataset, tmp_path)
    start = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    content = path.read_bytes()
    at = content.index(b"\x08\x00\x60\x00CS")
    path.write_bytes(content[:at] + start * 5000 + end * 5000 + content[at:])
    with pytest.raises((NotReadable, Unreadable)):
        reader.prepare(path, INSTANCE, POLICY)
    honest = save(radiograph(instance_uid=INSTANCE.text), tmp_path / "honest.dcm")
    assert reader.prepare(honest, INSTANCE, POLICY).width == 128


def test_no_text_of_the_file_is_in_a_refusal(reader: PixelReader, tmp_path: Path) -> None:
    dataset = radiograph(
        instance_uid=INSTANCE.text, patient_name="CANARY^NAME", patient_id="CANARY"
    )
    item = Dataset()
    item.LUTExplanation = "CANARY"
    dataset.VOILUTSequence = [item]
    with pytest.raises(NotReadable) as refusal:
        reader.prepare(save(dataset, tmp_path), INSTANCE, POLICY)
    assert "CANARY" not in str(refusal.value)
