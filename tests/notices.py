"""Notices for tests of messages: invented people, names from many scripts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cxr_node.domain.delivery import Parcel
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.notice import (
    Coded,
    NotedFinding,
    NotedModel,
    NotedObject,
    Notice,
    NoticeEvent,
)
from cxr_node.domain.priority import Priority
from cxr_node.messaging.notice_files import encode_notice

PRESENT = Coded("SCT", "52101004", "Present")
ABSENT = Coded("SCT", "272519000", "Absent")
PLEURA = Coded("SCT", "3120008", "Pleura")

NAMES = {
    "UNICODE UTF-8": (
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "محمد^علي",
        "Иванова^Анна",
        "Muñoz^José",
    ),
    "ISO IR87": ("Yamada^Tarou=山田^太郎=やまだ^たろう",),
    "8859/1": ("Muñoz^José", "Lefèvre^Zoë"),
    "ASCII": ("Doe^Jane",),
}
"""Names that each character set of HL7 carries whole."""


def noted(key: str, code: Coded, probability: float, *, side: str = "") -> NotedFinding:
    """A finding held present at 0.5 or above."""
    present = probability >= 0.5
    left = Coded("SCT", "7771000", "Left")
    return NotedFinding(
        key=key,
        code=code,
        presence="present" if present else "absent",
        presence_code=PRESENT if present else ABSENT,
        probability=probability,
        threshold=0.5,
        calibrated=True,
        site=PLEURA,
        laterality=left if side else None,
        words=f"left {key} ({probability:.0%})",
    )


def sample_notice(**changes: Any) -> Notice:
    """A left pneumothorax found by the full reading."""
    notice = Notice(
        uid=Uid("2.25.77001"),
        event=NoticeEvent.REPORTED,
        at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        station="CXR-NODE",
        study=StudyFacts(Uid("1.2.3.4.5"), "ACC-1", "S1", "20260304", "050000", "Chest PA"),
        patient=PatientFacts("PAT-1", "HOSPITAL", "Doe^Jane", "19700102", "F"),
        revision=1,
        priority=Priority.STAT,
        priority_words="pneumothorax",
        rule="pneumothorax",
        policy_version="1+abc",
        conclusion="AI draft, not for diagnosis. Held present: left pneumothorax (97 %).",
        model=NotedModel("embedded", "0.1", "cxr-node project", Uid("2.25.1234567890")),
        findings=(
            noted("pneumothorax", Coded("SCT", "36118008", "Pneumothorax"), 0.97, side="left"),
            noted("edema", Coded("SCT", "19242006", "Pulmonary edema"), 0.03),
        ),
        images=(
            NotedObject(
                Uid("1.2.840.10008.5.1.4.1.1.1.1"), Uid("1.2.3.4.5.6.1"), Uid("1.2.3.4.5.6")
            ),
        ),
        reports=(
            NotedObject(Uid("1.2.840.10008.5.1.4.1.1.88.34"), Uid("2.25.5501"), Uid("2.25.55")),
        ),
        acr_category=1,
    )
    return replace(notice, **changes)


def parcel_of(notice: Notice, folder: Path, destination: str = "receiver") -> Parcel:
    """The notice as the outbox hands it over."""
    path = folder / f"{notice.uid}.json"
    path.write_bytes(encode_notice(notice))
    return Parcel(destination, f"notice-{notice.event}", notice.uid.text, path, attempt=1)
