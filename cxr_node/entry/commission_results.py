"""Where the results of a commissioning are read: at a destination of its own, or in the node.

A site that configures a destination named ``commission`` on this machine gets a receiving
AE there for the time of the run, so that results are read as they arrive over the wire.
Without one nothing of the site's set-up changes: the filed objects are read, whose digests
are those that were sent, and each destination's own answer (0x0000) says that it has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import select

from cxr_node.config import Configuration, PeerSection
from cxr_node.dicom.archive import ReceivingAE
from cxr_node.domain.errors import CxrNodeError, NotConformant
from cxr_node.entry.wiring import Node
from cxr_node.evaluation.commission.reports import is_measurement_report, read_report
from cxr_node.evaluation.commission.studies import ReportRead
from cxr_node.reporting.codes import Codes
from cxr_node.spool.files import sha256_of
from cxr_node.store import outbox, studies
from cxr_node.store.schema import StudyRow

OWN_DESTINATION = "commission"
_LOOPBACK = ("127.0.0.1", "localhost")


class Results(Protocol):
    """Where reports are found."""

    @property
    def words(self) -> str:
        """Which way was used, for the report."""

    def files(self, study_uid: str) -> Sequence[Path]:
        """Result objects of a study, of whatever kind. Raises :class:`NotConformant`."""


@dataclass(frozen=True, slots=True)
class Received:
    """Results that came in over the wire."""

    folder: Path
    peer: PeerSection

    @property
    def words(self) -> str:
        return (
            f"received over C-STORE as {self.peer.ae_title} on port {self.peer.port}, the "
            f"destination {self.peer.name} of the configuration"
        )

    def files(self, study_uid: str) -> Sequence[Path]:
        return sorted((self.folder / study_uid).glob("*.dcm"))


@dataclass(frozen=True, slots=True)
class Filed:
    """Results as the node filed them before it sent them."""

    node: Node

    @property
    def words(self) -> str:
        return (
            "the objects that the node filed and sent, compared with their digests; whether a "
            "destination has them is its own answer to C-STORE"
        )

    def files(self, study_uid: str) -> Sequence[Path]:
        with self.node.db.read() as session:
            study = session.scalar(select(StudyRow).filter_by(study_uid=study_uid))
            revision = studies.current_revision(session, study.id) if study else None
            rows = outbox.objects_of(session, revision.id) if revision else []
            found = [(Path(row.path), row.sha256) for row in rows]
        for path, digest in found:
            if not path.is_file() or sha256_of(path) != digest:
                raise NotConformant(f"the filed object {path.name} is not what was built")
        return [path for path, _ in found]


def reports_of(
    results: Results, study_uid: str, codes: Codes
) -> tuple[tuple[ReportRead, ...], tuple[str, ...]]:
    """The reports of a study, and why others could not be read."""
    found, faults = [], []
    try:
        files = [path for path in results.files(study_uid) if is_measurement_report(path)]
    except NotConformant as error:
        return (), (str(error),)
    for path in files:
        try:
            found.append(read_report(path, codes))
        except NotConformant as error:
            faults.append(f"{path.name} {error}")
    return tuple(found), tuple(faults)


@contextmanager
def open_results(config: Configuration, node: Node, folder: Path) -> Iterator[Results]:
    """Listen at the destination of our own, or read what the node filed.

    Raises :class:`CxrNodeError` when the destination cannot be listened at.
    """
    own = next((peer for peer in config.destinations if peer.name == OWN_DESTINATION), None)
    if own is None:
        yield Filed(node)
        return
    if own.host not in _LOOPBACK:
        raise CxrNodeError(
            f"peer {own.name}: results would go to {own.host}; set host = '127.0.0.1', where "
            "this command listens"
        )
    receiver = ReceivingAE(folder, own.ae_title)
    try:
        receiver.start(own.port)
    except OSError as error:
        raise CxrNodeError(
            f"peer {own.name}: port {own.port} cannot be listened at ({error.strerror}); end "
            "what uses it, or give the peer another port and restart the node"
        ) from error
    try:
        yield Received(folder, own)
    finally:
        receiver.stop()
