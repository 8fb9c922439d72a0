"""Exams that modalities report: a complete one is read at once, a mistaken one not at all."""

from __future__ import annotations

from cxr_node.domain.events import Event, emit
from cxr_node.domain.exam import Exam, ExamAnswer, ExamState
from cxr_node.domain.ports import Clock
from cxr_node.store import exams
from cxr_node.store.database import Database

WRONG_ENTRY = "the modality discontinued the exam: incorrect worklist entry; check the patient"


class Exams:
    """Fulfils :class:`cxr_node.dicom.mpps_scp.ExamReports`."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def begin(self, exam: Exam, sender: str) -> ExamAnswer:
        """N-CREATE: an exam has begun."""
        if exam.state is not ExamState.IN_PROGRESS:
            return ExamAnswer.INVALID
        now = self._clock.now()
        with self._db.begin() as session:
            state = exam.state.value
            if not exams.begin(session, exam.uid.text, exam.study_uid, state, sender, now):
                return ExamAnswer.DUPLICATE
        emit(Event.EXAM_REPORTED, peer=sender, state=exam.state)
        return ExamAnswer.KEPT

    def change(self, exam: Exam, sender: str) -> ExamAnswer:
        """N-SET: it went on, is complete, or was discontinued."""
        now = self._clock.now()
        with self._db.begin() as session:
            row = exams.find(session, exam.uid.text)
            if row is None:
                return ExamAnswer.UNKNOWN
            if row.state != ExamState.IN_PROGRESS:
                return ExamAnswer.FINAL
            row.updated_at = now
            if exam.images:
                row.images = " ".join(exam.images)
            if exam.state is not None:
                row.state, row.wrong_entry = exam.state.value, exam.wrong_entry
        emit(Event.EXAM_REPORTED, peer=sender, state=exam.state)
        return ExamAnswer.KEPT

    def settle(self) -> int:
        """End the quiet time of studies whose exam is complete and here in full."""
        with self._db.begin() as session:
            return exams.complete_studies(session)
