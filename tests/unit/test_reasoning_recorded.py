"""A stored run walked again: nothing differs, or the first difference is named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import FindingKind, PriorStudy, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Ask, Conversation, Generated, PreparedImage, Reply
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.open_model import ModelFacts
from cxr_node.reasoning.profiles import Calibration, Family, Opening, Profile
from cxr_node.reasoning.recorded import (
    Difference,
    RecordedModel,
    first_difference,
    rebuild,
    verifiable,
)
from cxr_node.reasoning.scripted import SCRIPTED_CHAT, Answer, Script, ScriptedModel
from cxr_node.reasoning.staged import PriorPicture, Request, StagedReader
from cxr_node.reasoning.transcript import Transcript
from cxr_node.store.readings import from_document, to_document
from tests.asking import request
from tests.models import picture, reference

SICK: dict[str, Answer] = {
    "overall": "abnormal",
    "presence/pneumothorax": 0.97,
    "presence/pleural_effusion": 0.7,
    "presence/port": 0.8,
    "limits": "Rotation \N{SNOWMAN} limits the \N{GREEK SMALL LETTER MU} image.",
    "findings": "<|im_end|>",
}


def facts(**changes: Any) -> ModelFacts:
    model = ScriptedModel(SICK)
    profile = model.profile.model_copy(update=changes)
    return ModelFacts(model.identity, model.image_policy, profile, SCRIPTED_CHAT)


def read(given: Request) -> Reading:
    """A reading as it comes back from the store."""
    return from_document(to_document(StagedReader(ScriptedModel(SICK)).read(given)))


def difference(stored: Reading, given: Request, **changes: Any) -> Difference | None:
    return first_difference(stored, rebuild(stored, given, facts(**changes)))


STUDY = request(picture())


@pytest.fixture(scope="module")
def stored() -> Reading:
    return read(STUDY)


def with_turn(reading: Reading, number: int, **changes: Any) -> Reading:
    turns = list(reading.turns)
    turns[number - 1] = replace(turns[number - 1], **changes)
    return replace(reading, turns=tuple(turns))


@pytest.mark.parametrize("kind", list(ReadingKind))
def test_a_stored_run_is_rebuilt_whole(kind: ReadingKind) -> None:
    given = request(picture(), kind)
    reading = read(given)
    assert verifiable(reading)
    assert rebuild(reading, given, facts()) == reading
    assert difference(reading, given) is None


@pytest.mark.parametrize("kind", list(ReadingKind))
@pytest.mark.parametrize("family", list(Family))
def test_every_family_is_rebuilt_in_its_own_manner(family: Family, kind: ReadingKind) -> None:
    model = ScriptedModel(script=Script(family=family, answers=SICK))
    given = request(picture(), kind)
    reading = from_document(to_document(StagedReader(model).read(given)))
    same = ModelFacts(model.identity, model.image_policy, model.profile, model.chat)
    assert sum(turn.accepted for turn in reading.turns) > 10
    assert first_difference(reading, rebuild(reading, given, same)) is None


def test_refused_answers_are_refused_again(stored: Reading) -> None:
    assert {turn.question for turn in stored.turns if not turn.accepted} == {"findings"}


@pytest.mark.parametrize("shown", [True, False])
def test_a_prior_is_shown_again_or_again_not(shown: bool) -> None:
    now, then = picture(0), picture(7)
    prior = PriorPicture(PriorStudy(Uid("1.2.3.9"), reference(then)), then)
    given = replace(STUDY, images=[now], prior=prior if shown else None, prior_unseen=not shown)
    reading = read(given)
    assert (reading.prior is not None) == shown
    assert difference(reading, given) is None
    assert len(reading.pictures) == 1 + shown
    if shown:
        other = replace(given, prior=replace(prior, image=picture(8)))
        assert difference(reading, other) == Difference(
            "the digest of picture 2", 1, "quality_view", "projection"
        )


def test_another_picture_is_named(stored: Reading) -> None:
    other = replace(STUDY, images=[picture(1)])
    assert str(difference(stored, other)) == (
        "turn 1 (quality_view, projection) differs: the digest of picture 1"
    )
    # A reading from before pictures were kept still shows it, through the context.
    found = difference(replace(stored, pictures=()), other)
    assert found is not None
    assert (found.turn, found.what) == (1, "the digest of what the model had seen before")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"prompt": "Is it so?"}, "the prompt's bytes"),
        ({"prompt_sha256": "0" * 64}, "the prompt's digest"),
        ({"context_sha256": "0" * 64}, "the digest of what the model had seen before"),
        ({"answer": "absent"}, "the answer (answer)"),
        ({"probabilities": {"present": 1.0, "absent": 0.0, "uncertain": 0.0}}, "(probabilities)"),
        ({"accepted": False}, "the answer (accepted)"),
        ({"settled": "absent"}, "the answer (settled)"),
        ({"subject": "edema"}, "another question stands in its place"),
    ],
)
def test_a_changed_turn_is_named(changes: dict[str, Any], what: str, stored: Reading) -> None:
    number = next(n for n, t in enumerate(stored.turns, 1) if t.subject == "pneumothorax")
    found = difference(with_turn(stored, number, **changes), STUDY)
    assert found is not None
    assert (found.turn, found.question) == (number, "presence")
    assert what in found.what


def test_other_scores_make_other_probabilities(stored: Reading) -> None:
    number = next(n for n, t in enumerate(stored.turns, 1) if t.subject == "edema")
    scores = {"present": -0.1, "absent": -3.0, "uncertain": -5.0}
    found = difference(with_turn(stored, number, scores=scores), STUDY)
    assert found is not None
    assert found.turn == number
    assert found.what == "the answer (answer, probabilities, settled)"


def test_another_text_of_the_model_shows(stored: Reading) -> None:
    number = next(n for n, t in enumerate(stored.turns, 1) if t.question == "impression")
    found = difference(with_turn(stored, number, raw="All is well."), STUDY)
    assert found is not None
    assert (found.turn, found.what) == (number, "the answer (answer, settled)")


def test_turns_that_came_or_went_are_named(stored: Reading) -> None:
    shorter = replace(stored, turns=stored.turns[:-1])
    last = len(stored.turns)
    assert difference(shorter, STUDY) == Difference(
        "it was not asked then", last, "report", "impression"
    )
    longer = replace(stored, turns=(*stored.turns, stored.turns[-1]))
    found = difference(longer, STUDY)
    assert found is not None
    assert (found.turn, found.what) == (last + 1, "it is not asked any more")


def test_settings_that_changed_since_show(stored: Reading) -> None:
    moved = difference(stored, STUDY, default_threshold=0.75)
    assert moved is not None
    assert (moved.question, moved.subject) == ("presence", "pleural_effusion")
    bent = difference(stored, STUDY, calibration={"presence:edema": Calibration(temperature=2.0)})
    assert bent is not None
    assert (bent.subject, bent.what) == ("edema", "the answer (probabilities)")
    silent = difference(stored, STUDY, not_assessed=(FindingKind.EDEMA,))
    assert silent is not None
    assert (silent.turn, silent.what) == (0, "findings")
    skipped = difference(stored, STUDY, untaught=(StageKey.ADVICE,))
    assert skipped is not None
    assert (skipped.stage, skipped.turn > 0) == ("advice", True)


def test_a_result_that_was_changed_is_named(stored: Reading) -> None:
    changed = replace(stored, impression="Normal.", projection="AP")
    assert str(difference(changed, STUDY)) == "the result differs: projection, impression"


def test_an_older_reading_cannot_be_verified(stored: Reading) -> None:
    bare = tuple(replace(t, settled="", scores={}, raw="") for t in stored.turns)
    assert not verifiable(replace(stored, turns=bare))
    assert not verifiable(replace(stored, turns=()))


class Talk:
    """A dialogue whose questions nobody understands."""

    def __init__(self, images: Sequence[PreparedImage]) -> None:
        self.transcript = Transcript(SCRIPTED_CHAT, images)

    @property
    def context(self) -> str:
        return self.transcript.context

    def settle(self, answer: str) -> None:
        self.transcript.settle(answer)


class Deaf(ScriptedModel):
    """Gives the same replies in turn, whatever is asked; no scores stand for no numbers."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        super().__init__(SICK)
        self._replies = cycle(replies)

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        yield Talk(images)

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        for talk, ask in asked:
            assert isinstance(talk, Talk)
            talk.transcript.ask(ask.prompt)
        return [self._reply(ask) for _, ask in asked]

    def _reply(self, ask: Ask) -> Reply:
        reply = next(self._replies)
        return (math.nan,) * len(ask.options) if reply == () else reply


BAD: list[Reply] = [
    AnswerRefused("the server did not answer"),
    (),
    (0.0,),
    Generated("", truncated=True),
    Generated("", truncated=False),
    Generated("<think>half", truncated=True),
    Generated("present", truncated=False),
]


@pytest.mark.parametrize("first", range(len(BAD)))
def test_whatever_was_refused_is_refused_alike(first: int) -> None:
    profile = Profile(pictures=4, opening=Opening(prompt="Look first."))
    replies = BAD[first:] + BAD[:first]
    stored = from_document(to_document(StagedReader(Deaf(replies), profile).read(STUDY)))
    assert sum(not turn.accepted for turn in stored.turns) > len(BAD)
    rebuilt = rebuild(stored, STUDY, replace(facts(), profile=profile))
    assert first_difference(stored, rebuilt) is None


def test_a_recorded_model_knows_its_own_dialogues_only(stored: Reading) -> None:
    recorded = RecordedModel(facts(), stored.turns)
    assert recorded.image_policy == ScriptedModel(SICK).image_policy
    with pytest.raises(TypeError, match="another kind"):
        recorded.answer([(Talk([picture()]), Ask("Why?"))])
