"""What the application answers: pages, documents, refusals, headers, the log line."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from cxr_node.domain.ports import FakeClock
from cxr_node.domain.study import VisibleState
from cxr_node.web.app import create_app
from cxr_node.web.documents import StudyDocument, Worklist
from cxr_node.web.source import Component
from tests.pages import NOON, STUDY, FakePages, entry, full_pages, study_page
from tests.readings import IMAGE, contradicted, sample_reading


def client(pages: FakePages) -> TestClient:
    clock = FakeClock(NOON + timedelta(minutes=9))
    return TestClient(create_app(pages, clock), raise_server_exceptions=False)


@pytest.fixture
def node() -> TestClient:
    return client(full_pages())


def test_the_worklist_page_says_state_and_reason_in_words(node: TestClient) -> None:
    text = node.get("/").text
    assert text.index("Doe, Jane") < text.index("Roe, Person 1")
    for told in (
        "STAT",
        "Flagged",
        "pneumothorax present at 0.87",
        "9 min",
        "no frontal (PA or AP) image in the study",
        "the worker stopped twice",
        "not a statement that the image is normal",
    ):
        assert told in text


def test_the_worklist_works_without_scripts(node: TestClient) -> None:
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in node.get("/").text


def test_the_fragment_is_the_list_alone(node: TestClient) -> None:
    text = node.get("/fragments/worklist").text
    assert text.count("<tr data-study=") == 5
    assert "<html" not in text


def test_an_empty_worklist_says_what_to_do() -> None:
    text = client(FakePages()).get("/").text
    assert "No study has arrived yet" in text
    assert "CXRNODE" in text
    assert "127.0.0.1:11112" in text


def test_the_study_page_shows_everything(node: TestClient) -> None:
    text = node.get(f"/studies/{STUDY}").text
    for told in (
        "Raised to STAT: pneumothorax present at 0.87.",
        "AI result, unverified",
        "Right pneumothorax. Endotracheal tube too low.",
        "This model has not been trained; its answers mean nothing.",
        "moderate, right, apex",
        "Comparison with a prior",
        "Structured Report",
        "0xC000",
        "settle the cause at the destination",
        "Last image to report",
        'x="40.5" y="30.25" width="109.5" height="110.5"',
        f"/studies/{STUDY}/images/{IMAGE}.png",
    ):
        assert told in text


def test_outside_intended_use_and_warnings_stand_out() -> None:
    reading = sample_reading(
        outside_intended_use="image of a patient", warnings=("burned-in text",)
    )
    page = study_page(reading=reading, reading_revision=1)
    text = client(FakePages(pages={STUDY: page})).get(f"/studies/{STUDY}").text
    assert "Outside intended use." in text
    assert "burned-in text" in text


def test_a_reading_that_contradicts_itself_stands_out_once() -> None:
    page = study_page(reading=contradicted(), reading_revision=1)
    shown = client(FakePages(pages={STUDY: page}))
    text = shown.get(f"/studies/{STUDY}").text
    assert "This reading contradicts itself." in text
    assert text.count("the report says left, the answer says right") == 1
    for told in ("confidence 0.35", "A pleural line runs along", "20250301", "hiatal hernia"):
        assert told in text
    document = shown.get(f"/api/v1/studies/{STUDY}").json()["reading"]
    assert document["review"] is True
    assert document["contradictions"] == [
        {
            "clash": "side against side",
            "words": "the report says left, the answer says right",
            "findings": ["pneumothorax"],
        }
    ]
    assert document["trace"][0]["section"] == "pleura"
    assert document["prior_study_uid"] == "1.2.826.0.1.3680043.8.498.2"


def test_a_reading_of_an_earlier_revision_says_so() -> None:
    page = study_page(entry=entry(revision=2), reading_revision=1)
    text = client(FakePages(pages={STUDY: page})).get(f"/studies/{STUDY}").text
    assert "An earlier revision was read." in text


def test_a_study_without_reading_or_images_has_a_page() -> None:
    page = study_page(reading=None, reading_revision=None, images=(), objects=(), milestones={})
    answer = client(FakePages(pages={STUDY: page})).get(f"/studies/{STUDY}")
    assert answer.status_code == 200
    assert "No reading" in answer.text
    assert "No picture" in answer.text


def test_the_picture(node: TestClient) -> None:
    answer = node.get(f"/studies/{STUDY}/images/{IMAGE}.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path",
    [
        "/studies/1.2.3",
        "/studies/not-a-uid",
        "/studies/1.2.%00",
        "/studies/..%2f..%2fetc%2fpasswd",
        f"/studies/{'1.' * 40}1",
        f"/studies/{STUDY}/images/1.2.3.png",
        f"/studies/{STUDY}/images/x.png",
        f"/studies/1.2.3/images/{IMAGE}.png",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/docs",
        "/nothing",
    ],
)
def test_what_is_not_there_is_404_in_the_same_dress(node: TestClient, path: str) -> None:
    answer = node.get(path)
    assert answer.status_code == 404
    assert "Back to the worklist" in answer.text
    assert "content-security-policy" in answer.headers


def test_the_api_says_the_same_as_json(node: TestClient) -> None:
    listed = Worklist.model_validate(node.get("/api/v1/worklist").json())
    assert [item.visible_state.value for item in listed.studies][:2] == ["flagged", "running"]
    assert listed.counts[VisibleState.FLAGGED] == 1
    document = StudyDocument.model_validate(node.get(f"/api/v1/studies/{STUDY}").json())
    assert document.reading is not None
    assert document.reading.verified is False
    assert document.reading.findings[0].box is not None
    assert document.reading.findings[0].box.x0 == 40.5
    assert document.objects[0].deliveries[1].last_status == "0xC000"


@pytest.mark.parametrize("uid", ["1.2.3", "x"])
def test_the_api_answers_404_as_json(node: TestClient, uid: str) -> None:
    answer = node.get(f"/api/v1/studies/{uid}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_the_api_is_described(node: TestClient) -> None:
    paths = node.get("/api/openapi.json").json()["paths"]
    assert "/api/v1/worklist" in paths
    assert "404" in paths["/api/v1/studies/{study_uid}"]["get"]["responses"]
    assert "/" not in paths


def test_alive_and_metrics(node: TestClient) -> None:
    assert node.get("/healthz").text == "alive\n"
    metrics = node.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "cxr_node_studies" in metrics.text


def test_ready_names_the_first_broken_part() -> None:
    pages = full_pages()
    assert client(pages).get("/readyz").json()["ready"] is True
    pages.components = {
        "database": Component(True, "answers"),
        "spool": Component(False, "above the watermark"),
        "worker": Component(False, "none"),
    }
    answer = client(pages).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["first_broken"] == "spool"


def test_a_lost_database_is_503_with_a_time_to_come_back() -> None:
    down = client(FakePages(down=True))
    for path in ("/", "/api/v1/worklist"):
        answer = down.get(path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"


def test_every_answer_carries_the_security_headers(node: TestClient) -> None:
    for path in ("/", "/static/style.css", "/api/v1/worklist", "/nothing", "/healthz"):
        headers = node.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_no_page_uses_what_the_policy_forbids(node: TestClient) -> None:
    for path in ("/", f"/studies/{STUDY}"):
        text = node.get(path).text
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text)
        assert not re.search(r'(src|href)="(https?:)?//', text)


def test_head_answers_like_get_without_a_body(node: TestClient) -> None:
    answer = node.head(f"/studies/{STUDY}")
    assert answer.status_code == 200
    assert answer.content == b""
    assert node.head("/studies/1.2.3").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/api/v1/worklist", f"/studies/{STUDY}"])
def test_nothing_can_be_written(node: TestClient, method: str, path: str) -> None:
    answer = node.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"


class _Broken(FakePages):
    def worklist(self) -> list[object]:  # type: ignore[override]
        raise ZeroDivisionError("Doe^Jane")


def test_an_unexpected_failure_names_no_patient(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = client(_Broken()).get("/")
    assert answer.status_code == 500
    assert "Doe" not in answer.text
    assert "ZeroDivisionError" in [
        getattr(record, "event_fields", {}).get("error") for record in caplog.records
    ]
    assert "Doe" not in "".join(str(vars(r)) for r in caplog.records if r.name == "cxr_node")


def test_the_log_line_has_no_path(node: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cxr_node"):
        node.request("BREW<script>", f"/studies/{STUDY}")
    (record,) = [r for r in caplog.records if r.name == "cxr_node"]
    fields = vars(record)["event_fields"]
    assert set(fields) == {"method", "status", "seconds"}
    assert (fields["method"], fields["status"]) == ("OTHER", 405)
