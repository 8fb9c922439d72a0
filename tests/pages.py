"""A page source made of plain values, for tests of the pages and the API."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.domain.worklist import DeliveryStatus, WorklistEntry
from cxr_node.web.source import (
    Address,
    Component,
    Counts,
    PriorityStep,
    ResultObject,
    RevisionLine,
    StoredImage,
    StudyPage,
)
from tests.readings import DX, IMAGE, sample_reading

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ADDRESS = Address("CXRNODE", "127.0.0.1", 11112)
STUDY = Uid("1.2.826.0.1.3680043.8.498.100")

_DELIVERIES = (
    DeliveryStatus("pacs", "sent", 1, 0, ""),
    DeliveryStatus("archive", "parked", 1, 0xC000, "the destination cannot understand the object"),
)


def entry(**changes: Any) -> WorklistEntry:
    """A flagged study that came at noon."""
    plain = WorklistEntry(
        study=StudyFacts(STUDY, "A-100", "1", "20260304", "115500", "Chest PA"),
        patient=PatientFacts("P-100", "", "Doe^Jane", "19600102", "F"),
        revision=1,
        state=StudyState.DELIVERED,
        visible=VisibleState.FLAGGED,
        words="pneumothorax present at 0.87",
        priority=Priority.STAT,
        priority_words="pneumothorax present at 0.87",
        sender="MODALITY",
        view="PA",
        findings=("pneumothorax", "pleural_effusion", "endotracheal_tube"),
        received_at=NOON,
        last_image_at=NOON + timedelta(seconds=1),
        flagged_at=NOON + timedelta(seconds=3),
        reported_at=NOON + timedelta(seconds=20),
        deliveries=_DELIVERIES,
    )
    return replace(plain, **changes)


def other(number: int, visible: VisibleState, state: StudyState, **changes: Any) -> WorklistEntry:
    """An unflagged study, ``number`` minutes younger than :func:`entry`."""
    return entry(
        study=StudyFacts(Uid(f"1.2.826.0.1.3680043.8.498.{100 + number}"), f"A-{100 + number}"),
        patient=PatientFacts(f"P-{100 + number}", "", f"Roe^Person {number}", "19500101", "M"),
        visible=visible,
        state=state,
        words="",
        priority=Priority.ROUTINE,
        priority_words="",
        findings=(),
        received_at=NOON + timedelta(minutes=number),
        flagged_at=None,
        deliveries=(),
        **changes,
    )


def stored_image(**changes: Any) -> StoredImage:
    """The image that the sample reading speaks of."""
    plain = StoredImage(IMAGE, "PA", 512, 400, True, None, 1, "MODALITY", NOON)
    return replace(plain, **changes)


def study_page(**changes: Any) -> StudyPage:
    """A flagged study with the sample reading, one object and two deliveries."""
    second = timedelta(seconds=1)
    report = ResultObject("sr", DX, Uid("2.25.77"), "", 1, NOON + 20 * second, _DELIVERIES)
    step = PriorityStep(
        Priority.ROUTINE, Priority.STAT, "pneumothorax", "pneumothorax present at 0.87", "triage",
        NOON + 3 * second,
    )  # fmt: skip
    plain = StudyPage(
        entry=entry(),
        images=(stored_image(),),
        reading=sample_reading(),
        reading_revision=1,
        milestones={
            Milestone.FIRST_IMAGE: NOON,
            Milestone.LAST_IMAGE: NOON + second,
            Milestone.TRIAGE_DONE: NOON + 3 * second,
            Milestone.REPORTED: NOON + 20 * second,
        },
        revisions=(RevisionLine(1, StudyState.DELIVERED, "", NOON, NOON + second),),
        objects=(report,),
        priority_steps=(step,),
    )
    return replace(plain, **changes)


def png(width: int = 200, height: int = 256) -> bytes:
    """A picture, drawn smaller than the original it shows."""
    target = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(target, "PNG")
    return target.getvalue()


@dataclass
class FakePages:
    """Answers from its fields; ``down`` makes every question fail as a lost database does."""

    entries: Sequence[WorklistEntry] = ()
    pages: dict[Uid, StudyPage] = field(default_factory=dict)
    pictures: dict[tuple[Uid, Uid], bytes] = field(default_factory=dict)
    components: Mapping[str, Component] = field(default_factory=dict)
    address: Address = ADDRESS
    down: bool = False
    alarming: Sequence[str] = ()

    def worklist(self) -> Sequence[WorklistEntry]:
        if self.down:
            raise StoreUnavailable("the database does not answer")
        return self.entries

    def list_state(self) -> tuple[object, ...]:
        return (*(id(entry) for entry in self.entries), self.down)

    def study(self, study_uid: Uid) -> StudyPage | None:
        return self.pages.get(study_uid)

    def picture(self, study_uid: Uid, sop_instance_uid: Uid) -> bytes | None:
        return self.pictures.get((study_uid, sop_instance_uid))

    def health(self) -> Mapping[str, Component]:
        return self.components

    def alarms(self) -> Sequence[str]:
        return self.alarming

    def metrics(self) -> bytes:
        return b"cxr_node_studies 1\n"

    def counts(self) -> Counts:
        number = dict.fromkeys(VisibleState, 0)
        for line in self.entries:
            number[line.visible] += 1
        return Counts(number, {"triage": 0, "read": 1})


def full_pages() -> FakePages:
    """One study in most of the visible states; the flagged one has its page and picture."""
    lines = (
        entry(),
        other(1, VisibleState.RUNNING, StudyState.QUEUED),
        other(2, VisibleState.READ, StudyState.DELIVERED),
        other(3, VisibleState.NOT_ELIGIBLE, StudyState.NOT_ELIGIBLE),
        other(4, VisibleState.FAILED, StudyState.PARKED),
    )
    reasons = ("", "", "", "no frontal (PA or AP) image in the study", "the worker stopped twice")
    told = [
        replace(line, words=why or line.words) for line, why in zip(lines, reasons, strict=True)
    ]
    return FakePages(
        entries=told,
        pages={STUDY: study_page()},
        pictures={(STUDY, IMAGE): png()},
        components={"database": Component(True, "answers"), "model": Component(True, "loaded")},
    )
