"""The DICOM listener: admits peers, routes their requests to the handlers, stops in time."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.transport import AssociationServer, RequestHandler, ThreadedAssociationServer

from cxr_node.config import ListenerSection
from cxr_node.dicom import guard as guards
from cxr_node.dicom.admission import Admission, Limits
from cxr_node.dicom.commitment_scp import CommitmentService, commitment_context
from cxr_node.dicom.contexts import WORKLIST_FIND, presentation_contexts
from cxr_node.dicom.guard import PduGuard, PduLimits, Refusal
from cxr_node.dicom.mpps_scp import MppsService, mpps_context
from cxr_node.dicom.normalised import NormalisedServices
from cxr_node.dicom.peers import Peers
from cxr_node.dicom.reception import (
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    ArrivingDataSet,
    Progress,
    Reception,
    StoreCommand,
)
from cxr_node.dicom.store_scp import StoreService
from cxr_node.dicom.tls_acceptance import TlsAcceptance, subjects_of
from cxr_node.dicom.ups_scp import UpsService, ups_contexts
from cxr_node.dicom.worklist_scp import WorklistService
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import Received
from cxr_node.domain.worklist import WorklistEntry

_STOP_SECONDS = 5.0
_STOP_STEP = 0.01
_WAITING = 32
_LONGEST_SILENCE = 10.0
_UNBOUNDED = 1_000_000  # the library's own limit would count strangers; see admission

REJECT_CALLING = (1, 1, 3)
REJECT_CALLED = (1, 1, 7)
REJECT_BUSY = (2, 3, 2)
"""Result, source and reason of A-ASSOCIATE-RJ (PS3.8 §9.3.4)."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the listener calls; all may be called from several threads at once.

    ``on_instance`` returns when the instance is durable and committed and raises errors
    of :mod:`cxr_node.domain.errors`; ``check_room`` raises SpoolFull; ``on_progress`` is
    called while bytes of a study still arrive.
    """

    on_instance: Callable[[Received], None]
    on_progress: Callable[[Uid], None]
    check_room: Callable[[], None]
    partial_folder: Path
    worklist: Callable[[], Sequence[WorklistEntry]]
    commitment: CommitmentService | None = None
    workitems: UpsService | None = None
    exams: MppsService | None = None


@dataclass(slots=True)
class _Guarded:
    """What belongs to one connection."""

    guard: PduGuard
    reception: Reception
    address: str
    subjects: frozenset[str]
    since: float
    peer: str = ""
    instances: int = 0


class Listener:
    """Serves C-ECHO, C-STORE and Modality Worklist C-FIND until stopped.

    With ``tls`` every connection begins with a mutual handshake.
    """

    def __init__(
        self,
        config: ListenerSection,
        ae_title: str,
        peers: Peers,
        handlers: Handlers,
        tls: TlsAcceptance | None = None,
    ) -> None:
        self._tls = tls
        self._config = config
        self._ae_title = ae_title
        self._peers = peers
        self._handlers = handlers
        self._store = StoreService(handlers.on_instance)
        self._worklist = WorklistService(ae_title, handlers.worklist)
        limits = Limits(config.max_associations, config.max_associations_per_address, _WAITING)
        self._admission = Admission(limits)
        self._guarded: dict[int, _Guarded] = {}
        self._numbers = itertools.count(1)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def associations(self) -> int:
        """Associations established now."""
        return self._admission.associations

    def start(self) -> int:
        """Bind and serve; returns the port. Raises OSError if it cannot be bound."""
        entity = self._entity()
        server = entity.make_server(
            (self._config.host, self._config.port),
            evt_handlers=[
                *self._normalised_handlers(),
                (evt.EVT_REQUESTED, self._requested),
                (evt.EVT_C_ECHO, self._echo),
                (evt.EVT_C_STORE, self._stored),
                (evt.EVT_C_FIND, self._found),
            ],
            server_class=_Server,
            request_handler=_Connection,
        )
        assert isinstance(server, _Server)
        server.protect, server.may_connect = self._protect, self._may_connect
        server.secure = self._secure
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.1,), name="dicom-listener", daemon=True
        )
        self._thread.start()
        port = int(server.server_address[1])
        emit(Event.LISTENER_STARTED, port=port, ae_title=self._ae_title)
        return port

    def stop(self) -> None:
        """Stop listening, end every association; returns within a few seconds."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        for mine in list(self._guarded.values()):
            mine.guard.close()
        deadline = time.monotonic() + _STOP_SECONDS
        # Not joined one by one: among them may be a thread that has not yet started.
        while server.active_associations and time.monotonic() < deadline:
            time.sleep(_STOP_STEP)
        if self._thread is not None:
            self._thread.join(max(0.1, deadline - time.monotonic()))

    def _entity(self) -> ApplicationEntity:
        entity = ApplicationEntity(self._ae_title)
        offered = [commitment_context()] if self._handlers.commitment else []
        offered += ups_contexts() if self._handlers.workitems else []
        offered += [mpps_context()] if self._handlers.exams else []
        entity.supported_contexts = [*presentation_contexts(), *offered]
        entity.maximum_pdu_size = self._config.max_pdu_bytes
        entity.maximum_associations = _UNBOUNDED
        entity.implementation_class_uid = IMPLEMENTATION_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION
        entity.acse_timeout = min(_LONGEST_SILENCE, self._config.pdu_seconds)
        entity.network_timeout = self._config.idle_seconds
        entity.dimse_timeout = self._config.idle_seconds
        return entity

    def _may_connect(self) -> bool:
        """A last bound on threads: beyond it a socket is closed unread."""
        return self._admission.sockets < self._config.max_associations + 2 * _WAITING

    def _secure(self, wire: socket.socket, address: str) -> socket.socket | None:
        """The connection as it may be used; None where no handshake was made in time."""
        if self._tls is None:
            return wire
        key = -next(self._numbers)  # no id of an association

        def waiting(secured: socket.socket) -> None:
            self._admission.opened(key, address, lambda: _hang_up(secured))

        try:
            return self._tls.secure(wire, address, waiting)
        finally:
            self._admission.closed(key)

    def _protect(self, association: Association, address: str) -> None:
        """Put guard, reception and accounting around a new connection, before its first byte."""
        limits = PduLimits(self._config.max_pdu_bytes, self._config.pdu_seconds)
        guard = PduGuard(association, limits, address)
        number = next(self._numbers)
        association.name = f"dicom-AcceptorThread-{number}"
        association.dul.name = f"dicom-wire-{number}"
        association.dul.daemon = True
        progress = Progress(self._handlers.on_progress)

        def begin(command: StoreCommand) -> ArrivingDataSet:
            return ArrivingDataSet(
                command,
                folder=self._handlers.partial_folder,
                check_room=self._handlers.check_room,
                progress=progress,
                max_bytes=self._config.max_message_bytes,
                too_long=lambda: guard.refuse(Refusal.MESSAGE_TOO_LONG),
            )

        reception = Reception(begin)
        guards.guard_messages(association, reception, guard)
        key = id(association)
        subjects = subjects_of(guard.wire)
        self._guarded[key] = _Guarded(guard, reception, address, subjects, time.monotonic())
        guards.on_end(association, lambda: self._ended(key))
        self._admission.opened(key, address, lambda: guard.refuse(Refusal.TOO_MANY_WAITING))
        if self._server is None:  # accepted while stopping
            guard.close()

    def _ended(self, key: int) -> None:
        mine = self._guarded.pop(key)
        mine.reception.end()
        self._admission.closed(key)
        if mine.peer:
            seconds = round(time.monotonic() - mine.since, 3)
            emit(Event.ASSOCIATION_ENDED, peer=mine.peer, instances=mine.instances, seconds=seconds)

    def _requested(self, event: evt.Event) -> None:
        """Accept or reject before anything is negotiated."""
        association = event.assoc
        mine = self._guarded[id(association)]
        request = cast(A_ASSOCIATE, association.requestor.primitive)
        calling = str(request.calling_ae_title)
        peer = self._peers.name_of(calling, mine.address, mine.subjects)
        if str(request.called_ae_title).strip(" ") != self._ae_title:
            self._reject(association, mine, REJECT_CALLED, "called-ae")
        elif peer is None:
            why = self._peers.refusal(calling, mine.address)
            self._reject(association, mine, REJECT_CALLING, why)
        elif not self._admission.admit(id(association)):
            self._reject(association, mine, REJECT_BUSY, "busy")
        else:
            mine.peer = peer
            emit(Event.ASSOCIATION_ACCEPTED, peer=peer, address=mine.address)

    def _reject(
        self, association: Any, mine: _Guarded, answer: tuple[int, int, int], reason: str
    ) -> None:
        emit(Event.ASSOCIATION_REFUSED, reason=reason, address=mine.address)
        association.acse.send_reject(*answer)
        association.kill()

    def _echo(self, event: evt.Event) -> int:
        return 0x0000

    def _stored(self, event: evt.Event) -> Dataset | int:
        mine = self._guarded[id(event.assoc)]
        data_set = guards.arriving(cast(C_STORE, event.request).DataSet)
        if data_set is None:
            return 0xC001
        try:
            answer = self._store.store(
                data_set,
                negotiated_class=str(event.context.abstract_syntax),
                calling_ae=str(event.assoc.requestor.ae_title),
                address=mine.address,
                move_originator=_originator(cast(C_STORE, event.request)),
            )
        finally:
            mine.reception.handled(data_set)
            guards.still_alive(event.assoc)
        mine.instances += answer.Status == 0
        return answer

    def _normalised_handlers(self) -> list[Any]:
        offered = self._handlers
        services = NormalisedServices(offered.commitment, offered.workitems, offered.exams)
        return services.handlers(lambda event: self._guarded[id(event.assoc)].peer)

    def _found(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        peer = self._guarded[id(event.assoc)].peer
        workitems = self._handlers.workitems
        if workitems is not None and event.context.abstract_syntax != WORKLIST_FIND:
            return workitems.find(event, peer)
        return self._worklist.find(event, peer)


def _originator(request: C_STORE) -> str:
    """Move Originator Application Entity Title (PS3.7 §9.1.1.1.6)."""
    return str(request.MoveOriginatorApplicationEntityTitle or "").strip(" ")


def _hang_up(wire: socket.socket) -> None:
    """End a connection whose handshake another thread still waits for."""
    with contextlib.suppress(OSError):  # already over
        socket.socket.shutdown(wire, socket.SHUT_RDWR)


class _Connection(RequestHandler):
    """Secures each connection and protects its association before its first byte is read."""

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        wire = self.server.secure(self.request, str(self.client_address[0]))
        if wire is not None:
            self.request = wire
            super().handle()

    def _create_association(self) -> Association:
        association = super()._create_association()
        assert isinstance(self.server, _Server)
        self.server.protect(association, str(self.client_address[0]))
        return association


class _Server(ThreadedAssociationServer):
    """The library's server with our bound on sockets."""

    daemon_threads = True
    request_queue_size = 128
    protect: Callable[[Association, str], None]
    may_connect: Callable[[], bool]
    secure: Callable[[socket.socket, str], socket.socket | None]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self.may_connect()

    def shutdown(self) -> None:
        """Stop serving and close the socket; the entity never listed this server."""
        super(AssociationServer, self).shutdown()
        self.server_close()
