"""The server: a free port, a bounded stop, a refused address, and no log of its own."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

import httpx
import pytest

from cxr_node.config_security import WebSection
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.identifiers import Uid
from cxr_node.entry.access import https_of
from cxr_node.entry.http_client import NodePage
from cxr_node.web.app import create_app
from cxr_node.web.bounded import BoundedRequests
from cxr_node.web.server import WebServer
from tests.certificates import Authority
from tests.pages import STUDY, full_pages


def test_it_serves_and_stops() -> None:
    server = WebServer(create_app(full_pages()), "127.0.0.1", 0)
    port = server.start()
    answer = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    assert answer.text == "alive\n"
    assert "server" not in answer.headers
    started = time.monotonic()
    server.stop()
    server.stop()
    assert time.monotonic() - started < 6
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)


def test_an_open_connection_does_not_hold_up_the_stop() -> None:
    server = WebServer(create_app(full_pages()), "127.0.0.1", 0)
    port = server.start()
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\n")
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 6


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"web.port: 127.0.0.1:{port}"):
            WebServer(create_app(full_pages()), "127.0.0.1", port).start()


def test_no_log_line_holds_a_path(caplog: pytest.LogCaptureFixture) -> None:
    server = WebServer(create_app(full_pages()), "127.0.0.1", 0)
    port = server.start()
    with caplog.at_level(logging.DEBUG, ""):
        httpx.get(f"http://127.0.0.1:{port}/studies/{STUDY}", trust_env=False)
        head = httpx.head(f"http://127.0.0.1:{port}/studies/{STUDY}", trust_env=False)
    server.stop()
    assert head.status_code == 200
    # httpx and httpcore are the client here; their lines are the test's, not the node's.
    own = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    assert {"http-request", "study-viewed"} <= {record.getMessage() for record in own}
    assert STUDY.text not in "".join(map(_written, own))


def _written(record: logging.LogRecord) -> str:
    """All that a record holds; only identifiers that say they are one are digested in the log."""
    fields = getattr(record, "event_fields", {})
    untyped = {name: value for name, value in fields.items() if not isinstance(value, Uid)}
    return record.getMessage() + str(vars(record) | {"event_fields": untyped})


def test_https_is_served_with_the_node_s_certificate(tmp_path: Path) -> None:
    own = Authority(tmp_path).issue("node")
    web = WebSection(certificate_file=str(own.certificate), key_file=str(own.key))
    server = WebServer(create_app(full_pages()), "127.0.0.1", 0, https_of(web))
    port = server.start()
    try:
        page = NodePage("127.0.0.1", port, certificate_file=str(own.certificate))
        assert page.study(STUDY) is not None
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    finally:
        server.stop()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_request_that_never_begins_is_given_up(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedRequests, "head_seconds", 0.3)
    server = WebServer(create_app(full_pages()), "127.0.0.1", 0)
    port = server.start()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as silent:
            silent.sendall(said)
            assert silent.recv(1) == b""
    finally:
        server.stop()
