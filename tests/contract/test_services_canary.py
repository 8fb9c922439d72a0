"""The canary reads when nobody waits, holds or drifts, and is no study to anyone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_node.config import CanarySection
from cxr_node.domain.errors import ConfigurationError, IllegalMove, NotReadable
from cxr_node.domain.findings import ImageReference
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import FakeClock, VisionModel
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.services.canary import LEASE_SECONDS, Canary, CanaryPicture, schedule
from cxr_node.store import canary, worklist
from cxr_node.store.canary import MAX_CLAIMS, CanaryState
from cxr_node.store.database import Database
from cxr_node.store.schema import CanaryReferenceRow, CanaryRunRow
from tests.instances import DX
from tests.reading_room import Bell, Pictures, WatchedModel

ILL = {"overall": "abnormal", "presence/pneumothorax": 0.9, "side": "left"}
SECTION = CanarySection(every_hours=24.0, answer_minutes=60.0)
IMAGE = "1.2.3.1.1.1"


class Watch:
    """A node's canary, its clock and its picture."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.clock, self.bell = database, FakeClock(), Bell()
        self.images = Pictures()
        self.path = folder / "phantom.dcm"
        self.path.write_bytes(b"a phantom")

    def picture(self) -> CanaryPicture:
        uids = Uid(IMAGE), Uid(DX), Uid("1.2.3.1.1")
        return CanaryPicture(self.path, ImageReference(*uids, 256, 224, "PA"))

    def reader(self, model: VisionModel | None = None, **answers: Any) -> Canary:
        return Canary(
            db=self.database,
            clock=self.clock,
            model=model or ScriptedModel(ILL | answers),
            images=self.images,
            picture=self.picture,
            tolerance=0.05,
        )

    def tick(self) -> None:
        schedule(self.database, self.clock, SECTION, self.bell)

    def read(self, **answers: Any) -> str:
        """A day later: the next run, as the model that ``answers`` answers it."""
        self.clock.advance(24 * 3600)
        self.tick()
        # Another script is another model by its digest; here the answers alone shall differ.
        model = ScriptedModel(ILL | answers)
        model._identity = ScriptedModel(ILL).identity
        assert self.reader(model).work() == 1
        return self.last.state

    @property
    def last(self) -> CanaryRunRow:
        with self.database.read() as session:
            run = canary.newest(session)
            assert run is not None
            return run

    @property
    def alarm(self) -> str:
        with self.database.read() as session:
            return canary.alarm(session)


@pytest.fixture
def watch(database: Database, tmp_path: Path) -> Iterator[Watch]:
    yield Watch(database, tmp_path)


def test_the_first_answers_are_the_reference_and_the_same_hold(watch: Watch) -> None:
    assert watch.read() == CanaryState.STORED
    assert watch.read() == CanaryState.HELD
    assert watch.alarm == ""
    assert watch.last.answers["findings"]["pneumothorax"]["presence"] == "present"
    assert watch.last.answers["findings"]["pneumothorax"]["side"] == "left"


def test_other_answers_are_an_alarm_until_they_hold_again(watch: Watch) -> None:
    watch.read()
    assert watch.read(**{"presence/pneumothorax": 0.2}) == CanaryState.DRIFTED
    assert "pneumothorax was present, is absent" in watch.alarm
    assert watch.read() == CanaryState.HELD
    assert watch.alarm == ""


def test_a_side_that_changed_is_an_alarm(watch: Watch) -> None:
    watch.read()
    assert watch.read(side="right") == CanaryState.DRIFTED
    assert "side of pneumothorax was left, is right" in watch.alarm


def test_accepted_answers_are_the_reference_from_then_on(watch: Watch) -> None:
    watch.read()
    watch.read(**{"presence/pneumothorax": 0.2})
    with watch.database.begin() as session:
        canary.accept(session, "A. Physicist", watch.clock.now())
    assert watch.alarm == ""
    assert watch.read(**{"presence/pneumothorax": 0.2}) == CanaryState.HELD
    assert watch.read() == CanaryState.DRIFTED
    with watch.database.read() as session:
        [held] = session.query(CanaryReferenceRow).all()
        assert held.accepted_by == "A. Physicist"


def test_nothing_can_be_accepted_before_there_are_answers(watch: Watch) -> None:
    with pytest.raises(IllegalMove, match="canary run"), watch.database.begin() as session:
        canary.accept(session, "x", watch.clock.now())


def test_another_model_and_another_picture_have_references_of_their_own(watch: Watch) -> None:
    watch.read()
    watch.clock.advance(24 * 3600)
    watch.tick()
    watch.reader(**{"presence/pneumothorax": 0.1}).work()
    assert watch.last.state == CanaryState.STORED
    watch.path.write_bytes(b"another phantom")
    assert watch.read() == CanaryState.STORED


def test_it_is_due_when_its_hours_are_over_and_never_twice(watch: Watch) -> None:
    watch.tick()
    watch.tick()
    assert watch.bell.rung == ["read"]
    assert watch.reader().work() == 1
    watch.clock.advance(23.9 * 3600)
    watch.tick()
    assert watch.reader().work() == 0
    watch.clock.advance(0.2 * 3600)
    watch.tick()
    assert watch.reader().work() == 1


def test_a_clock_that_was_set_back_does_not_silence_it(watch: Watch) -> None:
    watch.read()
    watch.clock.advance(-72 * 3600)
    watch.tick()
    assert watch.reader().work() == 1


def test_no_answer_in_time_is_an_alarm_and_a_late_one_is_not_taken(watch: Watch) -> None:
    watch.tick()
    with watch.database.begin() as session:
        turn = canary.claim(session, watch.clock.now(), LEASE_SECONDS)
    assert turn is not None
    watch.clock.advance(60 * 60)
    watch.tick()
    assert watch.last.state == CanaryState.UNANSWERED
    assert "did not finish in 60 minutes" in watch.alarm
    with watch.database.begin() as session:
        assert not canary.fail(session, turn, "late", watch.clock.now())


def test_a_queue_that_never_empties_is_said_to_be_the_reason(watch: Watch) -> None:
    watch.tick()
    watch.clock.advance(61 * 60)
    watch.tick()
    assert "no worker had a free moment" in watch.alarm


def test_a_run_whose_worker_died_is_made_by_the_next_and_not_for_ever(watch: Watch) -> None:
    watch.tick()
    for _ in range(MAX_CLAIMS):
        with watch.database.begin() as session:
            assert canary.claim(session, watch.clock.now(), LEASE_SECONDS) is not None
            assert canary.claim(session, watch.clock.now(), LEASE_SECONDS) is None
        watch.clock.advance(LEASE_SECONDS + 1)
    with watch.database.begin() as session:
        assert canary.claim(session, watch.clock.now(), LEASE_SECONDS) is None


@pytest.mark.parametrize(
    ("failure", "told"),
    [(NotReadable("decode"), "decode"), (RuntimeError("secret"), "RuntimeError")],
)
def test_a_picture_or_a_model_that_fails_is_an_alarm(
    watch: Watch, failure: Exception, told: str
) -> None:
    watch.images.broken[IMAGE] = failure
    watch.tick()
    assert watch.reader().work() == 1
    assert watch.last.state == CanaryState.UNANSWERED
    assert told in watch.alarm
    assert "secret" not in watch.alarm


def test_a_picture_that_cannot_be_drawn_says_what_to_do(watch: Watch) -> None:
    def picture() -> CanaryPicture:
        raise ConfigurationError("install cxr-node[model]")

    watch.tick()
    reader = watch.reader()
    reader._picture = picture
    reader.work()
    assert "install cxr-node[model]" in watch.alarm


def test_studies_go_before_every_question(watch: Watch) -> None:
    model = WatchedModel(ScriptedModel(ILL))
    calls: list[int] = []
    watch.tick()
    assert watch.reader(model).work(lambda: calls.append(len(model.calls)) or 0) == 1
    assert len(model.calls) > 10
    assert calls == [0, *range(len(model.calls))]


def test_a_worker_that_is_told_to_end_leaves_the_run_to_the_next(watch: Watch) -> None:
    watch.tick()
    more = iter([True, True, False])
    assert watch.reader().work(more=lambda: next(more)) == 1
    assert watch.last.state == CanaryState.WAITING
    assert watch.reader().work() == 1
    assert watch.last.state == CanaryState.STORED


def test_a_spoilt_reference_is_an_alarm(watch: Watch) -> None:
    watch.read()
    with watch.database.begin() as session:
        session.query(CanaryReferenceRow).update({"answers": {"findings": []}})
    assert watch.read() == CanaryState.DRIFTED
    assert "cannot be read" in watch.alarm


def test_it_is_on_no_worklist_and_in_no_count(watch: Watch) -> None:
    watch.read()
    with watch.database.read() as session:
        assert worklist.worklist(session) == []
        assert sum(worklist.counts(session).values()) == 0
        assert sum(worklist.queue_depth(session).values()) == 0
        assert canary.counts(session) == dict.fromkeys(CanaryState, 0) | {"stored": 1}


def test_the_outcome_survives_a_restart(watch: Watch) -> None:
    watch.read()
    watch.read(side="right")
    again = Database(watch.database.engine.url.render_as_string(hide_password=False))
    with again.read() as session:
        assert "left" in canary.alarm(session)
    again.dispose()
