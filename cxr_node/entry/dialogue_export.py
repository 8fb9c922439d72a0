"""The node's own stored readings as dialogue records, patients under a digest."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from cxr_node.audit.log import digest
from cxr_node.config import Configuration
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.store.readings import OfStudy, full_readings
from cxr_node.training.reading_records import reading_record
from cxr_node.training.record_files import write_records
from cxr_node.training.records import Record


def export_readings(
    config: Configuration, out: Path, study_uid: str, counted: Callable[[int], None]
) -> int:
    """Write the newest full reading of every study, or of one; returns how many there were.

    A patient is a keyed digest: with the site key of the configuration the same in every
    export, without one the same within this file alone.
    """
    key = config.site_key.encode() or secrets.token_bytes(32)

    def record(found: OfStudy) -> Record:
        patient = digest(found.patient, key) if found.patient else None
        return reading_record(found.reading, study=found.study_uid, patient=patient)

    node = Node(config, open_bell(config))
    try:
        with node.db.read() as session:
            records = map(record, full_readings(session, study_uid))
            return write_records(out, records, counted=counted)
    finally:
        node.close()
