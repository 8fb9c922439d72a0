"""Instances as facts, for tests that need rows but no DICOM file."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import InstanceFacts, PatientFacts, PixelFacts, StudyFacts, View
from cxr_node.domain.ports import SpooledFile
from cxr_node.store import studies
from cxr_node.store.schema import RevisionRow, StudyRow

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
DX = "1.2.840.10008.5.1.4.1.1.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"


def facts(study: int = 1, instance: int = 1, **changes: object) -> InstanceFacts:
    """A frontal chest radiograph; ``study`` and ``instance`` make its UIDs."""
    values: dict[str, object] = {
        "sop_instance_uid": Uid(f"1.2.3.{study}.1.{instance}"),
        "sop_class_uid": Uid(DX),
        "series_uid": Uid(f"1.2.3.{study}.1"),
        "transfer_syntax": Uid(EXPLICIT),
        "study": StudyFacts(Uid(f"1.2.3.{study}"), accession_number=f"A{study}"),
        "patient": PatientFacts(patient_id=f"P{study}", name="DOE^JANE"),
        "modality": "DX",
        "view": View.PA,
        "pixels": PixelFacts(rows=256, columns=224, has_pixels=True),
    }
    return InstanceFacts(**{**values, **changes})  # type: ignore[arg-type]


def spooled(text: str) -> SpooledFile:
    """A file that exists only by name."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return SpooledFile(Path(f"/spool/{digest}.dcm"), digest, len(text))


def add_study(
    session: Session, number: int = 1, at: datetime = NOW, reason: str = ""
) -> tuple[StudyRow, RevisionRow]:
    """A study with one image in a revision that is still receiving."""
    described = facts(number)
    study = studies.upsert_study(session, described, "MODALITY", at)
    revision = studies.open_revision(session, study, at)
    file = spooled(f"image of {number}")
    studies.add_instance(session, study, revision.number, described, file, "MODALITY", reason, at)
    return study, revision
