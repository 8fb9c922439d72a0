"""A corrected reading by a network: what was told before is worth what was asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cxr_node.domain.amendment import Amendment, Person, PersonRole
from cxr_node.domain.errors import AmendmentRefused
from cxr_node.domain.findings import Presence
from cxr_node.reasoning.given import parsed
from cxr_node.reasoning.open_model import read_facts
from cxr_node.reasoning.recorded import first_difference, rebuild
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel
from tests.asking import request
from tests.models import picture

READER = Person("Reader^Ruth", "General Hospital", PersonRole.ATTENDING)


def amendment(*written: str) -> Amendment:
    corrections = tuple(parsed(one) for one in written)
    return Amendment(1, corrections, READER, "seen", datetime(2026, 1, 1, tzinfo=UTC))


def test_reading_on_from_a_correction_is_reading_all_of_it_anew(
    untrained: TransformersModel, untrained_folder: Path
) -> None:
    reader, given = StagedReader(untrained), request(picture(5))
    stored = reader.read(given)
    presences = {t.subject: t.answer for t in stored.turns if t.question == "presence"}
    kind, held = next(iter(presences.items()))
    other = Presence.ABSENT if held == Presence.PRESENT else Presence.PRESENT
    corrected = amendment(
        f"findings.presence/{kind}={other}", "report.findings=Corrected by a person: words of mine."
    )
    asked = replace(given, amendment=corrected)
    at = next(i for i, turn in enumerate(stored.turns) if turn.subject == kind)
    told = reader.read(replace(asked, before=stored.turns[:at]))
    anew = reader.read(asked)
    # Scores come from runs of other lengths, so their last digits may differ.
    assert [(t.key, t.context_sha256, t.answer, t.settled, t.raw) for t in told.turns] == [
        (t.key, t.context_sha256, t.answer, t.settled, t.raw) for t in anew.turns
    ]
    for first, second in zip(told.turns, anew.turns, strict=True):
        assert first.scores == pytest.approx(second.scores, abs=1e-3)
    assert told.turns[:at] == stored.turns[:at]
    assert [turn.answer for turn in told.turns if turn.by_person] == [
        other,
        "Corrected by a person: words of mine.",
    ]
    assert told.findings_text == "Corrected by a person: words of mine."
    rebuilt = rebuild(told, given, read_facts(str(untrained_folder)))
    assert first_difference(told, rebuilt) is None


def test_what_was_told_of_another_picture_is_refused(untrained: TransformersModel) -> None:
    reader = StagedReader(untrained)
    stored = reader.read(request(picture(5)))
    other = replace(
        request(picture(6)),
        amendment=amendment("report.impression=Mine."),
        before=stored.turns[:-1],
    )
    with pytest.raises(AmendmentRefused, match="replay --verify"):
        reader.read(other)
