"""The listener over real TCP: every syntax in, files as written, progress, and stopping."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom.dsutils import encode

from cxr_node.dicom.listener import _Server
from cxr_node.dicom.reception import Progress, StudyPeek
from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.identifiers import Uid
from tests.builders import radiograph
from tests.listening import (
    association_request,
    listening,
    pdv,
    read_pdu,
    send,
    store_command,
    until,
)

CR = ComputedRadiographyImageStorage


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
    ],
)
def test_the_file_holds_exactly_what_was_sent(tmp_path: Path, syntax: str) -> None:
    ds = radiograph(transfer_syntax=syntax, patient_name="山田^太郎")
    with listening(tmp_path) as node:
        assert send(node, ds) == 0x0000
        assert node.leftovers() == []
    stored = pydicom.dcmread(io.BytesIO(node.files[0]))
    assert stored.file_meta.TransferSyntaxUID == syntax
    assert stored.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert stored.PatientName == "山田^太郎"
    assert (stored.pixel_array == ds.pixel_array).all()


def test_a_large_image_arrives_whole(tmp_path: Path) -> None:
    ds = radiograph(rows=2000, columns=2000)
    with listening(tmp_path) as node:
        assert send(node, ds) == 0x0000
    assert pydicom.dcmread(io.BytesIO(node.files[0])).PixelData == ds.PixelData


def test_several_senders_at_once(tmp_path: Path) -> None:
    statuses: list[int | None] = []
    with listening(tmp_path) as node:
        threads = [
            threading.Thread(target=lambda: statuses.append(send(node, radiograph())))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [0] * 6 and len({f.sop_instance_uid for f in node.stored}) == 6
        assert until(lambda: node.listener.associations == 0)


def test_arriving_bytes_report_their_study(tmp_path: Path) -> None:
    ds = radiograph(modality="CR", instance_uid="1.2.3", study_uid="1.2.4")
    raw = encode(ds, True, True) or b""
    with listening(tmp_path) as node, node.connect() as wire:
        wire.sendall(association_request(CR))
        assert read_pdu(wire) is not None
        wire.sendall(pdv(store_command(CR.encode(), b"1.2.3"), command=True, last=True))
        begun = time.monotonic()
        for start in range(0, len(raw) - 1, 4000):
            wire.sendall(pdv(raw[start : start + 4000], command=False, last=False))
            time.sleep(0.07)
            if time.monotonic() - begun > 2.3:
                break
        assert until(lambda: len(node.progress) >= 1)
        assert set(node.progress) == {Uid("1.2.4")} and len(node.progress) <= 3
        assert node.stored == []


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_the_study_is_found_in_fragments_of_any_size(syntax: str) -> None:
    ds = radiograph(study_uid="1.2.4", transfer_syntax=syntax)
    raw = encode(ds, ds.file_meta.TransferSyntaxUID.is_implicit_VR, True) or b""
    for size in (100, 999, 100_000):
        peek = StudyPeek(syntax)
        for start in range(0, len(raw), size):
            peek.feed(raw[start : start + size])
        assert peek.study == Uid("1.2.4")
    peek = StudyPeek(syntax)
    peek.feed(b"\xff" * 200_000)
    assert peek.study is None


def test_a_failing_progress_does_not_disturb_reception() -> None:
    def broken(study: Uid) -> None:
        raise StoreUnavailable("gone")

    progress = Progress(broken)
    progress._last -= 10
    progress.moved(Uid("1.2.3"))


def test_stop_is_prompt_with_open_connections_and_may_be_repeated(tmp_path: Path) -> None:
    with listening(tmp_path) as node:
        wires = [node.connect() for _ in range(3)]
        wires[0].sendall(association_request(CR))
        assert read_pdu(wires[0]) is not None
        wires[1].sendall(b"\x01\0\0\0\x10\0")
        assert until(lambda: node.listener.associations == 1)
        begun = time.monotonic()
        node.listener.stop()
        assert time.monotonic() - begun < 3.0
        node.listener.stop()
        for wire in wires:
            wire.close()
    assert until(lambda: not [t for t in threading.enumerate() if t.name.startswith("dicom-")])


def test_stop_waits_for_a_connection_whose_thread_has_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [[threading.Thread()], [threading.Thread()], []]
    with listening(tmp_path) as node:
        monkeypatch.setattr(_Server, "active_associations", property(lambda _: waiting.pop(0)))
        node.listener.stop()
        assert not waiting


def test_a_silent_peer_is_dropped(tmp_path: Path) -> None:
    with listening(tmp_path, idle_seconds=0.5) as node, node.connect() as wire:
        wire.sendall(association_request(CR))
        assert (read_pdu(wire) or (0,))[0] == 2
        assert (read_pdu(wire) or (7,))[0] == 7
        assert until(lambda: node.listener.associations == 0)


def test_the_port_can_be_bound_again_at_once(tmp_path: Path) -> None:
    with listening(tmp_path) as node:
        assert send(node, radiograph()) == 0
        port = node.port
    with listening(tmp_path, port=port) as again:
        assert again.port == port and send(again, radiograph()) == 0
