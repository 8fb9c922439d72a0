"""An intake with everything around it, for tests that send it instances."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset

from cxr_node.config import AssemblySection
from cxr_node.domain.eligibility import EligibilityPolicy
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PixelFacts, Received
from cxr_node.domain.ports import FakeClock, ImagePolicy, PreparedImage
from cxr_node.services.assembly import close_due
from cxr_node.services.doorbell import MemoryDoorbell
from cxr_node.services.intake import Intake
from cxr_node.spool.files import FileSpool
from cxr_node.store.database import Database
from cxr_node.store.schema import RevisionRow
from tests.builders import save

OWN_DEVICE = "2.25.4711"


class ObedientImages:
    """An image reader that finds nothing wrong unless told to."""

    def __init__(self) -> None:
        self.refuse: CxrNodeError | None = None

    def inspect(self, path: Path, pixels: PixelFacts) -> None:
        assert path.exists()
        if self.refuse:
            raise self.refuse

    def prepare(self, path: Path, instance: Uid, policy: ImagePolicy) -> PreparedImage:
        raise AssertionError("intake decodes nothing")


@dataclass
class IntakeBench:
    """Sends instances as the listener would."""

    db: Database
    spool: FileSpool
    clock: FakeClock = field(default_factory=FakeClock)
    bell: MemoryDoorbell = field(default_factory=MemoryDoorbell)
    images: ObedientImages = field(default_factory=ObedientImages)

    @property
    def intake(self) -> Intake:
        return Intake(
            self.db,
            self.spool,
            self.clock,
            EligibilityPolicy(),
            self.images,
            lambda: [OWN_DEVICE],
            self.bell,
        )

    def send(self, ds: FileDataset, source: Path | None = None, **command: str) -> None:
        """One C-STORE of ``ds``, or of the bytes at ``source`` under its name."""
        partial = self.spool.partial_folder() / secrets.token_hex(8)
        if source is None:
            save(ds, partial)
        else:
            shutil.copy(source, partial)
        values = {
            "sop_class_uid": str(ds.SOPClassUID),
            "sop_instance_uid": str(ds.SOPInstanceUID),
            "transfer_syntax": str(ds.file_meta.TransferSyntaxUID),
            "calling_ae": "MODALITY",
            "address": "127.0.0.1",
        }
        try:
            self.intake.receive(Received(partial=partial, **{**values, **command}))
        finally:
            assert not partial.exists()

    def close(self) -> int:
        """Close what has been quiet for long enough; the number closed."""
        return close_due(self.db, self.clock, AssemblySection(), "model", "templates", self.bell)

    def rows(self, table: Any) -> list[Any]:
        """Every row of a table, oldest first."""
        with self.db.read() as session:
            return list(session.query(table).order_by(table.id))

    def states(self) -> list[str]:
        """The state of every revision, oldest first."""
        return [row.state for row in self.rows(RevisionRow)]

    def files(self) -> list[Path]:
        """Every finished file, quarantine left out."""
        return sorted(self.spool.root.glob("??/*.dcm"))
