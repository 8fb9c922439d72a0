"""The two requests that change something: what they need, what they take, what they refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cxr_node.domain.amendment import Amendment, Person, PersonRole
from cxr_node.domain.assessment import Opinion
from cxr_node.domain.errors import AmendmentConflict, AmendmentRefused, UnknownStudy
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import FakeClock
from cxr_node.domain.priority import Priority
from cxr_node.reasoning.given import parsed
from cxr_node.services.amend import AmendmentWish
from cxr_node.web.app import create_app
from cxr_node.web.writing import LONGEST_BODY, Writing
from tests.pages import NOON, STUDY, FakePages, full_pages, study_page
from tests.readings import sample_reading

TOKEN = "a token of this site"
AMENDMENTS = f"/api/v1/studies/{STUDY}/amendments"
ASSESSMENTS = f"/api/v1/studies/{STUDY}/assessments"
READER = {"name": "Reader^Ruth", "organisation": "General Hospital", "role": "attending"}
ORDER: dict[str, Any] = {
    "revision": 1,
    "person": READER,
    "reason": "skin fold",
    "corrections": [{"place": "findings.presence/pneumothorax", "answer": "absent"}],
    "verified": True,
    "priority": "ROUTINE",
}
VERDICTS: dict[str, Any] = {
    "revision": 1,
    "person": READER,
    "findings": [{"finding": "pneumothorax", "verdict": "rejected", "comment": "skin fold"}],
}


@dataclass
class Desk:
    """Remembers what it was asked; ``refusal`` is raised instead."""

    wishes: list[tuple[Uid, AmendmentWish]] = field(default_factory=list)
    opinions: list[tuple[Uid, Sequence[Opinion], Person, int | None]] = field(default_factory=list)
    refusal: Exception | None = None

    def amend(self, study_uid: Uid, wish: AmendmentWish) -> int:
        if self.refusal is not None:
            raise self.refusal
        self.wishes.append((study_uid, wish))
        return 2

    def assess(
        self,
        study_uid: Uid,
        opinions: Sequence[Opinion],
        person: Person,
        revision: int | None = None,
    ) -> int:
        self.opinions.append((study_uid, opinions, person, revision))
        return 1


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def node(desk: Desk) -> TestClient:
    return client(full_pages(), desk)


def client(pages: FakePages, desk: Desk | None) -> TestClient:
    clock = FakeClock(NOON + timedelta(minutes=9))
    review = Writing(desk, TOKEN) if desk else None
    app = create_app(pages, clock, review)
    return TestClient(
        app, raise_server_exceptions=False, headers={"authorization": f"Bearer {TOKEN}"}
    )


def test_a_correction_is_taken(node: TestClient, desk: Desk) -> None:
    answer = node.post(AMENDMENTS, json=ORDER)
    assert (answer.status_code, answer.json()) == (202, {"revision": 2})
    ((study, wish),) = desk.wishes
    assert study == STUDY
    assert wish == AmendmentWish(
        Person("Reader^Ruth", "General Hospital", PersonRole.ATTENDING),
        "skin fold",
        (parsed("findings.presence/pneumothorax=absent"),),
        verified=True,
        priority=Priority.ROUTINE,
        revision=1,
    )


def test_verdicts_are_taken(node: TestClient, desk: Desk) -> None:
    answer = node.post(ASSESSMENTS, json=VERDICTS)
    assert (answer.status_code, answer.json()) == (202, {"revision": 1})
    ((study, opinions, person, revision),) = desk.opinions
    assert (study, person.name, revision) == (STUDY, "Reader^Ruth", 1)
    assert [(o.finding, o.verdict, o.comment) for o in opinions] == [
        ("pneumothorax", "rejected", "skin fold")
    ]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": ""}, 401, "token"),
        ({"authorization": "Bearer wrong"}, 401, "token"),
        ({"authorization": f"Basic {TOKEN}"}, 401, "token"),
        ({"authorization": "Bearer \u00e9"}, 401, "token"),
        ({"sec-fetch-site": "cross-site"}, 403, "cross-site"),
        ({"sec-fetch-site": "same-site"}, 403, "cross-site"),
        ({"content-type": "text/plain"}, 415, "content-type"),
        ({"content-type": "application/x-www-form-urlencoded"}, 415, "content-type"),
    ],
)
def test_who_may_not_write(
    node: TestClient, desk: Desk, headers: dict[str, str], status: int, code: str
) -> None:
    sent = {"content-type": "application/json", **headers}
    encoded = {name: value.encode("latin-1") for name, value in sent.items()}
    answer = node.post(AMENDMENTS, content=json.dumps(ORDER), headers=encoded)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert desk.wishes == []


def test_without_a_token_of_the_site_nothing_is_taken() -> None:
    answer = client(full_pages(), None).post(AMENDMENTS, json=ORDER)
    assert (answer.status_code, answer.json()["code"]) == (403, "writing-off")
    assert "web.write_token_file" in answer.json()["message"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reason": ""}, "reason: say why"),
        ({"reason": "a\u0000b"}, "reason: holds control"),
        ({"reason": "x" * 1500}, "reason: longer than 1000"),
        ({"reason": "x" * 2500}, "reason: String should have at most 2000"),
        ({"revision": "one"}, "revision: Input should be a valid integer"),
        ({"revision": None}, "revision: Input should be"),
        ({"colour": "red"}, "unknown key"),
        ({"priority": "URGENT"}, "priority: Input should be 'LOW'"),
        ({"person": {**READER, "role": "king"}}, "person.role: Input should be 'consultant'"),
        ({"person": {**READER, "name": ""}}, "name: 1 to 64"),
        ({"person": {**READER, "role": "resident"}}, "a resident may correct, but not verify"),
        ({"corrections": ORDER["corrections"] * 2}, "one question is corrected twice"),
        ({"corrections": ORDER["corrections"] * 41}, "corrections: List should have at most 40"),
        ({"corrections": [], "verified": False, "priority": None}, "nothing is corrected"),
        ({"corrections": [{"place": "x", "answer": "y"}]}, "a correction reads"),
        (
            {"corrections": [{"place": "nothing.presence/edema", "answer": "absent"}]},
            "the stage is one of",
        ),
        (
            {"corrections": [{"place": "findings.presence/edema", "answer": "<script>"}]},
            "the answer is one of present, absent, uncertain",
        ),
    ],
)
def test_what_cannot_be_used_is_422_in_words(
    node: TestClient, desk: Desk, changes: dict[str, Any], words: str
) -> None:
    answer = node.post(AMENDMENTS, json={**ORDER, **changes})
    assert answer.status_code == 422
    assert words in answer.json()["message"]
    assert "script" not in answer.text
    assert len(answer.text) < 1000
    assert desk.wishes == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"revision": 1e999}'])
def test_no_order_at_all(node: TestClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = node.post(AMENDMENTS, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "order")


def test_a_megabyte_is_not_read_to_its_end(node: TestClient, desk: Desk) -> None:
    text = {**ORDER, "reason": "x" * 1_000_000}
    answer = node.post(AMENDMENTS, json=text)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-long")
    assert str(LONGEST_BODY) in answer.json()["message"]
    assert desk.wishes == []


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (AmendmentConflict("revision 1 is not the newest reading any more"), 409),
        (AmendmentRefused("the reading did not come to any of these questions"), 422),
        (UnknownStudy("the node has never seen this study"), 404),
    ],
)
def test_the_desk_says_no(node: TestClient, desk: Desk, refusal: Exception, status: int) -> None:
    desk.refusal = refusal
    answer = node.post(AMENDMENTS, json=ORDER)
    assert (answer.status_code, answer.json()["message"]) == (status, str(refusal))


def test_an_unknown_address(node: TestClient) -> None:
    assert node.post("/api/v1/studies/x/amendments", json=ORDER).status_code == 404
    assert node.get(AMENDMENTS).status_code == 405


def test_the_addresses_are_described(node: TestClient) -> None:
    paths = node.get("/api/openapi.json").json()["paths"]
    described = paths["/api/v1/studies/{study_uid}/amendments"]["post"]
    assert "409" in described["responses"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    assert "corrections" in schema["properties"]


def test_only_a_page_that_can_be_written_has_the_forms(node: TestClient) -> None:
    text = node.get(f"/studies/{STUDY}").text
    assert 'data-place="findings.presence/pneumothorax"' in text
    assert 'data-choices="present|absent|uncertain|not assessed"' in text
    assert 'data-verdict-of="pneumothorax"' in text
    assert 'id="review-form"' in text
    assert TOKEN not in text
    plain = client(full_pages(), None).get(f"/studies/{STUDY}").text
    assert not any(part in plain for part in ("data-place", "data-verdict", "review-form"))


def test_what_a_person_wrote_is_shown_as_text() -> None:
    person = Person("<b>Reader</b>^Ruth", "<script>Hospital", PersonRole.ATTENDING)
    amendment = Amendment(1, (), person, "<img src=x onerror=alert(1)>", NOON, verified=True)
    said = sample_reading().findings
    findings = tuple(replace(f, by_person=True, probability=None) for f in said)
    page = study_page(reading=sample_reading(amendment=amendment, findings=findings))
    shown = client(FakePages(pages={STUDY: page}), Desk())
    text = shown.get(f"/studies/{STUDY}").text
    assert "<script>Hospital" not in text and "<b>Reader" not in text and "<img src=x" not in text
    assert "&lt;script&gt;Hospital" in text
    assert "Verified by" in text and "AI result, unverified" not in text
    document = shown.get(f"/api/v1/studies/{STUDY}").json()["reading"]
    assert document["verified"] is True
    assert document["amendment"]["role"] == "attending"
