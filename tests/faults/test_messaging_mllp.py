"""The MLLP listener against a library's own client, and against senders that misbehave."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient

from cxr_node.config_messaging import OrdersSection
from cxr_node.domain.errors import ConfigurationError
from cxr_node.messaging.mllp import framed
from cxr_node.messaging.mllp_server import MllpServer
from tests.certificates import Authority
from tests.hl7_orders import orm

MESSAGE = framed(orm().encode())


def echo(data: bytes) -> bytes:
    return b"MSH|^~\\&|A\rMSA|AA|" + str(len(data)).encode() + b"\r"


@contextmanager
def serving(answer: Callable[[bytes], bytes] = echo, **changes: object) -> Iterator[int]:
    section = OrdersSection.model_validate(
        {"message_seconds": 1.0, "idle_seconds": 5.0, "max_message_bytes": 4096, **changes}
    )
    server = MllpServer(section, answer)
    port = server.start()
    try:
        yield port
    finally:
        server.stop()
        assert not server.alive


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        yield connection


def ended(connection: socket.socket) -> bool:
    """Whether the listener closes the connection without an answer."""
    try:
        return connection.recv(1024) == b""
    except ConnectionError:
        return True


def reasons(caplog: pytest.LogCaptureFixture) -> list[object]:
    return [
        record.event_fields["reason"]
        for record in caplog.records
        if record.getMessage() == "mllp-closed"
    ]


def test_a_librarys_own_client_is_answered_again_and_again() -> None:
    with serving() as port, MLLPClient("127.0.0.1", port) as client:
        for control_id in ("M1", "M2", "M3"):
            text = orm(control_id)
            reply = hl7.parse(client.send_message(text.encode()).decode().strip("\x0b\x1c\r"))
            assert str(reply.segment("MSA")[2]) == str(len(text.encode()))


def test_two_messages_in_one_packet_and_one_in_many() -> None:
    with serving() as port, connected(port) as connection:
        connection.sendall(MESSAGE + b"\r\n" + MESSAGE)
        got = b""
        while got.count(b"\x1c") < 2:
            got += connection.recv(1024)
        for number in range(0, len(MESSAGE), 200):
            connection.sendall(MESSAGE[number : number + 200])
        assert b"MSA|AA|" in connection.recv(1024)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "garbage"),
        (b"\x16\x03\x01\x02\x00\x01", "garbage"),
        (b"\x0bMSH|^~\\&\x1cX", "garbage"),
        (b"\x0b" + b"A" * 5000, "too-long"),
        (b"\x0bMSH|^~\\&|half", "too-slow"),
    ],
)
def test_what_is_no_message_is_closed_with_an_event(
    data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), serving() as port, connected(port) as connection:
        connection.sendall(data)
        assert ended(connection)
        with connected(port) as other:
            other.sendall(MESSAGE)
            assert b"MSA|AA|" in other.recv(1024)
    assert reason in reasons(caplog)


def test_a_message_cut_by_its_sender_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[bytes] = []

    def keep(data: bytes) -> bytes:
        taken.append(data)
        return b"MSA"

    with caplog.at_level(logging.INFO), serving(keep) as port, connected(port) as connection:
        connection.sendall(MESSAGE[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert ended(connection)
    assert taken == []
    assert "cut" in reasons(caplog)


def test_no_more_connections_than_are_allowed() -> None:
    with serving(max_connections=2) as port:
        with connected(port) as one, connected(port) as two:
            for held in (one, two):
                held.sendall(MESSAGE)
                assert b"MSA" in held.recv(1024)
            with connected(port) as third:
                assert ended(third)
            one.sendall(MESSAGE)
            assert b"MSA" in one.recv(1024)
        with connected(port) as later:
            _until_answered(later, port)


def _until_answered(connection: socket.socket, port: int) -> None:
    """The listener may take a moment to see that others have gone."""
    for _attempt in range(50):
        connection.sendall(MESSAGE)
        if not ended(connection):
            return
        connection.close()
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    raise AssertionError("no place became free")


def test_an_unknown_address_is_not_heard(caplog: pytest.LogCaptureFixture) -> None:
    strangers = serving(senders=("192.0.2.7",))
    with caplog.at_level(logging.INFO), strangers as port, connected(port) as connection:
        assert ended(connection)
    assert reasons(caplog) == ["unknown-sender"]


def test_many_senders_at_once() -> None:
    with serving(max_connections=8) as port:
        answers: list[bytes] = []

        def send() -> None:
            with connected(port) as connection:
                for _number in range(5):
                    connection.sendall(MESSAGE)
                    answers.append(connection.recv(1024))

        threads = [threading.Thread(target=send) for _number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert len(answers) == 40
    assert all(b"MSA|AA|" in answer for answer in answers)


def test_mutual_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path)
    node, sender = authority.issue("node"), authority.issue("ris")
    tls = {
        "certificate_file": str(node.certificate),
        "key_file": str(node.key),
        "client_ca_file": str(authority.file),
    }
    context = ssl.create_default_context(cafile=str(authority.file))
    context.check_hostname = False
    with caplog.at_level(logging.INFO), serving(**tls) as port:
        with pytest.raises(OSError), connected(port) as plain:
            nameless = context.wrap_socket(plain)
            nameless.sendall(MESSAGE)
            assert nameless.recv(1024)
            raise AssertionError("answered a sender without a certificate")
        context.load_cert_chain(sender.certificate, sender.key)
        with connected(port) as plain, context.wrap_socket(plain) as secured:
            secured.sendall(MESSAGE)
            assert b"MSA|AA|" in secured.recv(1024)
        with connected(port) as plain:
            plain.sendall(MESSAGE)
            assert not _answered(plain)
    assert "tls" in reasons(caplog)


def _answered(connection: socket.socket) -> bool:
    try:
        return connection.recv(1024).startswith(b"\x0b")
    except ConnectionError:
        return False


def test_a_certificate_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    section = OrdersSection(
        certificate_file=str(tmp_path / "none.pem"), key_file=str(tmp_path / "none.pem")
    )
    with pytest.raises(ConfigurationError):
        MllpServer(section, echo)
