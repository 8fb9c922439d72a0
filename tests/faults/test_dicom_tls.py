"""Mutual TLS on the DICOM port and towards destinations: who comes in, and who does not."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cxr_node.config import PeerSection
from cxr_node.config_security import ANY_SUBJECT
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.dicom.tls_acceptance import TlsAcceptance, TlsRefusal
from cxr_node.domain.errors import ConfigurationError, Undeliverable
from cxr_node.domain.events import Event
from cxr_node.transport_security import accepting_context, certificate_ends, requesting_context
from tests.builders import radiograph, save
from tests.certificates import Authority, Identity
from tests.listening import NODE, SENDER, Node, association_request, listening, until
from tests.peers import require

STATION = "station.hospital.example"


class Secured:
    """A node with a certificate, one peer that must show another, and what the log says."""

    def __init__(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.own = self.authority.issue("node")
        self.station = self.authority.issue(STATION)
        self._log = caplog

    @contextmanager
    def node(self, seconds: float = 2.0, **tls: object) -> Iterator[Node]:
        context = accepting_context(self.authority.section(self.own, **tls))
        peer = PeerSection(name="tester", ae_title=SENDER, tls_subject=STATION)
        with listening(self.folder, peers=(peer,), tls=TlsAcceptance(context, seconds)) as node:
            yield node

    def sender(self, node: Node, identity: Identity, subject: str = "node") -> DimseSender:
        """A client of that identity, which expects ``subject`` at the other end."""
        peer = PeerSection(
            name="node", ae_title=NODE, host="127.0.0.1", port=node.port, tls=True,
            tls_subject=subject,
        )  # fmt: skip
        return DimseSender(SENDER, [peer], 5.0, tls=self.authority.section(identity))

    def said(self, event: Event) -> list[str]:
        fields = (r.__dict__["event_fields"] for r in self._log.records if r.message == event)
        return [str(found["reason"]) for found in fields]

    def refused(self, reason: str, event: Event = Event.TLS_REFUSED) -> bool:
        return until(lambda: reason in self.said(event))


@pytest.fixture
def secured(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Secured:
    caplog.set_level(logging.INFO)
    return Secured(tmp_path, caplog)


def _dcmtk(program: str, node: Node, secured: Secured, who: Identity, *files: str) -> int:
    command = [
        *(require(program, "dcmtk"), "-aet", SENDER, "-aec", NODE),
        *("+tls", str(who.key), str(who.certificate), "+cf", str(secured.authority.file)),
        *("127.0.0.1", str(node.port), *files),
    ]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


@pytest.mark.peers
def test_dcmtk_comes_in_with_the_right_certificate(secured: Secured) -> None:
    path = str(save(radiograph(), secured.folder))
    with secured.node() as node:
        assert _dcmtk("echoscu", node, secured, secured.station) == 0
        assert _dcmtk("storescu", node, secured, secured.station, path) == 0
        assert len(node.stored) == 1
        other = secured.authority.issue("other.hospital.example")
        assert _dcmtk("echoscu", node, secured, other) != 0
        assert secured.refused("tls-subject", Event.ASSOCIATION_REFUSED)
        expired = secured.authority.issue(STATION, days=-1)
        assert _dcmtk("echoscu", node, secured, expired) != 0
        assert secured.refused(TlsRefusal.EXPIRED)
        assert _dcmtk("echoscu", node, secured, secured.station) == 0


def test_results_travel_over_tls_to_the_right_subject_only(secured: Secured) -> None:
    path = save(radiograph(), secured.folder)
    with secured.node() as node:
        assert secured.sender(node, secured.station).send("node", path) == 0
        secured.sender(node, secured.station, ANY_SUBJECT).echo("node")
        with pytest.raises(Undeliverable):
            secured.sender(node, secured.station, "pacs.hospital.example").echo("node")
        assert secured.refused(TlsRefusal.SUBJECT)


def test_strangers_are_refused_with_a_reason(secured: Secured) -> None:
    foreign = Authority(secured.folder, "foreign").issue(STATION)
    revoked = secured.authority.issue(STATION, days=2)
    crl = secured.authority.revoke(revoked)
    with secured.node(crl_file=str(crl)) as node:
        for who, reason in (
            (foreign, TlsRefusal.UNKNOWN_AUTHORITY),
            (revoked, TlsRefusal.REVOKED),
            (secured.authority.issue(STATION, days=-2), TlsRefusal.EXPIRED),
        ):
            with pytest.raises(Undeliverable):
                secured.sender(node, who).echo("node")
            assert secured.refused(reason), reason
        secured.sender(node, secured.station).echo("node")
        assert node.listener.associations == 0 or until(lambda: node.listener.associations == 0)


def _hello(node: Node, **options: object) -> str:
    """What a bare TLS client meets; empty when the handshake holds and a byte comes back."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    try:
        with node.connect() as wire, context.wrap_socket(wire) as tls:
            tls.settimeout(5)
            return "closed" if not tls.recv(1) else ""
    except OSError as error:
        return type(error).__name__


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_no_certificate_and_old_versions_are_refused(secured: Secured) -> None:
    with secured.node() as node:
        assert _hello(node) != ""
        assert secured.refused(TlsRefusal.NO_CERTIFICATE)
        old = ssl.TLSVersion.TLSv1_1
        assert _hello(node, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=old) != ""


def test_plain_text_on_the_tls_port_is_closed(secured: Secured) -> None:
    with secured.node() as node:
        for first in (association_request("1.2.840.10008.1.1"), b"GET / HTTP/1.1\r\n\r\n"):
            with node.connect() as wire:
                wire.sendall(first)
                with suppress(ConnectionResetError):
                    assert wire.recv(1) == b""
        assert until(lambda: secured.said(Event.TLS_REFUSED) == [TlsRefusal.NOT_TLS] * 2)


def test_silent_and_slow_handshakes_hold_nobody_up(secured: Secured) -> None:
    def threads() -> int:
        return sum("process_request_thread" in thread.name for thread in threading.enumerate())

    with secured.node(seconds=1.0) as node:
        wires = [node.connect() for _ in range(40)]
        for wire in wires[::2]:
            wire.sendall(b"\x16\x03\x01")
        started = time.monotonic()
        secured.sender(node, secured.station).echo("node")
        assert time.monotonic() - started < 4
        assert secured.refused(TlsRefusal.TOO_SLOW)
        assert until(lambda: threads() == 0, 10)
        for wire in wires:
            wire.close()


def test_a_server_that_never_shakes_hands_is_given_up(secured: Secured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        peer = PeerSection(
            name="mute", ae_title="MUTE", host="127.0.0.1", port=port, tls=True, tls_subject="mute"
        )
        section = secured.authority.section(secured.own)
        started = time.monotonic()
        with pytest.raises(Undeliverable):
            DimseSender(SENDER, [peer], 1.0, tls=section).echo("mute")
        assert time.monotonic() - started < 5
        assert secured.refused(TlsRefusal.TOO_SLOW)


def test_unusable_files_are_named(secured: Secured) -> None:
    other = secured.authority.issue("other")
    wrong = secured.authority.section(secured.own, key_file=str(other.key))
    with pytest.raises(ConfigurationError, match="not a certificate with its key"):
        accepting_context(wrong)
    empty = secured.folder / "empty.pem"
    empty.write_text("")
    with pytest.raises(ConfigurationError, match=r"tls\.ca_file"):
        requesting_context(secured.authority.section(secured.own, ca_file=str(empty)), "x")
    own = secured.own
    assert certificate_ends(str(own.certificate), str(own.key)).tzinfo is not None
    old = secured.authority.issue("node", days=-1)
    with pytest.raises(ConfigurationError, match="expired"):
        certificate_ends(str(old.certificate), str(old.key))


def test_a_locked_key_opens_with_its_password(secured: Secured) -> None:
    locked = secured.authority.issue("locked", password=b"opens")
    file = secured.folder / "password"
    file.write_text("opens\n")
    section = secured.authority.section(locked, key_password_file=str(file))
    assert accepting_context(section).verify_mode is ssl.CERT_REQUIRED
