"""What a model sees of its earlier answers in an evaluation: all, none, or the right ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.ports import Ask, Conversation, FakeClock, ImagePolicy, Reply
from cxr_node.domain.stages import StageKey
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.context import Context, ContextModel, right_answers
from cxr_node.evaluation.items import Item, Opened
from cxr_node.evaluation.run import CaseStore, Evaluator
from cxr_node.evaluation.truth import StudyTruth
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.scripted import ScriptedModel
from tests.asking import request
from tests.models import picture

_S = StageKey
TRUTH = StudyTruth(
    labels={},
    answers={
        (_S.QUALITY_VIEW, "projection", ""): "AP",
        (_S.FINDINGS, "presence", "pneumothorax"): "absent",
        (_S.ATTRIBUTES_GROUNDING, "side", "pneumothorax"): "left",
    },
)


class Listening(ScriptedModel):
    """Keeps what stood before every question."""

    def __init__(self) -> None:
        super().__init__({"projection": "PA", "presence": 0.9})
        self.seen: dict[str, str] = {}

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        for talk, ask in asked:
            self.seen[ask.prompt] = talk.context
        return super().answer(asked)


def read(tmp_path: Path, context: Context) -> tuple[Listening, Case]:
    model = Listening()

    def opened(_: ImagePolicy) -> Opened:
        return request(picture(), ReadingKind.READ), TRUTH

    shown = ContextModel(model, context)
    store = CaseStore(tmp_path / context, {})
    (case,) = Evaluator(shown, FakeClock()).run([Item("one", {}, opened)], store, lambda _: None)
    return model, case


def test_alone_every_question_is_the_first(tmp_path: Path) -> None:
    model, case = read(tmp_path, Context.NONE)
    assert len(model.seen) > 30
    assert len({*model.seen.values()}) == 1
    assert case.answers[0].given == "PA"


def test_own_answers_are_seen_as_in_the_node(tmp_path: Path) -> None:
    model, case = read(tmp_path, Context.OWN)
    contexts = list(model.seen.values())
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(contexts))
    assert "PA" in contexts[-1] and "AP" not in contexts[-1]
    assert case.answers[0].given == "PA"


def test_right_answers_are_seen_where_they_are_known(tmp_path: Path) -> None:
    model, case = read(tmp_path, Context.REFERENCE)
    *_, last = model.seen.values()
    assert "AP" in last and "PA" not in last
    # What the model itself said is still what is graded.
    assert [(a.question, a.given) for a in case.answers][:2] == [
        ("projection", "PA"),
        ("presence", "present"),
    ]


@pytest.mark.parametrize("wording", [Wording.BRIEF, Wording.PLAIN])
def test_right_answers_stand_under_the_prompts_of_the_wording(wording: Wording) -> None:
    found = right_answers(TRUTH, wording)
    assert len(found) == 3
    assert sorted(found.values()) == ["AP", "absent", "left"]


def test_a_foreign_conversation_is_refused() -> None:
    model = ScriptedModel()
    with model.begin([picture()]) as talk, pytest.raises(TypeError, match="did not begin"):
        ContextModel(model, Context.OWN).answer([(talk, Ask("projection?", ("PA",)))])
