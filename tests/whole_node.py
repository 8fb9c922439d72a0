"""A whole node in one process on a clock of ours: real files, a scripted model, no sockets."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset
from sqlalchemy import select

from cxr_node.config import Configuration, parse
from cxr_node.domain.instance import Received
from cxr_node.domain.ports import FakeClock
from cxr_node.entry.stations import Stations
from cxr_node.entry.wiring import Node
from cxr_node.services.assembly import close_due
from cxr_node.services.doorbell import MemoryDoorbell
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import Base
from tests.builders import save


def script(path: Path, **content: Any) -> Path:
    """A scripted model's file at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def configuration(folder: Path, model: Path, shadow: Path | None = None) -> Configuration:
    """A node with its data in ``folder``; results go to one destination that nobody asks."""
    second = f"[shadow]\npath = '{shadow}'\n" if shadow else ""
    return parse(
        f"[node]\ndata_dir = '{folder}'\nuid_key = 'test site'\n[spool]\nreserve_bytes = 0\n"
        f"[model]\npath = '{model}'\n{second}"
        "[jobs]\nretry_seconds = 0\n"
        "[[peer]]\nname = 'pacs'\nae_title = 'PACS'\nhost = '127.0.0.1'\nport = 104\n"
        "receives_results = true\nobjects = []\n"
    )


class WholeNode:
    """Each step of a study's way is taken when the test says so. Use :meth:`stop` at the end."""

    def __init__(self, config: Configuration) -> None:
        self.bell = MemoryDoorbell()
        self.clock = FakeClock()
        self.node = Node(config, self.bell)
        self.node.clock = self.clock
        self.node.db.migrate()
        self.stations = Stations(self.node)

    def receive(self, ds: FileDataset, *, as_prior: bool = False) -> None:
        """One C-STORE, or what came of the node's own C-GET."""
        partial = save(ds, self.node.spool.partial_folder() / secrets.token_hex(8))
        self.node.intake.receive(
            Received(
                partial=partial,
                sop_class_uid=str(ds.SOPClassUID),
                sop_instance_uid=str(ds.SOPInstanceUID),
                transfer_syntax=str(ds.file_meta.TransferSyntaxUID),
                calling_ae="MODALITY",
                address="127.0.0.1",
                as_prior=as_prior,
            )
        )

    def read(self, ds: FileDataset) -> str:
        """Receive an image, read its study, triage and whole; the Study Instance UID."""
        self.receive(ds)
        self.stations.read()
        self.clock.advance(11)
        node = self.node
        close_due(
            *(node.db, self.clock, node.config.assembly),
            *(node.identity.digest, node.templates.version, self.bell),
        )
        self.stations.read()
        return str(ds.StudyInstanceUID)

    def publish(self) -> None:
        """Build and file the objects of what was read."""
        node = self.node
        while node.claims.work((JobKind.PUBLISH,), node.publish.run):
            pass

    def rows(self, table: type[Base]) -> list[dict[str, Any]]:
        """Every row of a table, oldest first."""
        columns = table.__table__
        with self.node.db.read() as session:
            found = session.execute(select(columns).order_by(*columns.primary_key))
            return [dict(row) for row in found.mappings()]

    def stop(self) -> None:
        self.node.close()
