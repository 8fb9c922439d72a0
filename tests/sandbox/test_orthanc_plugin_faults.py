"""A real Orthanc with the plugin while the node hangs, is away, or goes in the middle of it."""

from __future__ import annotations

import socket
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from cxr_node.dicom.archive import ReceivingAE
from tests.builders import radiograph, save
from tests.orthancs import BOOKWORM, TRIXIE, PluggedOrthanc, Release, both, eventually, plugged
from tests.peers import free_port

pytestmark = pytest.mark.peers


class StandIn:
    """A node that only takes images; it counts them, and may be slow or refuse."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.got: list[str] = []
        self.answer: Callable[[Dataset], int] = lambda data_set: 0x0000
        self._archive = ReceivingAE(folder, "CXRNODE", answer=self._take)
        self.port = port or free_port()

    def _take(self, data_set: Dataset) -> int:
        status = self.answer(data_set)
        if status == 0x0000:
            self.got.append(str(data_set.SOPInstanceUID))
        return status

    def start(self) -> None:
        self._archive.start(self.port)

    def stop(self) -> None:
        self._archive.stop()


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    node = StandIn(tmp_path / "node")
    node.start()
    yield node
    node.stop()


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes every connection and never says a word."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        yield server.getsockname()[1]


def slowest(
    orthanc: PluggedOrthanc, folder: Path, seconds: float, paths: list[str]
) -> tuple[float, float]:
    """Longest C-STORE and longest REST answer, in seconds, while both go on for a while."""
    store, rest, ends = 0.0, 0.0, time.monotonic() + seconds
    number = 0
    while time.monotonic() < ends:
        path = save(radiograph(rows=64, columns=64), folder / str(number))
        number += 1
        began = time.monotonic()
        orthanc.send(path)
        store = max(store, time.monotonic() - began)
        for address in paths:
            began = time.monotonic()
            orthanc.get(address)
            rest = max(rest, time.monotonic() - began)
    return store, rest


@both
@pytest.mark.parametrize("way", ["dicom", "stow"])
def test_a_node_that_hangs_holds_up_neither_c_store_nor_rest(
    release: Release, way: str, tmp_path: Path
) -> None:
    """Hanging calls last 4 s here; one that held the interpreter lock would show as that."""
    with silent() as port:
        section = {
            "Host": "127.0.0.1",
            "Port": port,
            "Url": f"http://127.0.0.1:{port}",
            "Transport": way,
            "TimeoutSeconds": 4,
            "QuietSeconds": 0,
        }
        with plugged(release, section) as orthanc:
            store, rest = slowest(
                orthanc, tmp_path, 6.0, ["/system", "/statistics", "/cxr-node/status"]
            )
            assert store < 2.5
            assert rest < 2.5
            eventually(lambda: bool(orthanc.status()["LastFailure"]), "a failure")
            assert orthanc.status()["Studies"]["Waiting"] > 0
            assert orthanc.status()["Node"]["Words"].startswith("the node does not answer")


def test_studies_wait_for_a_node_that_is_away_and_survive_a_kill(tmp_path: Path) -> None:
    node = StandIn(tmp_path / "node")
    images = [radiograph(rows=64, columns=64) for _ in range(6)]
    section = {"Host": "127.0.0.1", "Port": node.port, "LongestRetrySeconds": 2}
    with plugged(BOOKWORM, section) as orthanc:
        orthanc.send(*(save(image, tmp_path / image.SOPInstanceUID) for image in images))
        eventually(lambda: orthanc.status()["Studies"]["Waiting"] == 6, "all waiting")
        eventually(lambda: bool(orthanc.status()["LastFailure"]), "a failure")
        uid = images[0].StudyInstanceUID
        eventually(lambda: orthanc.metadata(uid, 4120) == "waiting for the node", "told")
        orthanc.kill()
        orthanc.start()
        assert orthanc.status()["Studies"]["Waiting"] == 6
        node.start()
        try:
            eventually(lambda: orthanc.status()["Studies"]["Sent"] == 6, "all sent")
            assert sorted(node.got) == sorted(image.SOPInstanceUID for image in images)
            orthanc.stop()
            orthanc.start()
            eventually(lambda: not orthanc.status()["Sweep"]["Running"], "swept")
            assert orthanc.status()["Studies"]["Sent"] == 6
            assert len(node.got) == 6
        finally:
            node.stop()


@both
def test_orthanc_is_killed_in_the_middle_of_sending(
    release: Release, stand_in: StandIn, tmp_path: Path
) -> None:
    image, held = radiograph(rows=64, columns=64), []

    def hold(data_set: Dataset) -> int:
        held.append(1)
        if len(held) == 1:
            time.sleep(1.5)
        return 0x0000

    stand_in.answer = hold
    section = {"Host": "127.0.0.1", "Port": stand_in.port}
    with plugged(release, section) as orthanc:
        orthanc.send(save(image, tmp_path / "in"))
        eventually(lambda: bool(held), "being sent")
        orthanc.kill()
        orthanc.start()
        eventually(lambda: orthanc.status()["Studies"]["Sent"] == 1, "sent after the start")
        assert set(stand_in.got) == {image.SOPInstanceUID}


@both
def test_a_study_that_is_deleted_in_the_middle_of_sending_is_forgotten(
    release: Release, stand_in: StandIn, tmp_path: Path
) -> None:
    uid = radiograph().StudyInstanceUID
    images = [radiograph(study_uid=uid, rows=64, columns=64) for _ in range(3)]
    gone = []

    def delete(data_set: Dataset) -> int:
        if not gone:
            gone.append(1)
            orthanc.peer.call("DELETE", f"/studies/{orthanc.study(uid)}")
            return 0xA700
        return 0x0000

    stand_in.answer = delete
    section = {"Host": "127.0.0.1", "Port": stand_in.port, "QuietSeconds": 1}
    with plugged(release, section) as orthanc:
        orthanc.send(*(save(image, tmp_path / image.SOPInstanceUID) for image in images))
        eventually(lambda: bool(gone), "deleted")
        nothing = {"Waiting": 0, "Sent": 0, "KeptBack": 0, "GivenUp": 0}
        eventually(lambda: orthanc.status()["Studies"] == nothing, "forgotten")
        other = radiograph(rows=64, columns=64)
        orthanc.send(save(other, tmp_path / "other"))
        eventually(lambda: other.SOPInstanceUID in stand_in.got, "the next study")


@both
def test_hundreds_of_studies_before_the_plugin_are_swept_once_over_a_kill(
    release: Release, stand_in: StandIn, tmp_path: Path
) -> None:
    images = [radiograph(rows=16, columns=16, bits=8) for _ in range(120)]
    section = {"Host": "127.0.0.1", "Port": stand_in.port, "Enabled": False, "MaxWaiting": 60}
    with plugged(release, section) as orthanc:
        for image in images:
            path = save(image, tmp_path / "one")
            orthanc.upload(path)
        assert orthanc.status()["Problems"] == ["CxrNode.Enabled is false"]
        orthanc.stop()
        orthanc.section["Enabled"] = True
        orthanc.start()
        eventually(lambda: len(stand_in.got) >= 20, "some")
        assert orthanc.status()["Studies"]["Waiting"] <= 60 + 50
        orthanc.kill()
        orthanc.start()
        eventually(lambda: orthanc.status()["Studies"]["Sent"] == len(images), "all")
        assert set(stand_in.got) == {image.SOPInstanceUID for image in images}
        assert len(stand_in.got) <= len(images) + 1, "the one that was under way twice at most"


def test_the_newest_orthanc_has_no_button_without_an_address(tmp_path: Path) -> None:
    with silent() as port, plugged(TRIXIE, {"Host": "127.0.0.1", "Port": port}) as orthanc:
        orthanc.send(save(radiograph(), tmp_path / "in"))
        [study] = orthanc.get("/studies")
        assert orthanc.answer("GET", f"/cxr-node/studies/{study}/page")[0] == 404
        with pytest.raises(urllib.error.HTTPError):
            orthanc.get("/cxr-node/nothing")
