"""A server that hangs, lies or breaks: the job is tried again, or the answer is not assessed."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

import pytest

from cxr_node.domain.errors import (
    AnswerRefused,
    EngineUnavailable,
    ModelRefused,
)
from cxr_node.domain.events import Event
from cxr_node.domain.findings import Presence, ReadingKind
from cxr_node.domain.ports import Ask, FakeClock, Generated
from cxr_node.domain.stages import Turn
from cxr_node.reasoning.engine_client import EngineClient
from cxr_node.reasoning.engine_model import EngineModel
from cxr_node.reasoning.profiles import load_manifest
from cxr_node.reasoning.staged import StagedReader
from tests.asking import request
from tests.engine_server import EngineServer, Trouble
from tests.engines import CLOSED, Open, ask, section
from tests.models import picture

OPEN = Ask("limits?", max_new_tokens=4)


# -- answers that prove nothing -----------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.OFF_LIST,
        Trouble.SWAPPED,
        Trouble.NO_LOGPROBS,
        Trouble.NO_ALTERNATIVES,
        Trouble.NOT_A_NUMBER,
        Trouble.POSITIVE,
        Trouble.FLOOR,
        Trouble.REASONING,
        Trouble.TOO_LONG,
    ],
)
def test_a_closed_answer_that_proves_nothing_is_refused(
    trouble: Trouble, open_served: Open, engine_server: EngineServer
) -> None:
    model = open_served()
    engine_server.troubles = [trouble]
    assert isinstance(ask(model), AnswerRefused)
    assert isinstance(ask(model), tuple)  # the next one is unharmed


@pytest.mark.parametrize("trouble", [Trouble.ABORTED, Trouble.REASONING, Trouble.TOO_LONG])
def test_an_open_answer_that_proves_nothing_is_refused(
    trouble: Trouble, open_served: Open, engine_server: EngineServer
) -> None:
    model = open_served()
    engine_server.troubles = [trouble]
    assert isinstance(ask(model, OPEN), AnswerRefused)
    assert isinstance(ask(model, OPEN), Generated)


def test_a_server_that_names_no_option_leaves_nothing_assessed(
    open_served: Open, engine_server: EngineServer
) -> None:
    """Never a guessed finding: not one, whatever the server says instead."""
    model = open_served()
    engine_server.always = Trouble.OFF_LIST
    reading = StagedReader(model).read(request(picture(), ReadingKind.TRIAGE))
    assert {finding.presence for finding in reading.findings} == {Presence.NOT_ASSESSED}
    assert reading.abnormal is None and reading.projection is None
    assert [t for t in reading.turns if t.accepted and t.probabilities] == []


def test_one_refused_answer_changes_no_other(
    open_served: Open, engine_server: EngineServer
) -> None:
    model = open_served()
    expected = [ask(model, seed=seed) for seed in range(4)]
    engine_server.troubles = [Trouble.OFF_LIST]
    with ExitStack() as studies:
        talks = [studies.enter_context(model.begin([picture(seed)])) for seed in range(4)]
        replies = model.answer([(talk, CLOSED) for talk in talks])
    wrong = [n for n, reply in enumerate(replies) if isinstance(reply, AnswerRefused)]
    assert len(wrong) == 1
    for n, reply in enumerate(replies):
        if n not in wrong:
            assert reply == pytest.approx(expected[n], abs=1e-4)


# -- a server that cannot be used ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble.INTERNAL, "answers 500"),
        (Trouble.GATEWAY, "answers 502"),
        (Trouble.STARTING, "answers 503"),
        (Trouble.BUSY, "answers 429"),
        (Trouble.DENIED, "refuses the token"),
        (Trouble.REDIRECT, "answers 307"),
        (Trouble.DROP, "broke the connection"),
        (Trouble.CUT, "no chat completion"),
        (Trouble.OTHER_DOCUMENT, "no chat completion"),
        (Trouble.HUGE, "more than"),
    ],
)
def test_trouble_of_the_server_stops_the_study(
    trouble: Trouble, words: str, open_served: Open, engine_server: EngineServer
) -> None:
    model = open_served(retries=1)
    engine_server.always = trouble
    with pytest.raises(EngineUnavailable, match=words) as raised:
        ask(model)
    assert engine_server.url in str(raised.value)
    engine_server.always = None
    assert isinstance(ask(model), tuple)


@pytest.mark.parametrize("trouble", [Trouble.HANG, Trouble.TRICKLE])
def test_a_server_that_hangs_is_given_its_time_and_no_more(
    trouble: Trouble, open_served: Open, engine_server: EngineServer
) -> None:
    model = open_served(answer_seconds=1.0, retries=3)
    engine_server.requests.clear()
    engine_server.always = trouble
    with pytest.raises(EngineUnavailable, match="within 1 seconds"):
        ask(model)
    assert len(engine_server.requests) == 1  # a hanging server is not asked more


def test_another_models_answer_is_refused(open_served: Open, engine_server: EngineServer) -> None:
    model = open_served()
    engine_server.troubles = [Trouble.OTHER_MODEL]
    with pytest.raises(ModelRefused, match="another model answers"):
        ask(model)
    engine_server.served = "somebody-else"
    with pytest.raises(ModelRefused, match="no model of that name answers"):
        ask(model)


@pytest.mark.parametrize("trouble", [Trouble.GATEWAY, Trouble.STARTING, Trouble.BUSY, Trouble.DROP])
def test_what_passes_is_tried_again(
    trouble: Trouble,
    open_served: Open,
    engine_server: EngineServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = open_served()
    engine_server.requests.clear()
    engine_server.troubles = [trouble, trouble]
    with caplog.at_level(logging.INFO):
        assert isinstance(ask(model), tuple)
    told = [r.__dict__["event_fields"] for r in caplog.records if r.msg == Event.ENGINE_RETRY]
    assert [fields["attempt"] for fields in told] == [1, 2]
    assert all(" " not in fields["reason"] for fields in told)  # the log would withhold it
    assert engine_server.requests[0] == engine_server.requests[1] == engine_server.requests[2]


@pytest.mark.parametrize("trouble", [Trouble.INTERNAL, Trouble.DENIED, Trouble.TOO_LONG])
def test_what_does_not_pass_is_not_tried_again(
    trouble: Trouble, open_served: Open, engine_server: EngineServer
) -> None:
    model = open_served()
    engine_server.requests.clear()
    engine_server.troubles = [trouble]
    try:
        assert isinstance(ask(model), AnswerRefused)
    except EngineUnavailable:
        assert trouble is not Trouble.TOO_LONG
    assert len(engine_server.requests) == 1


@pytest.mark.parametrize(
    ("said", "waited"),
    [("7", 7.0), ("Thu, 01 Jan 2026 00:00:09 GMT", 9.0), ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0)],
)
def test_a_busy_server_says_how_long_to_wait(
    said: str, waited: float, engine_server: EngineServer
) -> None:
    clock, pauses = FakeClock(), list[float]()
    client = EngineClient(section(engine_server.url), clock=clock, pause=pauses.append)
    engine_server.always, engine_server.retry_after = Trouble.BUSY, said
    with pytest.raises(EngineUnavailable):
        client.complete(b'{"model": "tiny"}')
    assert pauses == [waited, waited]
    client.close()


def test_a_wait_that_is_too_long_is_not_begun(engine_server: EngineServer) -> None:
    pauses = list[float]()
    client = EngineClient(section(engine_server.url), clock=FakeClock(), pause=pauses.append)
    engine_server.always, engine_server.retry_after = Trouble.BUSY, "3600"
    with pytest.raises(EngineUnavailable):
        client.complete(b"{}")
    assert pauses == []
    client.close()


def test_pauses_grow_and_differ(engine_server: EngineServer) -> None:
    pauses = list[float]()
    client = EngineClient(
        section(engine_server.url, retries=8, answer_seconds=60.0),
        clock=FakeClock(),
        pause=pauses.append,
    )
    engine_server.always = Trouble.GATEWAY
    with pytest.raises(EngineUnavailable):
        client.complete(b"{}")
    for number, pause in enumerate(pauses):
        longest = min(0.25 * 2**number, 8.0)
        assert longest / 2 <= pause <= longest
    assert len({round(pause / 2**n, 6) for n, pause in enumerate(pauses[:5])}) > 1
    client.close()


def test_a_server_that_is_away_is_waited_for(
    engine_folder: Path, engine_server: EngineServer
) -> None:
    """While it is started again, waiting studies do not use up their attempts in seconds."""
    clock = FakeClock()
    back_at = 1000.0

    def pause(seconds: float) -> None:
        clock.advance(seconds)
        engine_server.starting = clock.monotonic() < back_at

    client = EngineClient(section(engine_server.url), clock=clock, pause=pause)
    model = EngineModel(client, load_manifest(engine_folder))
    engine_server.starting = True
    with pytest.raises(EngineUnavailable):
        ask(model)
    assert clock.monotonic() < 5.0
    with pytest.raises(EngineUnavailable):
        ask(model)
    waited = clock.monotonic()
    assert waited > 14.0  # half of answer_seconds
    with pytest.raises(EngineUnavailable, match="still away"):
        ask(model)  # one that comes together with it does not wait again
    assert clock.monotonic() == waited
    clock.advance(2.0)
    back_at = waited + 8.0
    assert isinstance(ask(model), tuple)
    assert clock.monotonic() >= back_at
    model.close()


def test_refused_turns_say_why(open_served: Open, engine_server: EngineServer) -> None:
    model = open_served()
    engine_server.always = Trouble.NO_LOGPROBS
    reading = StagedReader(model).read(request(picture(), ReadingKind.TRIAGE))
    turn: Turn = reading.turns[0]
    assert not turn.accepted
    assert turn.problem == "the inference server sent no log-probabilities"
