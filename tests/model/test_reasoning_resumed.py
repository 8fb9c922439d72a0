"""A dialogue laid before a network in one piece, and a stored run of one walked again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.ports import Ask, ResumableConversation
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.open_model import read_facts
from cxr_node.reasoning.profiles import Architecture
from cxr_node.reasoning.recorded import first_difference, rebuild
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from cxr_node.store.readings import from_document, to_document
from tests.asking import agree, request, settled
from tests.families import BuildFamily
from tests.models import picture

SIDE = 224
SAID = (
    Ask("projection?", ("PA", "AP", "lateral")),
    Ask("limits?", max_new_tokens=8),
    Ask("effusion?", ("present", "absent", "uncertain")),
)
NEXT = (Ask("category?", ("none", "1")), Ask("report findings?", max_new_tokens=8))


@pytest.fixture(params=["embedded", *Architecture])
def network(request: pytest.FixtureRequest, sealed: BuildFamily) -> TransformersModel:
    if request.param == "embedded":
        found: TransformersModel = request.getfixturevalue("untrained")
        return found
    return load_model(sealed(request.param), threads=1, device="cpu")


def test_a_resumed_dialogue_is_the_one_that_was_held(network: TransformersModel) -> None:
    image = picture(4, width=SIDE, height=SIDE)
    with network.begin([image]) as held, network.begin([image]) as resumed:
        assert isinstance(held, CachedConversation)
        assert isinstance(resumed, CachedConversation)
        assert isinstance(resumed, ResumableConversation)
        said = []
        for ask in SAID:
            (reply,) = network.answer([(held, ask)])
            said.append((ask.prompt, settled(ask, reply)))
            held.settle(said[-1][1])
        resumed.resume(said)
        assert resumed.context == held.context
        assert resumed.token_ids == held.token_ids
        for ask in NEXT:
            (expected,), (found,) = (network.answer([(talk, ask)]) for talk in (held, resumed))
            agree(found, expected)
            for talk in (held, resumed):
                talk.settle(settled(ask, expected))


@pytest.mark.parametrize("kind", list(ReadingKind))
def test_a_stored_run_of_a_network_is_rebuilt_without_it(
    untrained: TransformersModel, untrained_folder: Path, kind: ReadingKind
) -> None:
    given = request(picture(5), kind)
    stored = from_document(to_document(StagedReader(untrained).read(given)))
    rebuilt = rebuild(stored, given, read_facts(str(untrained_folder)))
    assert first_difference(stored, rebuilt) is None
    assert rebuilt == stored


def test_a_question_goes_on_where_the_reading_ended(untrained: TransformersModel) -> None:
    given = request(picture(6))
    with StagedReader(untrained).begin(given) as reading:
        while reading.ask is not None:
            StagedReader(untrained).advance([reading])
        context = reading.conversation.context
    stored = reading.reading()
    said = [(turn.prompt, turn.settled) for turn in stored.turns]
    with untrained.begin(given.images) as talk:
        assert isinstance(talk, ResumableConversation)
        talk.resume(said)
        assert talk.context == context
