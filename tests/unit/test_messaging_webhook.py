"""Webhooks: what is sent, how it is signed, and what an answer means."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from cxr_node.config import parse
from cxr_node.config_messaging import WebhookSection
from cxr_node.domain.delivery import Verdict
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.notice import NoticeEvent
from cxr_node.domain.ports import FakeClock, SystemClock
from cxr_node.messaging.http_answers import asked_pause
from cxr_node.messaging.notice_files import encode_notice, read_notice
from cxr_node.messaging.webhook import WebhookDestination, document, signing_key
from tests.http_receivers import Receiver, receiving
from tests.notices import parcel_of, sample_notice

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def _section(receiver: Receiver, **changes: object) -> WebhookSection:
    usual = {"name": "ris", "url": f"{receiver.url}/cxr", "secret_file": "unused"}
    return WebhookSection.model_validate({**usual, "timeout_seconds": 5.0, **changes})


def _destination(receiver: Receiver, **changes: object) -> WebhookDestination:
    return WebhookDestination(_section(receiver, **changes), SECRET, SystemClock())


def test_a_library_of_others_verifies_the_signature(receiver: Receiver, tmp_path: Path) -> None:
    notice = sample_notice()
    outcome = _destination(receiver).send(parcel_of(notice, tmp_path))
    assert (outcome.verdict, outcome.status) == (Verdict.DONE, 200)
    (taken,) = receiver.taken
    assert Webhook(SECRET).verify(taken.body, taken.headers) == document(notice, patient_data=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(taken.body.replace(b"STAT", b"LOW"), taken.headers)
    old = taken.headers | {"webhook-timestamp": str(int(taken.headers["webhook-timestamp"]) - 900)}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(taken.body, old)


def test_the_identifier_is_the_same_at_every_attempt(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses = [503, 200]
    destination, parcel = _destination(receiver), parcel_of(sample_notice(), tmp_path)
    assert destination.send(parcel).verdict is Verdict.RETRY
    assert destination.send(replace(parcel, attempt=2)).verdict is Verdict.DONE
    first, second = receiver.taken
    assert first.body == second.body
    for name in ("webhook-id", "idempotency-key"):
        assert first.headers[name] == second.headers[name] == parcel.uid


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DONE),
        (202, Verdict.DONE),
        (204, Verdict.DONE),
        (302, Verdict.REFUSED),
        (308, Verdict.REFUSED),
        (400, Verdict.REFUSED),
        (401, Verdict.REFUSED),
        (404, Verdict.REFUSED),
        (408, Verdict.RETRY),
        (410, Verdict.REFUSED),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (503, Verdict.RETRY),
    ],
)
def test_what_an_answer_means(
    receiver: Receiver, tmp_path: Path, status: int, verdict: Verdict
) -> None:
    receiver.statuses = [status]
    receiver.headers = {"Location": f"{receiver.url}/elsewhere", "Retry-After": "7"}
    outcome = _destination(receiver).send(parcel_of(sample_notice(), tmp_path))
    assert (outcome.verdict, outcome.status) == (verdict, status)
    assert outcome.after_seconds == (7.0 if verdict is Verdict.RETRY else 0.0)
    assert [taken.path for taken in receiver.taken] == ["/cxr"]


def test_nobody_there_and_nothing_on_disk(receiver: Receiver, tmp_path: Path) -> None:
    parcel = parcel_of(sample_notice(), tmp_path)
    gone = _section(receiver, url="http://127.0.0.1:9/cxr")
    assert WebhookDestination(gone, SECRET, SystemClock()).send(parcel).verdict is Verdict.RETRY
    parcel.path.write_bytes(b"{}")
    assert _destination(receiver).send(parcel).verdict is Verdict.REFUSED
    assert receiver.taken == []


def test_the_patient_is_named_only_where_the_site_says_so() -> None:
    notice = sample_notice()
    plain = json.dumps(document(notice, patient_data=False))
    for value in ("Doe", "PAT-1", "19700102"):
        assert value not in plain
    assert "ACC-1" in plain
    assert document(notice, patient_data=True)["patient"]["name"] == "Doe^Jane"


def test_a_correction_says_who_without_a_name() -> None:
    from cxr_node.domain.notice import NotedPerson

    person = NotedPerson("Smith^Ann", "Clinic", "consultant", verified=True)
    body = document(sample_notice(event=NoticeEvent.CORRECTED, person=person), patient_data=False)
    assert body["status"] == "corrected"
    assert body["corrected_by"] == {"role": "consultant", "verified": True}
    assert "Smith" not in json.dumps(body)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_notice_comes_back_from_disk_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    notice = sample_notice(conclusion=text)
    path = tmp_path_factory.getbasetemp() / "notice.json"
    path.write_bytes(encode_notice(notice))
    assert read_notice(path) == notice


@pytest.mark.parametrize("secret", ["", "short", "whsec_c2hvcnQ=", "whsec_not base64", SECRET[6:]])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        signing_key(secret)
    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("12", 12.0),
        ("", 0.0),
        ("soon", 0.0),
        ("99999999", 86_400.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
    ],
)
def test_how_long_to_wait(said: str, seconds: float) -> None:
    assert asked_pause(said, FakeClock(NOW).now()) == seconds


@pytest.mark.parametrize(
    "table",
    [
        'url = "http://receiver.example/cxr"\nsecret_file = "s"',
        'url = "https://user:pw@receiver.example"\nsecret_file = "s"',
        'url = "ftp://receiver.example"\nsecret_file = "s"',
        'url = "https://receiver.example"',
        'url = "https://receiver.example"\nsecret_file = "s"\nevents = []',
    ],
)
def test_a_configuration_that_would_leak_or_do_nothing_is_refused(table: str) -> None:
    with pytest.raises(ConfigurationError):
        parse(f'[[webhook]]\nname = "ris"\n{table}\n')


def test_a_name_belongs_to_one_destination() -> None:
    table = '[[webhook]]\nname = "ris"\nurl = "https://receiver.example"\nsecret_file = "s"\n'
    with pytest.raises(ConfigurationError, match="share one name"):
        parse(table * 2)


def test_the_page_for_engineers_verifies_and_names_every_key(
    receiver: Receiver, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "messaging.md").read_text("utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    space: dict[str, Any] = {}
    exec(compile(example, "docs/messaging.md", "exec"), space)
    assert _destination(receiver).send(parcel_of(sample_notice(), tmp_path)).status == 200
    (taken,) = receiver.taken
    assert space["verified"](SECRET, taken.headers, taken.body)
    assert not space["verified"](SECRET, taken.headers, taken.body + b" ")
    stale = taken.headers | {"webhook-timestamp": "1"}
    assert not space["verified"](SECRET, stale, taken.body)
    body = document(sample_notice(), patient_data=True)
    assert [key for key in _keys(body) if f"`{key}`" not in page] == []


def _keys(body: dict[str, Any]) -> set[str]:
    found = set(body)
    for value in body.values():
        inner = value[0] if isinstance(value, list) and value else value
        found |= set(inner) if isinstance(inner, dict) else set()
    return found
