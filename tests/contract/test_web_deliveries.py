"""Deliveries over HTTP: everybody looks, an operator acts."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.testclient import TestClient

from cxr_node.domain.access import Role
from cxr_node.domain.delivery import Outcome, Verdict
from cxr_node.domain.study import StudyState
from cxr_node.services.dead_letters import DeadLetters
from cxr_node.web import deliveries
from cxr_node.web.access_rules import rule_for
from tests.contract.test_services_delivery import Somewhere, delivery, published, rows
from tests.publishing import STUDY, Station


def test_what_was_given_up_is_listed_sent_again_and_written_off(station: Station) -> None:
    app = FastAPI()
    letters = DeadLetters(station.db, station.clock, station.bell)
    app.include_router(deliveries.routes(letters))
    client = TestClient(app)
    revision = published(station, "pacs")
    pacs = Somewhere(lambda _: Outcome(Verdict.REFUSED, "refused: 0xC000", 0xC000))
    outbox = delivery(station, pacs=pacs)
    outbox.work()
    [listed] = client.get("/api/v1/deliveries").json()
    assert (listed["study_uid"], listed["state"], listed["last_status"]) == (
        STUDY,
        "parked",
        0xC000,
    )
    assert client.get("/api/v1/deliveries?destination=other").json() == []
    address = f"/api/v1/deliveries/{listed['number']}"
    assert client.post(f"{address}/retry").json() == {"deliveries": 1}
    outbox.work()
    assert len(pacs.parcels) == 2
    assert client.post(f"{address}/drop").json() == {"deliveries": 1}
    assert client.post(f"{address}/drop").status_code == 404
    assert station.state(revision) is StudyState.DELIVERED
    assert "somebody on this machine" in rows(station)[0].last_error


def test_only_operators_act() -> None:
    look, act = rule_for("GET", "/api/v1/deliveries"), rule_for("POST", "/api/v1/deliveries/1/drop")
    assert look is not None and look.roles == frozenset(Role)
    assert act is not None and act.roles == frozenset({Role.OPERATOR})
