"""UPS-RS: the same work items over HTTP, and events on a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydicom.dataset import Dataset
from starlette.testclient import TestClient
from websockets.sync.client import connect

from cxr_node.dicom import ups_dataset
from cxr_node.domain.ports import FakeClock
from cxr_node.services.workitem_channel import WorkitemChannel
from cxr_node.services.workitems import Workitems
from cxr_node.store.database import Database
from cxr_node.web import ups_channel, ups_routes
from cxr_node.web.server import WebServer
from tests.work_items import performed, workitem

ROOT = "/dicom-web/workitems"
UID = "1.2.3.77"


@pytest.fixture
def app(sqlite_database: Database) -> FastAPI:
    clock = FakeClock()
    requests = Workitems(
        sqlite_database, clock, "CXRNODE", lambda title: False, lambda session, row, now: None
    )
    service = ups_routes.WorkitemService(requests, WorkitemChannel(sqlite_database, clock))
    found = FastAPI()
    found.include_router(ups_routes.routes(service))
    found.include_router(ups_channel.routes(service.channel, None))
    return found


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as found:
        yield found


def body(ds: Dataset) -> str:
    return json.dumps([ds.to_json_dict()])


def change(client: TestClient, state: str, transaction: str = "1.2.3") -> httpx.Response:
    ds = Dataset()
    ds.ProcedureStepState, ds.TransactionUID = state, transaction
    return client.put(f"{ROOT}/{UID}/state", content=body(ds))


def shown(client: TestClient) -> dict[str, Any]:
    answer = client.get(f"{ROOT}/{UID}")
    assert answer.headers["content-type"] == "application/dicom+json"
    [found] = answer.json()
    return dict(found)


def test_a_work_item_goes_its_whole_way(client: TestClient) -> None:
    answer = client.post(f"{ROOT}?{UID}", content=body(workitem()))
    assert (answer.status_code, answer.headers["content-location"]) == (201, f"{ROOT}/{UID}")
    assert client.post(f"{ROOT}?{UID}", content=body(workitem())).status_code == 409
    assert shown(client)["00741000"]["Value"] == ["SCHEDULED"]
    assert change(client, "COMPLETED").status_code == 409
    assert change(client, "IN PROGRESS", "").status_code == 400
    assert change(client, "IN PROGRESS").status_code == 200
    assert change(client, "IN PROGRESS").status_code == 409
    assert client.post(f"{ROOT}/{UID}", content=body(performed())).status_code == 400
    assert change(client, "COMPLETED").status_code == 409
    assert client.post(f"{ROOT}/{UID}?1.2.3", content=body(performed())).status_code == 200
    assert change(client, "COMPLETED").status_code == 200
    again = change(client, "COMPLETED")
    assert (again.status_code, "already" in again.headers["warning"]) == (200, True)
    found = shown(client)
    assert found["00741000"]["Value"] == ["COMPLETED"]
    assert "00081195" not in found
    assert client.post(f"{ROOT}/{UID}/cancelrequest").status_code == 409


def test_without_a_uid_the_node_gives_one(client: TestClient) -> None:
    answer = client.post(ROOT, content=body(workitem()))
    assert client.get(answer.headers["location"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", f"{ROOT}?1.2.3", "[{", 400),
        ("POST", f"{ROOT}?1.2.3", "[]", 400),
        ("POST", f"{ROOT}?1.2.3", "[{}]", 400),
        ("POST", f"{ROOT}?no-uid", body(workitem()), 400),
        ("POST", f"{ROOT}?1.2.3", "x" * 1_100_000, 400),
        ("GET", f"{ROOT}/1.2.3", "", 404),
        ("PUT", f"{ROOT}/1.2.3/state", "[{}]", 400),
        ("POST", f"{ROOT}/1.2.3/cancelrequest", "", 404),
        ("POST", f"{ROOT}/1.2.3/subscribers/ME", "", 404),
        ("POST", f"{ROOT}/{ups_dataset.FILTERED}/subscribers/ME", "", 400),
        ("GET", f"{ROOT}?NoSuchThing=1", "", 400),
        ("GET", f"{ROOT}?limit=many", "", 400),
    ],
)
def test_what_cannot_be_used_is_refused(
    client: TestClient, method: str, path: str, content: str, status: int
) -> None:
    assert client.request(method, path, content=content).status_code == status


def test_a_search_finds_what_fits(client: TestClient) -> None:
    client.post(f"{ROOT}?1.2.1", content=body(workitem("1.2.8")))
    urgent = workitem("1.2.9", ScheduledProcedureStepPriority="HIGH", PatientID="P2")
    client.post(f"{ROOT}?1.2.2", content=body(urgent))

    def found(query: str) -> list[str]:
        answer = client.get(f"{ROOT}?{query}")
        items = answer.json() if answer.status_code == 200 else []
        return [item["00080018"]["Value"][0] for item in items]

    assert found("") == ["1.2.2", "1.2.1"]
    assert found("limit=1&offset=1") == ["1.2.1"]
    assert found("PatientID=P2") == ["1.2.2"]
    assert found("00741200=MEDIUM") == ["1.2.1"]
    assert found("InputInformationSequence.StudyInstanceUID=1.2.9") == ["1.2.2"]
    assert client.get(f"{ROOT}?PatientID=P3").status_code == 204


def test_a_follower_is_told_on_its_channel_also_of_what_it_missed(client: TestClient) -> None:
    answer = client.post(f"{ROOT}/{ups_dataset.GLOBAL}/subscribers/ME")
    assert answer.status_code == 201
    assert answer.headers["content-location"].endswith("/dicom-web/subscribers/ME")
    client.post(f"{ROOT}?{UID}", content=body(workitem()))
    with client.websocket_connect("/dicom-web/subscribers/ME") as channel:
        first = channel.receive_json()
        assert first["00001000"]["Value"] == [UID]
        assert first["00001002"]["Value"] == [1]
        assert first["00741000"]["Value"] == ["SCHEDULED"]
        change(client, "IN PROGRESS")
        assert channel.receive_json()["00741000"]["Value"] == ["IN PROGRESS"]
    assert client.post(f"{ROOT}/{ups_dataset.GLOBAL}/subscribers/ME/suspend").status_code == 200
    assert client.delete(f"{ROOT}/{ups_dataset.GLOBAL}/subscribers/ME").status_code == 200


def test_a_filter_chooses(client: TestClient) -> None:
    place = f"{ROOT}/{ups_dataset.FILTERED}/subscribers/ME"
    chosen = client.post(f"{place}?filter=ScheduledProcedureStepPriority=HIGH")
    assert chosen.status_code == 201
    client.post(f"{ROOT}?1.2.1", content=body(workitem()))
    urgent = workitem(ScheduledProcedureStepPriority="HIGH")
    client.post(f"{ROOT}?1.2.2", content=body(urgent))
    with client.websocket_connect("/dicom-web/subscribers/ME") as channel:
        assert channel.receive_json()["00001000"]["Value"] == ["1.2.2"]


def test_the_channel_works_through_the_real_server(app: FastAPI) -> None:
    server = WebServer(app, "127.0.0.1", 0)
    port = server.start()
    try:
        root = f"http://127.0.0.1:{port}{ROOT}"
        httpx.post(f"{root}/{ups_dataset.GLOBAL}/subscribers/ME")
        with connect(f"ws://127.0.0.1:{port}/dicom-web/subscribers/ME") as channel:
            httpx.post(f"{root}?{UID}", content=body(workitem()))
            told = json.loads(channel.recv(timeout=20))
        assert told["00001000"]["Value"] == [UID]
    finally:
        server.stop()
