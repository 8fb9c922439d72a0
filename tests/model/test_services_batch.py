"""A batch through the reading service says of every study what it says of it alone (fp32, CPU)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cxr_node.config import JobsSection
from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.domain.ports import PreparedImage
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import make_radiograph
from cxr_node.reasoning.staged import Request, StagedReader
from cxr_node.services import rounds
from cxr_node.services.frontal import candidates
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from tests.models import picture
from tests.reading_room import STAT, ReadingRoom

if TYPE_CHECKING:
    from cxr_node.reasoning.transformers_model import TransformersModel

LIMITS = JobsSection(lease_seconds=60.0, beat_seconds=5.0, batch=3, retry_seconds=0.0)


def _phantom(seed: int) -> PreparedImage:
    gray = (make_radiograph(make_case(seed)).image * 255).astype(np.uint8)
    return replace(picture(), gray=gray.tobytes())


def test_three_phantoms_and_a_stat_between_them_are_read_as_each_alone(
    sqlite_database: Database, untrained: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "LOOK_SECONDS", 0.0)
    room = ReadingRoom(sqlite_database, untrained, limits=LIMITS)
    room.pictures.ready = {number: _phantom(number) for number in (1, 2, 3, 9)}
    revisions = {number: room.add(number) for number in (1, 2, 3)}
    revisions[9] = room.add(9, None)

    def arrive(numbers: list[int]) -> None:
        if len(room.model.calls) == 30:
            room.queue(revisions[9], JobKind.TRIAGE, STAT)

    room.model.before = arrive
    assert room.inference.work() == 4
    assert room.model.calls[:30] == [[1, 2, 3]] * 30
    assert room.model.calls[30] == [9]
    assert room.finished()[0] == 9
    for number, revision in revisions.items():
        kind = ReadingKind.TRIAGE if number == 9 else ReadingKind.READ
        _agree(room.reading(revision, kind), _alone(room, untrained, number, kind))


def _alone(room: ReadingRoom, model: TransformersModel, number: int, kind: ReadingKind) -> Reading:
    [candidate] = candidates([room.instance(number)])
    uid = candidate.reference.sop_instance_uid
    image = room.pictures.prepare(candidate.path, uid, model.image_policy)
    request = Request([image], [candidate.reference], kind, quality_control=False)
    return StagedReader(model).read(request)


def _agree(found: Reading | None, expected: Reading) -> None:
    """Equal to the letter in all that was said; scores but for rounding."""
    assert found is not None
    assert [turn.prompt for turn in found.turns] == [turn.prompt for turn in expected.turns]
    assert [turn.settled for turn in found.turns] == [turn.settled for turn in expected.turns]
    assert [turn.raw for turn in found.turns] == [turn.raw for turn in expected.turns]
    for one, other in zip(found.turns, expected.turns, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
        assert one.context_sha256 == other.context_sha256
