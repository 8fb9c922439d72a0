"""STOW-RS: objects become files as a C-STORE leaves them; what is refused says so, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydicom import dcmread
from pydicom.dataset import FileDataset

from cxr_node.domain.errors import SpoolFull, WrongStudy
from cxr_node.domain.instance import Received
from cxr_node.web.stow import ADDRESS, Storing, routes
from tests.builders import radiograph

KIND = 'multipart/related; type="application/dicom"; boundary=XX'


class Desk:
    """Keeps what it is given; refuses a study named so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: list[tuple[Received, bytes]] = []
        self.full = False

    def receive(self, received: Received) -> None:
        data = received.partial.read_bytes()
        if dcmread(BytesIO(data)).PatientID == "REFUSED":
            raise WrongStudy("no")
        self.kept.append((received, data))

    def check_room(self) -> None:
        if self.full:
            raise SpoolFull("full")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(routes(Storing(desk.receive, desk.check_room, lambda: desk.folder, 400_000)))
    with TestClient(app) as client:
        yield client


def encoded(ds: FileDataset) -> bytes:
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def body(*objects: bytes, preamble: bytes = b"") -> bytes:
    head = b"--XX\r\nContent-Type: application/dicom\r\n\r\n"
    return preamble + b"".join(head + one + b"\r\n" for one in objects) + b"--XX--\r\n"


def test_each_object_is_kept_as_a_c_store_would_have_left_it(
    client: TestClient, desk: Desk
) -> None:
    first, second = radiograph(), radiograph(modality="CR")
    sent = body(encoded(first), encoded(second), preamble=b"ignored\r\n")
    answer = client.post(ADDRESS, content=sent, headers={"content-type": KIND})
    assert answer.status_code == 200
    told = [item["00081155"]["Value"] for item in answer.json()["00081199"]["Value"]]
    assert told == [[first.SOPInstanceUID], [second.SOPInstanceUID]]
    assert [received.sop_instance_uid for received, _ in desk.kept] == [u for [u] in told]
    again = dcmread(BytesIO(desk.kept[0][1]))
    assert again == first
    assert again.file_meta.ImplementationVersionName != first.file_meta.get(
        "ImplementationVersionName"
    )
    assert list(desk.folder.iterdir()) == []


def test_what_is_refused_is_told_beside_what_is_kept(client: TestClient, desk: Desk) -> None:
    good, bad, other = radiograph(), radiograph(patient_id="REFUSED"), radiograph()
    other.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    sent = body(encoded(good), encoded(bad), b"no DICOM at all", encoded(other))
    answer = client.post(ADDRESS, content=sent, headers={"content-type": KIND})
    assert answer.status_code == 202
    failed = answer.json()["00081198"]["Value"]
    assert [item["00081197"]["Value"] for item in failed] == [[0xC003], [0xC001], [0x0122]]
    assert len(desk.kept) == 1
    alone = client.post(ADDRESS, content=body(encoded(bad)), headers={"content-type": KIND})
    assert alone.status_code == 409


@pytest.mark.parametrize(
    "kind, content, status",
    [
        ("application/json", b"{}", 415),
        ('multipart/related; type="application/dicom"', b"--XX--", 415),
        (KIND.replace("dicom", "dicom+json"), b"--XX--", 415),
        (KIND, b"", 400),
        (KIND, b"no delimiter", 400),
        (KIND, b"--XX\r\nContent-Type: application/dicom\r\n\r\ncut", 400),
        (KIND, b"--XX\r\nno end of the head", 400),
        (KIND, b"--XX\r\n\r\n\r\n" * 300 + b"--XX--", 400),
        (KIND, b"x" * 400_001, 413),
    ],
)
def test_a_body_that_is_none_is_refused_whole(
    client: TestClient, desk: Desk, kind: str, content: bytes, status: int
) -> None:
    answer = client.post(ADDRESS, content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert desk.kept == []
    assert list(desk.folder.iterdir()) == []


def test_without_room_the_sender_is_asked_to_come_again(client: TestClient, desk: Desk) -> None:
    desk.full = True
    answer = client.post(ADDRESS, content=body(), headers={"content-type": KIND})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
