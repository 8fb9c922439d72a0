"""A node that fetches earlier studies, and archives that misbehave."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileDataset
from pynetdicom import AE, evt

from cxr_node.config import parse
from cxr_node.dicom.query_retrieve import FIND, GET, MOVE
from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.services.assembly import close_due
from cxr_node.store import readings
from cxr_node.store.schema import PriorFetchRow, RevisionRow, StudyRow
from tests.builders import radiograph
from tests.whole_node import WholeNode, script

SICK = {"overall": "abnormal", "presence/pneumothorax": 0.97, "change": "worsened"}
TODAY = {"StudyDate": "20260102", "StudyTime": "101500"}
BEFORE = {"StudyDate": "20251224", "StudyTime": "080000"}


class FetchingNode(WholeNode):
    """A node with one archive; ``source`` is its table of the configuration.

    ``database`` is a migrated file to begin with.
    """

    def __init__(
        self, folder: Path, database: Path, source: str, port: int = 104, seconds: float = 5.0
    ) -> None:
        self.search_seconds = 0.0
        (folder / "data").mkdir(parents=True)
        shutil.copy(database, folder / "data" / "cxr-node.sqlite3")
        model = script(folder / "model.script.json", answers=SICK)
        super().__init__(
            parse(
                f"[node]\ndata_dir = '{folder / 'data'}'\nuid_key = 'test site'\n"
                f"[listener]\nport = 0\n[spool]\nreserve_bytes = 0\n[model]\npath = '{model}'\n"
                f"[priors]\nseconds = {seconds}\n[[priors.source]]\n{source}\n"
                "[[peer]]\nname = 'archive'\nae_title = 'ORTHANC'\nhost = '127.0.0.1'\n"
                f"port = {port}\n"
            )
        )
        self.dicom_port = self.node.listener.start()

    def close_studies(self) -> None:
        """Let the quiet time pass."""
        self.clock.advance(11)
        node = self.node
        close_due(
            *(node.db, self.clock, node.config.assembly),
            *(node.identity.digest, node.templates.version, self.bell),
            node.config.priors.seconds,
        )

    def search(self) -> str:
        """Receive today's study and search once; how the search ended."""
        self.receive(radiograph(**TODAY))
        began = time.monotonic()
        assert self.node.prior_fetch.work() == 1
        self.search_seconds = time.monotonic() - began
        return str(self.rows(PriorFetchRow)[-1]["outcome"])

    def read_today(self, ds: FileDataset | None = None) -> Reading:
        """Receive today's study, search, close and read it."""
        image = ds or radiograph(**TODAY)
        self.receive(image)
        assert self.node.prior_fetch.work() == 1
        self.close_studies()
        self.stations.read()
        found = self.reading(str(image.StudyInstanceUID))
        assert found is not None
        return found

    def reading(self, study_uid: str) -> Reading | None:
        """The full reading of a study's newest revision."""
        with self.node.db.read() as session:
            study = session.query(StudyRow).filter_by(study_uid=study_uid).one()
            revisions = session.query(RevisionRow).filter_by(study_pk=study.id)
            newest = revisions.order_by(RevisionRow.number.desc()).first()
            assert newest is not None
            return readings.load_reading(session, newest.id, ReadingKind.READ)

    def stop(self) -> None:
        self.node.listener.stop()
        super().stop()


class Misbehaving:
    """A Query/Retrieve SCP that answers every query with ``image`` and sends ``sent``."""

    def __init__(self, image: FileDataset, sent: FileDataset | None = None) -> None:
        self.image = image
        self.sent = sent or image
        self.find_status = 0x0000
        self.get_status = 0xFF00
        self.hang_seconds = 0.0
        self.ended = threading.Event()
        entity = AE(ae_title="ORTHANC")
        for uid in (FIND, MOVE, GET):
            entity.add_supported_context(uid)
        sop_class = str(self.sent.SOPClassUID)
        entity.add_supported_context(sop_class, scu_role=True, scp_role=True)
        handlers: list[Any] = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get)]
        self._entity = entity
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        assert server is not None
        self.port = int(server.server_address[1])

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        self.ended.wait(self.hang_seconds)
        if self.find_status != 0x0000:
            yield self.find_status, None
            return
        answer = Dataset()
        for key in event.identifier:
            answer[key.tag] = self.image.get(key.tag, key)
        answer.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
        yield 0xFF00, answer

    def _get(self, event: evt.Event) -> Iterator[Any]:
        yield 1
        yield self.get_status, self.sent if self.get_status == 0xFF00 else None

    def stop(self) -> None:
        self.ended.set()
        self._entity.shutdown()


@contextmanager
def deaf() -> Iterator[int]:
    """The port of somebody who takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])
