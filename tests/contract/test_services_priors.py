"""The earlier study to compare with: the same patient's newest, or none with a reason."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.findings import Reading
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.stages import StageKey
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.reasoning.walk import NO_PRIOR, NO_PRIOR_PICTURE, UNTAUGHT
from cxr_node.services.priors import UNREADABLE
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, RevisionRow, StudyRow
from tests.instances import NOW
from tests.reading_room import ReadingRoom, unreadable

JANE = PatientFacts(patient_id="P1", issuer="NORTH", name="DOE^JANE")
SICK = {"overall": "abnormal", "presence/pneumothorax": 0.97, "change": "worsened"}
TODAY = "20260102"


def read(room: ReadingRoom, number: int = 9, patient: PatientFacts = JANE, **more: str) -> Reading:
    """Study ``number`` of today, read."""
    given = {"date": TODAY, "time": "101500", **more}
    revision = room.add(number, patient=patient, **given)  # type: ignore[arg-type]
    room.inference.work()
    said = room.reading(revision)
    assert said is not None
    return said


def skipped(said: Reading) -> str:
    return {s.stage: s.reason for s in said.skipped}.get(StageKey.COMPARISON, "")


@pytest.fixture
def room(database: Database) -> ReadingRoom:
    return ReadingRoom(database, ScriptedModel(SICK))


def test_the_newest_earlier_study_is_shown_and_compared(room: ReadingRoom) -> None:
    room.add(1, None, patient=JANE, date="20250301")
    room.add(2, None, patient=JANE, date="20251224")
    room.add(3, None, patient=JANE, date="20260203")
    said = read(room)
    assert said.prior is not None
    assert said.prior.study_uid.text == "1.2.3.2"
    assert said.prior.date == "20251224"
    assert said.prior.image.sop_instance_uid.text == "1.2.3.2.1.1"
    assert room.model.shown[9] == ["1.2.3.9.1.1", "1.2.3.2.1.1"]
    assert said.changes[0] == "pneumothorax: worsened"
    assert [image.sop_instance_uid.text for image in said.images] == ["1.2.3.9.1.1"]


@pytest.mark.parametrize(
    "other",
    [
        PatientFacts(patient_id="P1", issuer="SOUTH", name="DOE^JANE"),
        PatientFacts(patient_id="P1", issuer="", name="DOE^JANE"),
        PatientFacts(patient_id="P2", issuer="NORTH", name="DOE^JANE"),
        PatientFacts(patient_id="", issuer="NORTH", name="DOE^JANE"),
    ],
    ids=["other issuer", "no issuer", "other id", "no id"],
)
def test_another_patient_is_never_a_prior(room: ReadingRoom, other: PatientFacts) -> None:
    room.add(1, None, patient=other, date="20251224")
    said = read(room)
    assert said.prior is None
    assert skipped(said) == NO_PRIOR
    assert room.pictures.asked == ["1.2.3.9.1.1"]


def test_a_prior_is_found_behind_many_newer_studies_of_others(room: ReadingRoom) -> None:
    room.add(1, None, patient=JANE, date="20250101")
    for number in range(20, 45):
        room.add(number, None, date="20251224")
    said = read(room)
    assert said.prior is not None
    assert said.prior.study_uid.text == "1.2.3.1"


def test_two_without_an_id_are_not_the_same(room: ReadingRoom) -> None:
    nameless = PatientFacts(patient_id="", issuer="NORTH", name="DOE^JANE")
    room.add(1, None, patient=nameless, date="20251224")
    assert skipped(read(room, patient=nameless)) == NO_PRIOR


@pytest.mark.parametrize(
    ("date", "time", "found"),
    [
        (TODAY, "101459", True),
        (TODAY, "10:14", True),
        (TODAY, "101459.999", True),
        (TODAY, "101500", False),
        (TODAY, "101501", False),
        (TODAY, "", False),
        (TODAY, "noon", False),
        ("20260103", "000000", False),
        ("20160101", "", False),
        ("20160102", "", True),
        ("", "", False),
        ("2025122", "", False),
        ("2025.12.24", "", False),
    ],
)
def test_only_what_is_known_to_be_earlier_counts(
    room: ReadingRoom, date: str, time: str, found: bool
) -> None:
    room.add(1, None, patient=JANE, date=date, time=time)
    assert (read(room).prior is not None) is found


@pytest.mark.parametrize("date", ["", "0001", "00010101", "yesterday"])
def test_a_study_without_a_usable_date_has_no_prior(room: ReadingRoom, date: str) -> None:
    room.add(1, None, patient=JANE, date="00010101")
    assert skipped(read(room, date=date)) == NO_PRIOR


def test_phantoms_and_patients_are_not_compared(room: ReadingRoom) -> None:
    room.add(1, None, patient=JANE, date="20251224", quality_control=True)
    assert skipped(read(room)) == NO_PRIOR


def test_images_that_may_not_be_read_are_not_shown(room: ReadingRoom) -> None:
    room.add(1, None, patient=JANE, date="20251224", reason="view")
    assert skipped(read(room)) == NO_PRIOR


def test_a_study_with_a_conflict_or_taken_back_is_not_shown(room: ReadingRoom) -> None:
    for number in (1, 2, 3):
        room.add(number, None, patient=JANE, date="20251224")
    room.add(4, None, patient=JANE, date="20250101")
    with room.db.begin() as session:
        image = update(InstanceRow).where(InstanceRow.sop_instance_uid.like("1.2.3.1.%"))
        session.execute(image.values(conflicts=1))
        study = session.query(StudyRow).filter_by(study_uid="1.2.3.2").one()
        revision = update(RevisionRow).filter_by(study_pk=study.id)
        session.execute(revision.values(state=StudyState.WITHDRAWN.value))
        mixed = session.query(StudyRow).filter_by(study_uid="1.2.3.3").one()
        session.add(_second_image(mixed.id))
    said = read(room)
    assert said.prior is not None
    assert said.prior.study_uid.text == "1.2.3.4"


def _second_image(study_pk: int) -> InstanceRow:
    return InstanceRow(
        study_pk=study_pk,
        revision_number=1,
        sop_instance_uid="1.2.3.3.1.2",
        sop_class_uid="1.2",
        series_uid="1.2.3.3.1",
        transfer_syntax="1.2",
        sha256="0" * 64,
        size=1,
        path="/spool/none",
        sender="MODALITY",
        patient_key="another",
        received_at=NOW,
    )


@pytest.mark.parametrize(
    "error", [unreadable(), CxrNodeError("no decoder"), FileNotFoundError("gone")], ids=str
)
def test_a_prior_that_cannot_be_prepared_fails_no_reading(
    room: ReadingRoom, error: Exception
) -> None:
    room.add(1, None, patient=JANE, date="20251224")
    room.pictures.broken["1.2.3.1.1.1"] = error
    said = read(room)
    assert said.prior is None
    assert skipped(said) == UNREADABLE
    assert said.impression
    assert room.instance(1).reason == ""


def test_an_older_one_stands_in_for_one_that_cannot_be_prepared(room: ReadingRoom) -> None:
    room.add(1, None, patient=JANE, date="20250101")
    room.add(2, None, patient=JANE, date="20251224")
    room.pictures.broken["1.2.3.2.1.1"] = unreadable()
    said = read(room)
    assert said.prior is not None
    assert said.prior.study_uid.text == "1.2.3.1"


class _WithProfile(ScriptedModel):
    def __init__(self, **changes: object) -> None:
        super().__init__(SICK)
        self._changes = changes

    @property
    def profile(self) -> Profile:
        return super().profile.model_copy(update=self._changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"pictures": 1}, NO_PRIOR_PICTURE), ({"untaught": (StageKey.COMPARISON,)}, UNTAUGHT)],
)
def test_a_model_that_compares_nothing_is_shown_nothing(
    database: Database, changes: dict[str, object], reason: str
) -> None:
    room = ReadingRoom(database, _WithProfile(**changes))
    room.add(1, None, patient=JANE, date="20251224")
    said = read(room)
    assert skipped(said) == reason
    assert room.pictures.asked == ["1.2.3.9.1.1"]


def test_a_quick_look_compares_nothing(room: ReadingRoom) -> None:
    room.add(1, None, patient=JANE, date="20251224")
    room.add(9, JobKind.TRIAGE, patient=JANE, date=TODAY)
    room.inference.work()
    assert room.model.shown[9] == ["1.2.3.9.1.1"]


def test_no_text_of_the_prior_reaches_the_model(room: ReadingRoom) -> None:
    """Which patient it was, when, and what was said of it then: the model gets the picture."""
    room.add(1, None, patient=JANE, date="20251224")
    with_prior = read(room)
    secret = ("1.2.3.1", "20251224", "P1", "NORTH", "DOE")
    assert with_prior.prior is not None
    assert not [s for s in secret for turn in with_prior.turns if s in turn.prompt]
