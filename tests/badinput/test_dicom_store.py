"""Bad C-STOREs over a real association (rows B6 to B31); after each an honest study passes."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import (
    MPEG4HP41,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedCDAStorage,
    ImplicitVRLittleEndian,
)
from pynetdicom import AE
from pynetdicom.dsutils import encode

from cxr_node.domain.errors import SpoolFull, StoreUnavailable
from cxr_node.domain.instance import Received
from tests.builders import ct_slice, radiograph
from tests.listening import NODE, SENDER, Node, listening, raw_store, send, until

CR = ComputedRadiographyImageStorage


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with listening(tmp_path) as running:
        yield running
        before = len(running.stored)
        assert send(running, radiograph()) == 0x0000, "an honest study must still pass"
        assert len(running.stored) == before + 1
        assert until(lambda: not running.leftovers())
        outside = [p for p in tmp_path.rglob("*") if p.is_file()]
        assert outside == [], "no file may lie outside the partial folder"


def _encoded(ds: FileDataset) -> bytes:
    return encode(ds, True, True) or b""


def _image(**tags: object) -> FileDataset:
    return radiograph(
        modality="CR", instance_uid="1.2.3", transfer_syntax=ImplicitVRLittleEndian, **tags
    )


def _element(group: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", group, number, len(value)) + value


def _rejection(node: Node, calling: str, called: str) -> tuple[int, int, int]:
    entity = AE(ae_title=calling)
    entity.add_requested_context(CR)
    association = entity.associate("127.0.0.1", node.port, ae_title=called)
    assert association.is_rejected
    answer = association.acceptor.primitive
    assert answer is not None
    return answer.result, answer.result_source, answer.diagnostic


def test_b6_an_unknown_calling_title_is_rejected(node: Node) -> None:
    assert _rejection(node, "STRANGER", NODE) == (1, 1, 3)


def test_b7_a_wrong_called_title_is_rejected(node: Node) -> None:
    assert _rejection(node, SENDER, "OTHER") == (1, 1, 7)


def test_b10_an_association_over_the_limit_is_rejected(tmp_path: Path) -> None:
    with listening(tmp_path, max_associations=2, max_associations_per_address=2) as node:
        entity = AE(ae_title=SENDER)
        entity.add_requested_context(CR)
        held = [entity.associate("127.0.0.1", node.port, ae_title=NODE) for _ in range(2)]
        assert all(a.is_established for a in held)
        assert _rejection(node, SENDER, NODE) == (2, 3, 2)
        held[0].release()
        assert until(lambda: node.listener.associations == 1)
        assert send(node, radiograph()) == 0x0000
        held[1].release()


@pytest.mark.parametrize(
    ("sop_class", "syntax", "result"),
    [
        (CTImageStorage, ImplicitVRLittleEndian, 3),
        (EncapsulatedCDAStorage, ImplicitVRLittleEndian, 3),
        ("1.2.840.10008.5.1.4.1.1.77.1.4.1", MPEG4HP41, 3),
        ("1.2.3.4.5.6", ImplicitVRLittleEndian, 3),
        (CR, DeflatedExplicitVRLittleEndian, 4),
        (CR, MPEG4HP41, 4),
    ],
)
def test_b12_b13_b34_unsupported_contexts_are_refused(
    node: Node, sop_class: str, syntax: str, result: int
) -> None:
    entity = AE(ae_title=SENDER)
    entity.add_requested_context(sop_class, syntax)
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", node.port, ae_title=NODE)
    assert association.is_established
    assert [cx.result for cx in association.rejected_contexts] == [result]
    association.release()


def test_b15_another_class_than_the_contexts_is_refused(node: Node) -> None:
    ct = ct_slice()
    assert send(node, ct, context=CR) == 0x0122
    assert node.stored == []


def test_b16_data_set_and_command_differ_in_class(node: Node) -> None:
    assert send(node, ct_slice(), context=CR, command_class=CR) == 0xA900


def test_b17_data_set_and_command_differ_in_instance(node: Node) -> None:
    assert send(node, radiograph(), command_instance="1.2.3.4") == 0xC002


def test_b17_data_set_names_no_instance(node: Node) -> None:
    ds = _image()
    del ds.SOPInstanceUID
    assert raw_store(node, CR, b"1.2.3", _encoded(ds)) == 0xC002


def _cut_inside_an_element(raw: bytes) -> bytes:
    return raw[: raw.index(_element(0x0010, 0x0020, b"PAT1")) + 10]


def _element_longer_than_the_rest(raw: bytes) -> bytes:
    whole = _element(0x0010, 0x0020, b"PAT1")
    return raw.replace(whole, struct.pack("<HHL", 0x0010, 0x0020, 0xFFFFFFF0) + b"PAT1")


def _sequence_without_end(raw: bytes) -> bytes:
    whole = _element(0x0010, 0x0020, b"PAT1")
    open_sequence = struct.pack("<HHL", 0x0008, 0x1140, 0xFFFFFFFF)
    return raw.replace(whole, open_sequence + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF))


def _nested(raw: bytes, depth: int = 5000) -> bytes:
    opened = struct.pack("<HHL", 0x0008, 0x1140, 0xFFFFFFFF)
    opened += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    closed = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return opened * depth + closed * depth + raw


def _two_million_elements(raw: bytes) -> bytes:
    return struct.pack("<HHL", 0x0009, 0x1001, 0) * 2_000_000 + raw


@pytest.mark.parametrize(
    "damage",
    [
        _cut_inside_an_element,
        _element_longer_than_the_rest,
        _sequence_without_end,
        _nested,
        _two_million_elements,
        lambda raw: raw + b"\x08",
        lambda raw: b"\xff" * 4000,
    ],
    ids=["B24", "B25", "B26", "B27", "B28", "one byte more", "all ones"],
)
def test_b24_to_b28_malformed_data_sets(node: Node, damage: Callable[[bytes], bytes]) -> None:
    raw = damage(_encoded(_image()))
    assert raw_store(node, CR, b"1.2.3", raw) == 0xC001
    assert node.stored == []


@pytest.mark.parametrize(
    "uid",
    [
        b"../../etc/x",
        b"/etc/passwd",
        b"C:\\x",
        b"1.2\x00.3",
        b"1.02",
        b"1..2",
        b"1.2.",
        "1.２".encode(),
        b"",
        b"-",
        b"1" * 66,
    ],
)
def test_b29_a_malformed_instance_uid_writes_nothing(node: Node, uid: bytes) -> None:
    answer = raw_store(node, CR, uid, _encoded(_image()))
    assert answer == 0x0117
    assert node.stored == []


def test_b29_a_malformed_instance_uid_in_the_data_set(node: Node) -> None:
    ds = _encoded(_image()).replace(b"1.2.3\0", b"../..x")
    assert raw_store(node, CR, b"1.2.3", ds) == 0x0117


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("value", [b"../..x", b"1.2.03", None])
def test_b30_b31_study_and_series(node: Node, keyword: str, value: bytes | None) -> None:
    ds = _image()
    if value is None:
        delattr(ds, keyword)
        raw = _encoded(ds)
    else:
        setattr(ds, keyword, "1.9.8.7.65")
        raw = _encoded(ds).replace(b"1.9.8.7.65", value.ljust(10, b"\0"))
    assert raw_store(node, CR, b"1.2.3", raw) == 0xC003


@pytest.mark.parametrize("error", [SpoolFull("full"), StoreUnavailable("gone")])
def test_b46_no_room_is_a_temporary_refusal(tmp_path: Path, error: Exception) -> None:
    full = True

    def check_room() -> None:
        if full:
            raise error

    with listening(tmp_path, check_room=check_room) as node:
        assert send(node, radiograph()) == 0xA700
        assert node.leftovers() == []
        full = False
        assert send(node, radiograph()) == 0x0000


def test_a_fault_of_our_own_is_answered_and_leaves_no_file(tmp_path: Path) -> None:
    def broken(received: Received) -> None:
        raise ZeroDivisionError(received.partial.name)

    with listening(tmp_path, on_instance=broken) as node:
        assert send(node, radiograph()) == 0x0110
        assert until(lambda: node.leftovers() == [])


def test_b32_the_stored_preamble_is_ours(node: Node) -> None:
    ds = radiograph()
    ds.preamble = b"MZ" + bytes(126)
    assert send(node, ds) == 0x0000
    assert node.files[0][:132] == bytes(128) + b"DICM"


def test_b21_short_pixel_data_is_accepted(node: Node) -> None:
    ds = _image(Rows=65535, Columns=65535)
    assert raw_store(node, CR, b"1.2.3", _encoded(ds)) == 0x0000
    assert node.stored[0].pixels.rows == 65535


def test_b35_hostile_text_is_stored_as_it_came(node: Node) -> None:
    name = "A\r\nlevel=fatal\x1b[2J‮${jndi:ldap://x}' OR 1=1"
    raw = _encoded(_image(PatientID="JUSTAPLACE"))
    wanted = name.encode() + bytes(len(name.encode()) % 2)
    raw = raw.replace(_element(0x10, 0x20, b"JUSTAPLACE"), _element(0x10, 0x20, wanted))
    assert raw_store(node, CR, b"1.2.3", raw) == 0x0000
    assert node.stored[0].patient.patient_id == name


def test_b48_the_same_instance_many_times(node: Node) -> None:
    ds = radiograph(rows=32, columns=32)
    assert [send(node, ds) for _ in range(20)] == [0x0000] * 20


def test_nothing_received_reaches_the_log(
    node: Node, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    ds = radiograph(
        patient_name="CANARY^NAME", patient_id="CANARYID", StudyDescription="CANARYTEXT"
    )
    send(node, ds)
    raw_store(node, CR, b"../../CANARYUID", _encoded(_image()))
    send(node, ds, calling="CANARYAE")
    written = io.StringIO()
    for record in caplog.records:
        written.write(f"{record.getMessage()} {vars(record)}\n")
    captured = capfd.readouterr()
    assert "CANARY" not in written.getvalue() + captured.out + captured.err


def test_an_empty_data_set_names_no_instance(node: Node) -> None:
    assert raw_store(node, CR, b"1.2.3", b"") == 0xC002
