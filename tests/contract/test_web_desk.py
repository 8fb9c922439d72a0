"""Claims and acknowledgements over HTTP, what the page shows of them, and live changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from cxr_node.domain.ports import FakeClock
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.services.reading_desk import ReadingDesk
from cxr_node.store import studies
from cxr_node.store.database import Database
from cxr_node.store.reading_order import ListView, list_state
from cxr_node.web.app import create_app
from cxr_node.web.changes import Changes
from cxr_node.web.server import WebServer
from cxr_node.web.source import Address, Component
from cxr_node.web.store_pages import StorePages
from cxr_node.web.writing import ReviewDesk, Writing
from tests.instances import NOW, add_study
from tests.pages import full_pages
from tests.reports import templates

TOKEN = "a token of this site"
RUTH = {"name": "Reader^Ruth", "organisation": "General Hospital", "role": "attending"}
PAUL = {"name": "Reader^Paul", "organisation": "General Hospital", "role": "resident"}


class NoReview(ReviewDesk):
    """Nothing is corrected here."""


@dataclass
class Desk:
    """One study that is flagged and must be acknowledged, in a list over HTTP."""

    database: Database
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))

    def __post_init__(self) -> None:
        with self.database.begin() as session:
            study, revision = add_study(session, 1, NOW)
            decision = PriorityDecision(Priority.STAT, "r", "w", "1", acknowledge_minutes=30)
            studies.raise_priority(session, study.id, revision.id, decision, "read", NOW)
            revision.state = "delivered"
        policy = templates()
        pages = StorePages(
            self.database,
            render=lambda path, uid: b"",
            health=lambda: {"database": Component(True, "answers")},
            address=Address("CXRNODE", "127.0.0.1", 11112),
            view=lambda: ListView(policy.order.reading_order(), self.clock.now()),
        )
        desk = ReadingDesk(self.database, self.clock, claim_minutes=20, policy=policy.critical)
        writing = Writing(NoReview(), TOKEN)
        app = create_app(pages, self.clock, writing, desk=desk)
        self.http = TestClient(app, headers={"authorization": f"Bearer {TOKEN}"})

    def post(self, what: str, person: dict[str, str], **more: Any) -> httpx.Response:
        return self.http.post(f"/api/v1/studies/1.2.3.1/{what}", json={"person": person, **more})

    def line(self) -> dict[str, Any]:
        (found,) = self.http.get("/api/v1/worklist").json()["studies"]
        return dict(found)


@pytest.fixture
def desk(sqlite_database: Database) -> Iterator[Desk]:
    yield Desk(sqlite_database)


def test_one_reader_takes_a_study_and_the_other_is_told_who(desk: Desk) -> None:
    assert desk.post("claim", RUTH).json() == {"until": "2026-01-01T12:20:00Z"}
    refused = desk.post("claim", PAUL)
    assert (refused.status_code, refused.json()["code"]) == (409, "claimed")
    assert "Reader^Ruth" in refused.json()["message"]
    assert desk.line()["claim"]["name"] == "Reader^Ruth"
    page = desk.http.get("/").text
    assert "Reader, Ruth" in page and 'data-do="release"' in page
    assert desk.post("release", RUTH, read=True).json() == {"done": True}
    assert desk.line()["read_at"] == "2026-01-01T12:00:00Z"
    assert "was-read" in desk.http.get("/fragments/worklist").text


def test_a_flag_is_acknowledged_by_a_named_person(desk: Desk) -> None:
    assert "to be acknowledged within 30 min" in desk.http.get("/").text
    desk.clock.advance(3600)
    assert "NOT ACKNOWLEDGED for 30 min too long" in desk.http.get("/").text
    technologist = {**PAUL, "role": "technologist"}
    assert desk.post("acknowledgement", technologist).status_code == 422
    assert desk.post("acknowledgement", PAUL).status_code == 200
    assert desk.post("acknowledgement", RUTH).status_code == 409
    assert desk.line()["acknowledgement"]["by"] == "Reader^Paul, resident"
    assert "acknowledged by Reader, Paul" in desk.http.get("/").text


def test_nobody_without_the_token(desk: Desk) -> None:
    desk.http.headers["authorization"] = "Bearer something else"
    for what in ("claim", "release", "acknowledgement"):
        assert desk.post(what, RUTH).status_code == 401
    assert desk.line()["claim"] is None
    foreign = desk.http.post(
        "/api/v1/studies/1.2.3.1/claim",
        json={"person": RUTH},
        headers={"authorization": f"Bearer {TOKEN}", "sec-fetch-site": "cross-site"},
    )
    assert foreign.status_code == 403


def test_a_page_without_writing_has_no_buttons() -> None:
    page = TestClient(create_app(full_pages())).get("/").text
    assert "data-do" not in page and 'id="reader"' not in page
    refused = TestClient(create_app(full_pages())).post("/api/v1/studies/1.2/claim", json={})
    assert refused.status_code == 403


async def _first(changes: Changes, number: int, then: Any = lambda: None) -> list[str]:
    found: list[str] = []
    async for line in changes.lines():
        found.append(line.split("\n")[0])
        if len(found) == number:
            break
        then()
    return found


def test_a_change_reaches_the_listener() -> None:
    state = [0]

    def change() -> None:
        state[0] += 1

    async def run() -> list[str]:
        changes = Changes(lambda: (state[0],), look=0.01)
        later = asyncio.get_running_loop().call_later
        return await asyncio.wait_for(_first(changes, 2, lambda: later(0.1, change)), 10)

    assert asyncio.run(run()) == ["event: changed"] * 2


def test_listeners_are_bounded() -> None:
    async def run() -> None:
        changes = Changes(lambda: (), most=1)
        stream = changes.lines()
        assert not changes.full
        await anext(stream)
        assert changes.full
        await stream.aclose()
        assert not changes.full

    asyncio.run(run())


def test_every_kind_of_change_shows_in_the_state(database: Database) -> None:
    def state() -> tuple[object, ...]:
        with database.read() as session:
            return list_state(session)

    seen = [state()]
    desk = Desk(database)
    seen.append(state())
    desk.post("claim", RUTH)
    seen.append(state())
    with database.begin() as session:
        add_study(session, 2, NOW)
    seen.append(state())
    assert len(set(seen)) == len(seen)
    assert state() == seen[-1]


def test_the_stream_over_a_real_server_ends_with_it() -> None:
    server = WebServer(create_app(full_pages()), "127.0.0.1", 0)
    port = server.start()
    got, ended = threading.Event(), threading.Event()

    def listen() -> None:
        address = f"http://127.0.0.1:{port}/api/v1/worklist/events"
        with httpx.stream("GET", address, timeout=20) as answer:
            for line in answer.iter_lines():
                if line == "event: changed":
                    got.set()
        ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert got.wait(10)
    server.stop()
    thread.join(10)
    assert ended.is_set(), "the stream was cut, not ended"
