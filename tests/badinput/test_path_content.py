"""Content that must not be read, sent to a whole node: accepted, kept, and shown with a reason.

After each, an honest study still passes, and nothing lies outside the spool's own folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from cxr_node.config import PeerSection
from cxr_node.dicom.modality import Modality, Sent
from cxr_node.domain.eligibility import WORDS, Reason
from cxr_node.domain.study import StudyState, VisibleState
from tests.builders import ct_slice, radiograph, save
from tests.nodes import script
from tests.running_node import SENDER_AE, RunningNode


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for all cases: each must leave it as good as before."""
    folder = tmp_path_factory.mktemp("hardened")
    with RunningNode(folder / "node", model=script(folder)) as node:
        yield node


def sent(node: RunningNode, path: Path, calling_ae: str = SENDER_AE) -> Sent:
    """Offer the file's bytes as they are."""
    receiver = PeerSection(name="node", ae_title="CXRNODE", host="127.0.0.1", port=node.dicom_port)
    [answer] = Modality(calling_ae, receiver).send([path])
    return answer


def honest_study_passes(node: RunningNode, folder: Path) -> None:
    image = radiograph()
    assert sent(node, save(image, folder / "honest")).taken
    item = node.settled(image.StudyInstanceUID)
    assert item.state is StudyState.DELIVERED
    data = node.folder / "data"
    allowed = {
        "spool",
        "models",
        "audit-key",
        "cxr-node.sqlite3",
        "cxr-node.sqlite3-wal",
        "cxr-node.sqlite3-shm",
    }
    assert {path.name for path in data.iterdir()} <= allowed


def claims_more_than_it_holds() -> FileDataset:
    ds = radiograph()
    ds.Rows = ds.Columns = 65535
    ds.PixelData = bytes(128)
    return ds


def hides_a_large_codestream() -> FileDataset:
    """B22: the header says 256 x 224, the JPEG 2000 codestream 30000 x 30000."""
    ds = radiograph(rows=256, columns=224)
    size = (30000).to_bytes(4, "big")
    zero = bytes(4)
    siz = b"\x00\x00" + size * 2 + zero * 2 + size * 2 + zero * 2 + b"\x00\x01\x0b\x01\x01"
    head = b"\xff\x4f\xff\x51" + (len(siz) + 2).to_bytes(2, "big") + siz
    ds.PixelData = encapsulate([head + b"\xff\xd9" + bytes(1000)])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    return ds


def frames(number: int) -> Callable[[], FileDataset]:
    return lambda: radiograph(NumberOfFrames=number)


def flat() -> FileDataset:
    return radiograph(pixels=np.full((256, 224), 1000, np.uint16))


def noise() -> FileDataset:
    grain = np.random.default_rng(5).integers(0, 4096, (256, 224))
    return radiograph(pixels=grain.astype(np.uint16))


CASES = {
    "B21": (claims_more_than_it_holds, Reason.PIXEL_DATA_SHORT),
    "B22": (hides_a_large_codestream, Reason.CODESTREAM_MISMATCH),
    "B23 many": (frames(10**9), Reason.FRAMES),
    "B23 negative": (frames(-1), Reason.FRAMES),
    "B43 flat": (flat, Reason.IMAGE_QUALITY),
    "B43 blank": (lambda: radiograph(pixels=np.zeros((256, 224), np.uint16)), Reason.IMAGE_QUALITY),
    "B43 noise": (noise, Reason.IMAGE_QUALITY),
    "B44 knee": (lambda: radiograph(body_part="KNEE"), Reason.BODY_PART),
    "B44 lateral only": (lambda: radiograph(view="LL"), Reason.VIEW),
    "B44 child": (lambda: radiograph(age="004Y"), Reason.AGE),
    "B44 no age": (lambda: radiograph(age="", PatientBirthDate=""), Reason.AGE_UNKNOWN),
    "CT in a DX": (lambda: radiograph(Modality="CT"), Reason.MODALITY),
}


@pytest.mark.parametrize("case", CASES)
def test_accepted_kept_and_shown_as_not_eligible(
    case: str, hardened: RunningNode, tmp_path: Path
) -> None:
    build, reason = CASES[case]
    image = build()
    answer = sent(hardened, save(image, tmp_path / "in"))
    assert answer.status == 0x0000
    item = hardened.settled(image.StudyInstanceUID)
    assert item.state is StudyState.NOT_ELIGIBLE
    assert item.visible_state is VisibleState.NOT_ELIGIBLE
    assert WORDS[reason] in item.words
    assert item.findings == []
    honest_study_passes(hardened, tmp_path)


def test_a_ct_slice_is_declined_at_the_door(hardened: RunningNode, tmp_path: Path) -> None:
    answer = sent(hardened, save(ct_slice(), tmp_path / "ct"))
    assert answer.status is None
    assert "CT Image Storage" in answer.words
    honest_study_passes(hardened, tmp_path)


def test_a_stranger_is_declined_at_the_door(hardened: RunningNode, tmp_path: Path) -> None:
    answer = sent(hardened, save(radiograph(), tmp_path / "in"), calling_ae="STRANGER")
    assert (answer.status, answer.words) == (None, "the association was rejected")
    honest_study_passes(hardened, tmp_path)


def test_a_truncated_file_is_answered_and_kept_aside(hardened: RunningNode, tmp_path: Path) -> None:
    image = radiograph()
    path = save(image, tmp_path / "in")
    path.write_bytes(path.read_bytes()[:900])
    assert sent(hardened, path).status == 0xC001
    assert hardened.study(image.StudyInstanceUID) is None
    assert list((hardened.folder / "data" / "spool" / "quarantine").rglob("*.dcm"))
    honest_study_passes(hardened, tmp_path)
