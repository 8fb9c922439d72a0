"""The reader: one picture from file to prepared image, through the child process."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from cxr_node.config import ImagingSection
from cxr_node.domain.errors import NotReadable, Unreadable, WrongInstance
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PixelFacts
from cxr_node.domain.ports import ImagePolicy, ImageReader, SizePolicy
from cxr_node.imaging.reader import PixelReader
from tests.builders import radiograph, save

POLICY = ImagePolicy(SizePolicy.LETTERBOX, side=224)
FACTS = PixelFacts(
    rows=256,
    columns=224,
    photometric="MONOCHROME2",
    bits_allocated=16,
    bits_stored=12,
    high_bit=11,
    pixel_representation=0,
    has_pixels=True,
)


@pytest.fixture(scope="module")
def reader() -> Iterator[PixelReader]:
    made = PixelReader(ImagingSection())
    yield made
    made.close()


def test_it_is_the_port(reader: PixelReader) -> None:
    port: ImageReader = reader
    assert port is reader


@pytest.mark.parametrize(
    ("syntax", "decoder"),
    [
        ("1.2.840.10008.1.2.1", "native"),
        (JPEG2000Lossless, "gdcm"),
        (JPEGLSLossless, "pyjpegls"),
        (RLELossless, "pylibjpeg"),
    ],
)
def test_every_syntax_gives_the_same_picture(
    reader: PixelReader, tmp_path: Path, syntax: str, decoder: str
) -> None:
    plain = radiograph()
    coded = radiograph(transfer_syntax=syntax)
    expected = reader.prepare(save(plain, tmp_path), Uid(plain.SOPInstanceUID), POLICY)
    found = reader.prepare(save(coded, tmp_path), Uid(coded.SOPInstanceUID), POLICY)
    assert found.decoder == decoder
    assert found.gray == expected.gray
    assert (found.width, found.height, len(found.gray)) == (224, 224, 224 * 224)
    assert (found.original_columns, found.original_rows) == (224, 256)
    assert found.notes == ("window",)


def test_inspect_accepts_and_refuses(reader: PixelReader, tmp_path: Path) -> None:
    good = save(radiograph(), tmp_path)
    reader.inspect(good, FACTS)
    with pytest.raises(NotReadable, match="no-pixels"):
        reader.inspect(good, PixelFacts())
    short = radiograph()
    short.PixelData = short.PixelData[:100]
    with pytest.raises(NotReadable, match="pixel-data-short"):
        reader.inspect(save(short, tmp_path), FACTS)


def test_a_picture_of_another_instance_is_not_shown(reader: PixelReader, tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path)
    with pytest.raises(WrongInstance):
        reader.prepare(path, Uid("1.2.3"), POLICY)
    with pytest.raises(WrongInstance):
        reader.render_png(path, Uid("1.2.3"), 256)


def test_the_page_gets_a_png(reader: PixelReader, tmp_path: Path) -> None:
    dataset = radiograph(rows=600, columns=500)
    png = reader.render_png(save(dataset, tmp_path), Uid(dataset.SOPInstanceUID), 300)
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.size, picture.mode) == ("PNG", (250, 300), "L")
    assert np.asarray(picture).std() > 20


def test_the_page_may_show_what_the_model_may_not_read(reader: PixelReader, tmp_path: Path) -> None:
    dataset = radiograph(pixels=np.full((64, 64), 7, np.uint16))
    path = save(dataset, tmp_path)
    assert reader.render_png(path, Uid(dataset.SOPInstanceUID), 64).startswith(b"\x89PNG")
    with pytest.raises(NotReadable, match="image-quality"):
        reader.prepare(path, Uid(dataset.SOPInstanceUID), POLICY)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0JFIF", b"A" * 5000, b"\0" * 300])
def test_files_that_are_no_dicom(reader: PixelReader, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(content)
    with pytest.raises((NotReadable, Unreadable)):
        reader.prepare(path, Uid("1.2"), POLICY)


def test_a_missing_file(reader: PixelReader, tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        reader.prepare(tmp_path / "none.dcm", Uid("1.2"), POLICY)


def test_no_preamble_and_no_file_meta(reader: PixelReader, tmp_path: Path) -> None:
    path, bare = tmp_path / "bare", radiograph()
    uid = Uid(bare.SOPInstanceUID)
    bare.file_meta.clear()
    bare.preamble = None
    bare.save_as(path, enforce_file_format=False, implicit_vr=True, little_endian=True)
    assert reader.prepare(path, uid, POLICY).decoder == "native"


def test_threads_share_one_child(reader: PixelReader, tmp_path: Path) -> None:
    datasets = [radiograph(rows=200 + 8 * index) for index in range(6)]
    paths = [save(dataset, tmp_path) for dataset in datasets]
    rows: dict[int, int] = {}

    def prepare(index: int) -> None:
        uid = Uid(datasets[index].SOPInstanceUID)
        rows[index] = reader.prepare(paths[index], uid, POLICY).original_rows

    threads = [threading.Thread(target=prepare, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows == {index: 200 + 8 * index for index in range(6)}


def test_the_overhead_is_small(reader: PixelReader, tmp_path: Path) -> None:
    dataset = radiograph(rows=64, columns=64)
    path, uid = save(dataset, tmp_path), Uid(dataset.SOPInstanceUID)
    policy = ImagePolicy(SizePolicy.STRETCH, side=64)
    reader.prepare(path, uid, policy)
    spent = []
    for _ in range(15):
        start = time.perf_counter()
        reader.prepare(path, uid, policy)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.020


def test_the_child_does_not_load_torch() -> None:
    code = (
        "import sys, cxr_node.imaging.decode_child;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
