"""Who is served by page and API: tokens, sessions, proxies, this machine; and who is not."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from cxr_node.config_security import TokenSection, WebSection
from cxr_node.domain.access import Role
from cxr_node.domain.events import Event
from cxr_node.domain.ports import FakeClock
from cxr_node.web.access import SESSION_SECONDS, Access, Sessions
from cxr_node.web.access_control import COOKIE
from cxr_node.web.access_rules import rule_for
from cxr_node.web.app import create_app
from cxr_node.web.writing import Writing
from tests.pages import STUDY, full_pages
from tests.unit.test_web_writing import ORDER, Desk

TOKENS = {role: f"token-of-the-{role.value}-0123456789" for role in Role}
AMENDMENTS = f"/api/v1/studies/{STUDY}/amendments"
PROXY = "10.9.8.7"


def _sections() -> tuple[TokenSection, ...]:
    return tuple(
        TokenSection(name=f"a {role.value}", role=role, sha256=_sha256(token))
        for role, token in TOKENS.items()
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Door:
    """An application behind its door, and clients of several addresses."""

    access: Access
    clock: FakeClock

    def client(self, address: str = "192.0.2.9", host: str = "node.example", **headers: str) -> Any:
        app = create_app(full_pages(), self.clock, Writing(Desk(), ""), self.access)
        return TestClient(
            app,
            base_url=f"http://{host}",
            client=(address, 4711),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            follow_redirects=False,
        )

    def bearer(self, role: Role, **more: str) -> Any:
        return self.client(authorization=f"Bearer {TOKENS[role]}", **more)


def door(tokens: tuple[TokenSection, ...] = (), **web: object) -> Door:
    clock = FakeClock()
    return Door(Access(WebSection.model_validate(web), tokens, clock), clock)


@pytest.fixture
def guarded() -> Door:
    return door(_sections())


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_look(guarded: Door, role: Role) -> None:
    for path in ("/", "/api/v1/worklist", f"/studies/{STUDY}", "/metrics", "/readyz"):
        assert guarded.bearer(role).get(path).status_code == 200, path


def test_only_a_reader_may_correct(guarded: Door) -> None:
    answers = {role: guarded.bearer(role).post(AMENDMENTS, json=ORDER).status_code for role in Role}
    assert answers == {role: 202 if role is Role.READER else 403 for role in Role}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "sign-in"),
        ({"authorization": "Bearer wrong"}, 401, "token"),
        ({"authorization": "Bearer "}, 401, "token"),
        ({"authorization": "Basic dTpw"}, 401, "token"),
        ({"x_forwarded_user": "root", "x_forwarded_groups": "admins"}, 401, "sign-in"),
        ({"x_forwarded_for": "127.0.0.1", "host": "localhost"}, 401, "sign-in"),
    ],
)
def test_strangers_get_nothing(
    guarded: Door, headers: dict[str, str], status: int, code: str
) -> None:
    answer = guarded.client(**headers).get("/api/v1/worklist")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "Doe" not in answer.text
    assert answer.headers["content-security-policy"]


def test_a_token_in_an_address_is_refused(guarded: Door) -> None:
    node = guarded.bearer(Role.VIEWER)
    for name in ("token", "access_token"):
        assert node.get("/api/v1/worklist", params={name: "x"}).status_code == 400


def test_liveness_and_style_need_no_sign_in(guarded: Door) -> None:
    stranger = guarded.client()
    assert stranger.get("/healthz").status_code == 200
    assert stranger.get("/static/style.css").status_code == 200


def test_guessing_is_slowed_down_for_that_address_alone(guarded: Door) -> None:
    guess = guarded.client(authorization="Bearer guess")
    said = [guess.get("/api/v1/worklist").status_code for _ in range(12)]
    assert said == [401] * 10 + [429] * 2
    assert guess.get("/api/v1/worklist").headers["retry-after"]
    assert guarded.client("192.0.2.10", authorization="Bearer guess").get("/").status_code == 401
    assert guarded.bearer(Role.VIEWER).get("/").status_code == 429
    guarded.clock.advance(61)
    assert guarded.bearer(Role.VIEWER).get("/").status_code == 200


def test_addresses_that_guess_fill_no_memory(guarded: Door) -> None:
    for number in range(6_000):
        guarded.access.attempts.failed(f"198.51.{number // 256}.{number % 256}")
    assert len(guarded.access.attempts._failed) <= 4_096


def test_a_browser_signs_in_and_out(guarded: Door) -> None:
    browser = guarded.client(accept="text/html")
    assert browser.get("/").headers["location"] == "/login"
    assert "Sign in" in browser.get("/login").text
    refused = browser.post("/login", data={"token": "wrong"})
    assert refused.status_code == 401 and "not known" in refused.text
    taken = browser.post("/login", data={"token": TOKENS[Role.READER]})
    assert taken.status_code == 303
    cookie = taken.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert TOKENS[Role.READER] not in cookie
    page = browser.get(f"/studies/{STUDY}")
    assert page.status_code == 200 and 'name="token"' not in page.text
    assert browser.post("/logout").status_code == 303
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize("body", [b"", b"token", b"x=1", b"\xff", b"token=" + b"x" * 5000])
def test_an_unreadable_form_is_no_sign_in(guarded: Door, body: bytes) -> None:
    assert guarded.client().post("/login", content=body).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://node.example"}, 202),
        ({"sec-fetch-site": "same-origin"}, 202),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({}, 403),
    ],
)
def test_a_session_writes_from_its_own_page_only(
    guarded: Door, headers: dict[str, str], status: int
) -> None:
    browser = guarded.client()
    browser.post("/login", data={"token": TOKENS[Role.READER]})
    assert browser.post(AMENDMENTS, json=ORDER, headers=headers).status_code == status


def test_a_session_ends() -> None:
    clock = FakeClock()
    sessions = Sessions(clock)
    reader = door(_sections()).access.by_token(TOKENS[Role.READER])
    assert reader is not None
    cookie = sessions.begin(reader)
    assert sessions.holder(cookie) is not None
    assert sessions.holder("") is None
    assert cookie not in str(sessions.__dict__)
    clock.advance(SESSION_SECONDS + 1)
    assert sessions.holder(cookie) is None


def test_a_forged_cookie_is_no_session(guarded: Door) -> None:
    browser = guarded.client()
    browser.cookies.set(COOKIE, "x" * 43)
    assert browser.get("/api/v1/worklist").status_code == 401


@pytest.mark.parametrize(
    ("address", "groups", "status"),
    [
        (PROXY, "staff, radiology", 202),
        (PROXY, "admins", 403),
        (PROXY, "", 403),
        ("10.9.9.1", "radiology", 401),
    ],
)
def test_a_proxy_is_believed_from_its_own_address_only(
    address: str, groups: str, status: int
) -> None:
    behind = door(
        trusted_proxies=("10.9.8.0/24",), reader_groups=("radiology",), operator_groups=("admins",)
    )
    node = behind.client(address, x_forwarded_user="r.reader", x_forwarded_groups=groups)
    assert node.post(AMENDMENTS, json=ORDER).status_code == status


@pytest.mark.parametrize(
    ("address", "host", "status"),
    [
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "127.0.0.1:8042", 200),
        ("::1", "[::1]:8042", 200),
        ("::ffff:127.0.0.1", "localhost", 200),
        ("127.0.0.1", "rebound.example", 403),
        ("192.0.2.9", "localhost", 403),
        ("", "localhost", 403),
    ],
)
def test_without_tokens_only_this_machine_is_served(address: str, host: str, status: int) -> None:
    assert door().client(address).get("/api/v1/worklist", headers={"host": host}).status_code == (
        status
    )


def test_with_tokens_this_machine_must_sign_in_too(guarded: Door) -> None:
    assert guarded.client("127.0.0.1", "localhost").get("/api/v1/worklist").status_code == 401


def test_the_token_for_corrections_locks_nobody_out() -> None:
    clock = FakeClock()
    opened = Door(Access(WebSection(), (), clock, "the-write-token-0123"), clock)
    assert opened.client("127.0.0.1", "localhost").get("/").status_code == 200
    writer = opened.client("192.0.2.9", authorization="Bearer the-write-token-0123")
    assert writer.post(AMENDMENTS, json=ORDER).status_code == 202


def test_every_route_has_a_rule_and_few_are_open(guarded: Door) -> None:
    app = create_app(full_pages(), None, None, guarded.access)
    routers = [getattr(route, "original_router", None) for route in app.routes]
    routes = [route for router in routers if router is not None for route in router.routes]
    opened = set()
    for route in (route for route in routes if isinstance(route, APIRoute)):
        for method in route.methods:
            rule = rule_for(method, route.path)
            assert rule is not None, (method, route.path)
            if rule.roles is None:
                opened.add(route.path)
    assert opened == {"/healthz", "/login", "/logout"}


def test_refusals_are_events_without_what_was_sent(
    guarded: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    guarded.client(authorization="Bearer s3cr3t").get("/api/v1/worklist")
    said = [r for r in caplog.records if r.message == Event.ACCESS_REFUSED]
    assert [r.__dict__["event_fields"]["reason"] for r in said] == ["token"]
    assert "s3cr3t" not in caplog.text


def test_only_an_archive_may_send_images(guarded: Door) -> None:
    answers = {role: guarded.bearer(role).post("/dicom-web/studies").status_code for role in Role}
    assert answers == {role: 404 if role is Role.ARCHIVE else 403 for role in Role}
