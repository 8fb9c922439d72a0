"""Puts the audit trail to work in a process: who hears, who writes, who tells the repository."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxr_node.audit.syslog import Repository, Wire
from cxr_node.audit.trail_handler import TrailHandler
from cxr_node.config import Configuration
from cxr_node.domain.errors import StoreUnavailable
from cxr_node.entry.loops import Loop
from cxr_node.entry.wiring import Node
from cxr_node.services.auditing import AuditTeller, AuditWriter
from cxr_node.transport_security import requesting_context

_WRITE_SECONDS = 0.25
_TELL_SECONDS = 2.0


def audit_key(config: Configuration) -> bytes:
    """What keys the digests of the trail: the site key, else one made once and kept in data_dir."""
    if config.site_key:
        return config.site_key.encode()
    path = config.node.data_dir / "audit-key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return _kept(path, secrets.token_bytes(32))


def _kept(path: Path, key: bytes) -> bytes:
    """Write the key unless another process was quicker; the one that is there afterwards."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fresh.touch(0o600)
    fresh.write_bytes(key)
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        key = path.read_bytes()
    fresh.unlink()
    return key


class AuditTrail:
    """Hears the events of this process; with ``tells`` it also serves the repository."""

    def __init__(self, node: Node, *, tells: bool = False) -> None:
        self.writer = AuditWriter(node.db, audit_key(node.config))
        self._handler = TrailHandler(self.writer.hear)
        self._loops = [Loop("audit", self.writer.write, _WRITE_SECONDS)]
        self._wire: Wire | None = None
        if tells and node.config.audit.host:
            self._wire = Wire(_repository(node.config))
            source = node.config.audit.source or node.config.node.ae_title
            teller = AuditTeller(node.db, self._wire, source, socket.gethostname())
            self._loops.append(Loop("audit-repository", teller.tell, _TELL_SECONDS))

    def start(self) -> None:
        """Hear and write from now on."""
        self._handler.attach()
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Write what was heard, then hear no more."""
        for loop in self._loops:
            loop.end()
        for loop in self._loops:
            loop.stop()
        self._handler.detach()
        self.flush()
        if self._wire is not None:
            self._wire.close()

    def flush(self) -> None:
        """Write all that waits; given up where the database does not answer."""
        try:
            while self.writer.write():
                pass
        except StoreUnavailable:
            return


@contextmanager
def audited(node: Node) -> Iterator[None]:
    """What happens inside, in a command of its own, is recorded before the command ends."""
    trail = AuditTrail(node)
    trail.start()
    try:
        yield
    finally:
        trail.stop()


def _repository(config: Configuration) -> Repository:
    chosen = config.audit
    context = requesting_context(config.tls, chosen.tls_subject or chosen.host)
    return Repository(chosen.host, chosen.port, chosen.timeout_seconds, context)
