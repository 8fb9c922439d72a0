"""``cxr-node up``: the whole node on one machine.

Listener, page, dispatcher, publisher and deliverer are threads of this process; reading
workers are child processes. With a Celery doorbell the last three belong to its workers.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from cxr_node.config import Configuration
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Doorbell
from cxr_node.entry.access import access_of, https_of
from cxr_node.entry.audit_wiring import AuditTrail
from cxr_node.entry.bells import LocalBell
from cxr_node.entry.health import Health
from cxr_node.entry.loops import Loop
from cxr_node.entry.messaging_wiring import order_listener
from cxr_node.entry.review import review_of
from cxr_node.entry.stations import Stations
from cxr_node.entry.storing import storing_of
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.entry.worker_process import WorkerProcess
from cxr_node.messaging.mllp_server import MllpServer
from cxr_node.services.assembly import close_due
from cxr_node.services.canary import schedule
from cxr_node.services.current_results import CurrentResults
from cxr_node.services.dead_letters import DeadLetters
from cxr_node.services.dispatch import sweep
from cxr_node.services.escalation import escalate_due
from cxr_node.web.app import create_app
from cxr_node.web.server import WebServer
from cxr_node.web.source import Address, Component
from cxr_node.web.store_pages import StorePages

_DISPATCH_SECONDS = 0.25
_CANARY_SECONDS = 5.0
_COMMITMENT_SECONDS = 1.0
_HOUSE_SECONDS = 60.0
_PRIOR_SECONDS = 0.25
_PRIOR_LOOPS = 2
"""A search that waits for a slow archive must not stand in the way of the next one."""


class EmbeddedNode:
    """All parts, started and stopped in order. ``config_path`` is what workers read; without one
    they use the built-in defaults, as this process does."""

    def __init__(self, config: Configuration, config_path: Path | None) -> None:
        self._config = config
        self._local = LocalBell()
        self._scaled = config.doorbell.kind == "celery"
        bell: Doorbell = open_bell(config) if self._scaled else self._local
        self.node = Node(config, bell)
        count = 0 if self._scaled else config.jobs.workers
        self._workers = [WorkerProcess(config_path, number) for number in range(count)]
        second = bool(config.shadow.path) and not self._scaled
        # Apart from the others: whether it works says nothing about whether the node does.
        self._shadow = WorkerProcess(config_path, count, shadow=True) if second else None
        self._stations = Stations(self.node)
        self._loops = self._build_loops()
        self._health = Health(self.node, self._loops, self._workers)
        self._orders: MllpServer | None = None
        self._web: WebServer | None = None
        self._audit: AuditTrail | None = None
        self.dicom_port = 0
        self.web_port = 0

    def _build_loops(self) -> list[Loop]:
        loops = [Loop("dispatcher", self._dispatch, _DISPATCH_SECONDS)]
        if self._config.priors.source:
            loops += [self._prior_loop(number) for number in range(_PRIOR_LOOPS)]
        loops.append(Loop("housekeeping", self._keep_house, _HOUSE_SECONDS))
        loops += self.node.workitem_parts.loops()
        loops.append(Loop("commitment", self.node.commitment.work, _COMMITMENT_SECONDS))
        if self._config.canary.every_hours:
            loops.append(Loop("canary", self._watch, _CANARY_SECONDS))
        if not self._scaled:
            stations = self._stations
            poll = self._config.jobs.poll_seconds
            loops += [
                Loop("publisher", stations.publish, lambda: self._local.wait("publish", poll)),
                Loop("deliverer", stations.deliver, lambda: self._local.wait("deliver", poll)),
            ]
        return loops

    def _prior_loop(self, number: int) -> Loop:
        # Built in the loop's own thread, when the database is migrated.
        return Loop(f"priors-{number}", lambda: self.node.prior_fetch.work(), _PRIOR_SECONDS)

    def start(self) -> None:
        """Start everything; workers load their model while the listener already answers."""
        node = self.node
        node.db.migrate()
        self._audit = AuditTrail(node, tells=True)
        self._audit.start()
        node.spool.sweep_partials()
        emit(
            Event.NODE_STARTED,
            model=node.identity.digest[:12],
            templates=node.templates.version,
            destinations=len(node.destinations),  # one that cannot be used refuses the start
        )
        for worker in self._workers:
            self._local.on_ring("read", worker.ring)
            worker.start()
        if self._shadow is not None:
            self._local.on_ring("shadow", self._shadow.ring)
            self._shadow.start()
        self.dicom_port = node.listener.start()
        self._orders = order_listener(self._config, node.db, node.clock)
        if self._orders is not None:
            self._orders.start()
        access = access_of(self._config, node.clock)
        pages = create_app(
            self._pages(),
            review=review_of(node),
            access=access,
            storing=storing_of(node),
            desk=node.reading_desk,
            board=node.switches,
            letters=DeadLetters(node.db, node.clock, node.bell),
            workitems=node.workitem_parts.web_service(),
            results=CurrentResults(node.db, node.templates, node.config.node.station_name),
        )
        web = self._config.web
        self._web = WebServer(pages, web.host, web.port, https_of(web))
        self.web_port = self._web.start()
        for loop in self._loops:
            loop.start()

    def _pages(self) -> StorePages:
        address = Address(self._config.node.ae_title, self._config.listener.host, self.dicom_port)
        return StorePages(
            self.node.db,
            render=self._picture,
            health=self.health,
            address=address,
            view=self.node.list_view,
        )

    def _picture(self, path: Path, instance: Uid) -> bytes:
        return self.node.images.render_png(path, instance, max_side=1024)

    def health(self) -> Mapping[str, Component]:
        """Every part, in the order in which a study meets them."""
        return self._health.components(self.dicom_port)

    def _dispatch(self) -> None:
        node = self.node
        close_due(
            node.db,
            node.clock,
            self._config.assembly,
            node.identity.digest,
            node.templates.version,
            node.bell,
            self._config.priors.seconds,
        )
        sweep(node.db, node.clock, self._config.jobs, node.bell)
        escalate_due(node.db, node.clock, node.templates.critical, node.announcer, node.bell)

    def _keep_house(self) -> None:
        self.node.confirmation.give_up()
        self.node.retention.work()

    def _watch(self) -> None:
        schedule(self.node.db, self.node.clock, self._config.canary, self.node.bell)

    def stop(self) -> None:
        """Stop intake first, then what works on it; nothing accepted is lost."""
        self.node.listener.stop()
        if self._orders is not None:
            self._orders.stop()
        if self._web is not None:
            self._web.stop()
        self._stations.end()
        for loop in self._loops:
            loop.end()
        for loop in self._loops:
            loop.stop()
        for worker in (*self._workers, *((self._shadow,) if self._shadow else ())):
            worker.stop()
        emit(Event.NODE_STOPPED)
        if self._audit is not None:
            self._audit.stop()
        self.node.close()


def run_until_signalled(node: EmbeddedNode) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    node.start()
    try:
        ended.wait()
    finally:
        node.stop()
