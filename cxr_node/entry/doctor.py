"""``cxr-node doctor``: walks a phantom along the whole path and names the first broken link.

association → spool → database → job → model → report → PACS → worklist → canary
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom import dcmread
from rich.console import Console
from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.config import Configuration, PeerSection
from cxr_node.config_security import ANY_SUBJECT
from cxr_node.dicom.calling import tls_arguments
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.dicom.worklist_scu import find_priorities
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.study import StudyState
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.phantom.stored import write_stored_film
from cxr_node.store import outbox, readings, studies
from cxr_node.store.schema import DeliveryRow, InstanceRow, JobRow, RevisionRow, StudyRow

_POLL_SECONDS = 0.25


class Broken(CxrNodeError):
    """A link of the path does not hold; the message says what to do."""

    code = "broken-link"


@dataclass(slots=True)
class _Patient:
    """The phantom study on its way."""

    study_uid: Uid
    image: Path


class Doctor:
    """Examines one running node from outside and through its database."""

    def __init__(self, config: Configuration, image: Path, study_uid: Uid, seconds: float) -> None:
        self._config = config
        self._node = Node(config, open_bell(config))
        self._patient = _Patient(study_uid, image)
        self._seconds = seconds
        host = config.listener.host
        itself = PeerSection(
            name="node",
            ae_title=config.node.ae_title,
            host="127.0.0.1" if host in ("", "0.0.0.0") else host,  # noqa: S104 - compared, not bound
            port=config.listener.port,
            tls=config.listener.tls,
            tls_subject=ANY_SUBJECT,
        )
        self._peer = itself
        self._sender = DimseSender(
            own_ae=config.node.ae_title,
            destinations=(itself,),
            timeout_seconds=min(seconds, 30.0),
            max_pdu=config.listener.max_pdu_bytes,
            tls=config.tls,
        )

    @property
    def steps(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        """Name and test of each link, in the order a study meets them."""
        return (
            ("association", self._association),
            ("store", self._store),
            ("database", self._database),
            ("spool", self._spool),
            ("job", self._job),
            ("model", self._model),
            ("report", self._report),
            ("PACS", self._pacs),
            ("worklist", self._worklist),
            ("canary", self._canary),
        )

    def close(self) -> None:
        self._node.close()

    def _association(self) -> str:
        try:
            self._sender.echo("node")
        except CxrNodeError as error:
            raise Broken(
                f"{error}. Is `cxr-node up` running with this configuration, and is "
                f"{self._peer.host}:{self._peer.port} the port it printed?"
            ) from error
        return f"C-ECHO answered by {self._peer.ae_title} at {self._peer.host}:{self._peer.port}"

    def _store(self) -> str:
        try:
            status = self._sender.send("node", self._patient.image)
        except CxrNodeError as error:
            raise Broken(f"{error}. 0xA700 means no room or no database: see /readyz") from error
        return f"C-STORE answered 0x{status:04X}"

    def _database(self) -> str:
        with self._node.db.read() as session:
            if self._study(session) is None:
                raise Broken("no row for a study that was answered 0x0000: another database.url?")
        return "the study has its row"

    def _spool(self) -> str:
        with self._node.db.read() as session:
            row = session.scalar(
                select(InstanceRow)
                .join(StudyRow, StudyRow.id == InstanceRow.study_pk)
                .where(StudyRow.study_uid == self._patient.study_uid.text)
            )
            path = Path(row.path) if row else None
        if path is None or not path.exists():
            raise Broken("the row names no file in the spool: is node.data_dir the same folder?")
        return f"{path.stat().st_size} bytes in the spool"

    def _job(self) -> str:
        revision = self._until(
            lambda r: (
                r.state not in (StudyState.RECEIVING, StudyState.ASSEMBLED, StudyState.QUEUED)
            ),
            "no worker claims the job: is a reading worker running (see /readyz, worker)?",
        )
        if revision.state == StudyState.NOT_ELIGIBLE:
            raise Broken(f"the phantom is not eligible ({revision.reason}): see [eligibility]")
        with self._node.db.read() as session:
            jobs = session.scalars(select(JobRow).where(JobRow.revision_pk == revision.id)).all()
            return ", ".join(f"{job.kind} {job.state}" for job in jobs)

    def _model(self) -> str:
        revision = self._until(
            lambda r: r.state in (StudyState.REPORTED, StudyState.DELIVERED, StudyState.PARKED),
            "the model does not finish: see the worker's log lines (job-failed, lease-expired)",
        )
        with self._node.db.read() as session:
            reading = readings.latest_reading(session, revision.id)
        if reading is None:
            raise Broken(f"no reading was stored: {revision.reason or 'see the log (job-failed)'}")
        return f"{reading.model.name} {reading.model.version}: {len(reading.turns)} answers"

    def _report(self) -> str:
        revision = self._revision()
        with self._node.db.read() as session:
            paths = [Path(row.path) for row in outbox.objects_of(session, revision.id)]
        if not paths or not all(path.exists() for path in paths):
            raise Broken("no result object was built: see the log (job-failed, kind publish)")
        return f"{len(paths)} object(s) built"

    def _pacs(self) -> str:
        if not self._config.destinations:
            raise Broken("no peer receives results: set receives_results on a [[peer]]")
        revision = self._until(
            lambda r: r.state in (StudyState.DELIVERED, StudyState.PARKED),
            "not delivered: " + self._delivery_words(),
        )
        if revision.state == StudyState.PARKED:
            raise Broken(revision.reason)
        return self._delivery_words()

    def _worklist(self) -> str:
        peer = self._peer
        found = find_priorities(
            peer.host,
            peer.port,
            calling_ae=peer.ae_title,
            called_ae=peer.ae_title,
            tls=tls_arguments(peer, self._config.tls),
        )
        priority = found.get(self._patient.study_uid.text)
        if priority is None:
            raise Broken("C-FIND does not list the study: see the log (worklist-answered)")
        return f"C-FIND lists it with priority {priority}"

    def _canary(self) -> str:
        """The path holds; whether the model still says what it said is asked by the canary."""
        if alarm := self._node.canary_alarm():
            raise Broken(f"{alarm}. See `cxr-node canary status`")
        return "no alarm" if self._config.canary.every_hours else "off (canary.every_hours)"

    def _delivery_words(self) -> str:
        with self._node.db.read() as session:
            rows = session.scalars(
                select(DeliveryRow)
                .order_by(DeliveryRow.id.desc())
                .limit(max(len(self._config.destinations), 1))
            ).all()
            return "; ".join(f"{r.destination} {r.state} {r.last_error}".strip() for r in rows)

    def _until(self, done: Callable[[RevisionRow], bool], advice: str) -> RevisionRow:
        deadline = time.monotonic() + self._seconds
        while True:
            revision = self._revision()
            if done(revision):
                return revision
            if time.monotonic() > deadline:
                raise Broken(f"still {revision.state} after {self._seconds:.0f} s: {advice}")
            time.sleep(_POLL_SECONDS)

    def _revision(self) -> RevisionRow:
        with self._node.db.read() as session:
            study = self._study(session)
            revision = studies.current_revision(session, study.id) if study else None
            if revision is None:
                raise Broken("the study has no revision: see the log (instance-refused)")
            session.expunge(revision)
            return revision

    def _study(self, session: Session) -> StudyRow | None:
        return session.scalar(
            select(StudyRow).where(StudyRow.study_uid == self._patient.study_uid.text)
        )


def examine(config: Configuration, console: Console, seconds: float) -> bool:
    """Print each link as it is tried; return whether all of them hold."""
    with TemporaryDirectory() as folder:
        image = _fresh_phantom(Path(folder))
        study_uid = Uid(str(dcmread(image, stop_before_pixels=True).StudyInstanceUID))
        doctor = Doctor(config, image, study_uid, seconds)
        try:
            return all(_holds(name, test, console) for name, test in doctor.steps)
        finally:
            doctor.close()


def _fresh_phantom(folder: Path) -> Path:
    """A study nobody has seen: a repeated one would be taken for a duplicate, and not read."""
    moment = datetime.now(UTC).isoformat()
    return write_stored_film(folder, f"doctor {moment}")


def _holds(name: str, test: Callable[[], str], console: Console) -> bool:
    try:
        words = test()
    except CxrNodeError as error:
        console.print(f"[red]broken[/red] {name:<12} {error}", highlight=False, soft_wrap=True)
        return False
    console.print(f"[green]holds[/green]  {name:<12} {words}", highlight=False, soft_wrap=True)
    return True
