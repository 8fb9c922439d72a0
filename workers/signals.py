"""What a worker opens at its start and closes at its end: one node, one model."""

from __future__ import annotations

from typing import Any

from celery.signals import (
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutdown,
)

from cxr_node.audit import log
from cxr_node.domain.events import Event, emit
from cxr_node.entry.audit_wiring import AuditTrail
from cxr_node.entry.stations import Stations
from cxr_node.entry.wiring import Node, open_bell
from workers.app import configuration

_open: Stations | None = None
_trail: AuditTrail | None = None


def stations() -> Stations:
    """The open node of this process, opened on first use."""
    global _open, _trail
    if _open is None:
        chosen = configuration()
        node = Node(chosen, open_bell(chosen))
        _open, _trail = Stations(node), AuditTrail(node)
        _trail.start()
        emit(Event.WORKER_STARTED, kind="celery")
    return _open


@worker_init.connect  # type: ignore[untyped-decorator]
@worker_process_init.connect  # type: ignore[untyped-decorator]
def configure(**_: Any) -> None:
    """Write JSON lines from the start, before Celery says anything."""
    chosen = configuration()
    log.configure(chosen.log.level, key=chosen.site_key.encode() or None)


@worker_shutdown.connect  # type: ignore[untyped-decorator]
@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def close(**_: Any) -> None:
    """Close database connections and the decoder child."""
    global _open, _trail
    if _open is not None and _trail is not None:
        _trail.stop()
        _open.close()
        _open = _trail = None
        emit(Event.WORKER_STOPPED, kind="celery")
