"""What an inference server sends is scored where it proves what it says, and refused elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.ports import Generated, Scores
from cxr_node.reasoning.engine_answers import Completion, option_scores, written

END = "<|im_end|>"
Seen = dict[str, float]


def completion(
    said: str | None, tokens: Sequence[tuple[str, Seen]] | None = None, **changes: Any
) -> Completion:
    """A completion whose tokens are given with their alternatives, themselves among them."""
    content = [
        {
            "token": token,
            "logprob": seen.get(token, -0.5),
            "top_logprobs": [{"token": t, "logprob": v} for t, v in seen.items()],
        }
        for token, seen in tokens or ()
    ]
    choice = {
        "message": {"content": said},
        "finish_reason": "stop",
        "logprobs": None if tokens is None else {"content": content},
    }
    document = {"model": "tiny", "choices": [choice | changes]}
    return Completion.model_validate_json(json.dumps(document))


def score(said: str, tokens: Sequence[tuple[str, Seen]] | None, options: Sequence[str]) -> Scores:
    return option_scores(completion(said, tokens), options, (END,))


PRESENCE = ("present", "absent", "uncertain")
FIRST: Seen = {"present": -0.3, "absent": -1.6, "uncertain": -3.2, "Pre": -4.0}


def test_options_of_one_token_have_exactly_the_scores_sent() -> None:
    assert score("present", [("present", FIRST), (END, {END: 0.0})], PRESENCE) == (-0.3, -1.6, -3.2)


def test_the_end_token_need_not_be_sent() -> None:
    assert score("present", [("present", FIRST)], PRESENCE) == (-0.3, -1.6, -3.2)


def test_the_longest_piece_of_an_option_counts() -> None:
    seen = FIRST | {"abs": -1.0, "a": -0.9, "absentia": -0.1}
    assert score("present", [("present", seen)], PRESENCE)[1] == -1.6


def test_an_option_of_several_tokens_is_scored_to_where_it_stands_alone() -> None:
    tokens = [("un", {"un": -0.2, "pre": -1.9, "ab": -3.0}), ("certain", {"certain": -0.4})]
    assert score("uncertain", tokens, PRESENCE) == (-1.9, -3.0, -0.2)


def test_options_that_share_a_beginning_share_its_score() -> None:
    first = {"too": -0.5, "correct": -1.0, "mal": -3.0}
    second = {" high": -0.1, " low": -2.4}
    options = ("correct", "too high", "too low", "malpositioned")
    tokens = [("too", first), (" high", second)]
    assert score("too high", tokens, options) == pytest.approx((-1.0, -0.6, -2.9, -3.0))


def test_options_that_leave_together_each_get_the_whole_as_a_bound() -> None:
    seen = {"correct": -0.2, "too": -1.7, "mal": -3.0}
    options = ("correct", "too high", "too low", "malpositioned")
    assert score("correct", [("correct", seen)], options) == (-0.2, -1.7, -1.7, -3.0)


def test_only_the_end_tells_an_option_from_one_that_begins_with_it() -> None:
    options = ("mild", "mild or moderate")
    ended = [("mild", {"mild": -0.1}), (END, {END: -0.3, " or": -1.5})]
    assert score("mild", ended, options) == pytest.approx((-0.4, -1.6))
    longer = [("mild", {"mild": -0.1}), (" or", {" or": -0.3, END: -1.5})]
    assert score("mild or moderate", longer, options) == pytest.approx((-1.6, -0.4))


def test_without_the_end_token_such_an_option_is_refused() -> None:
    with pytest.raises(AnswerRefused, match="do not make its answer"):
        score("mild", [("mild", {"mild": -0.1})], ("mild", "mild or moderate"))


def test_an_option_that_is_not_shown_gets_at_most_the_least_that_is() -> None:
    seen = {"present": -0.1, "Pre": -5.0, "the": -9.5, "!": -9999.0}
    assert score("present", [("present", seen)], PRESENCE) == (-0.1, -9.5, -9.5)


def test_what_sets_an_option_apart_from_all_others_is_enough() -> None:
    assert score("present", [("pre", {"pre": -0.1})], PRESENCE) == (-0.1, -0.1, -0.1)


def test_letters_behind_a_blank_are_options_too() -> None:
    seen = {" B": -0.2, " A": -1.8}
    assert score(" B", [(" B", seen)], (" A", " B")) == (-1.8, -0.2)


def test_a_probability_of_one_may_be_rounded() -> None:
    seen = {"present": 0.0005, "absent": -9.0, "uncertain": -9.5}
    assert score("present", [("present", seen)], PRESENCE)[0] == 0.0


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        ("maybe", [("maybe", FIRST)]),
        ("present ", [("present", FIRST), (" ", {" ": -0.1})]),
        ("Present", [("Present", FIRST)]),
        ("", [(END, {END: 0.0})]),
        ("present", None),
        ("present", []),
        ("present", [("present", {})]),
        ("present", [("absent", FIRST)]),
        ("present", [("token_id:17", {"token_id:17": -0.1})]),
        ("present", [("present", FIRST | {"present": math.nan})]),
        ("present", [("present", FIRST | {"absent": math.nan})]),
        ("present", [("present", FIRST | {"present": 0.2})]),
        ("present", [("present", FIRST | {"absent": math.inf})]),
        ("present", [("present", FIRST | {"present": -9999.0})]),
    ],
)
def test_what_proves_nothing_is_refused(
    said: str, tokens: Sequence[tuple[str, Seen]] | None
) -> None:
    with pytest.raises(AnswerRefused, match="inference server"):
        score(said, tokens, PRESENCE)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_kept_apart_is_refused(field: str) -> None:
    message = {"content": "present", field: "because"}
    found = completion("present", [("present", FIRST)], message=message)
    with pytest.raises(AnswerRefused, match="apart"):
        option_scores(found, PRESENCE, (END,))
    with pytest.raises(AnswerRefused, match="apart"):
        written(found, ())


def test_an_open_answer_says_whether_it_was_cut() -> None:
    assert written(completion(" A sentence.\n"), ()) == Generated("A sentence.", truncated=False)
    cut = completion("A sent", finish_reason="length")
    assert written(cut, ()) == Generated("A sent", truncated=True)


def test_an_open_answer_ends_before_the_first_stop() -> None:
    found = completion("so </think> x </b>", finish_reason="length")
    assert written(found, ("</b>", "</think>")) == Generated("so", truncated=False)


@pytest.mark.parametrize("changes", [{"finish_reason": "abort"}, {"finish_reason": None}])
def test_an_open_answer_that_was_broken_off_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AnswerRefused, match="broke"):
        written(completion("A sentence.", **changes), ())


def test_no_text_is_refused() -> None:
    with pytest.raises(AnswerRefused, match="no text"):
        written(completion(None), ())


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"model": "tiny", "choices": []},
        {"model": "tiny", "choices": [{"message": {}}, {"message": {}}]},
        {"model": 1, "choices": [{"message": {}}]},
        {"error": {"message": "no"}},
    ],
)
def test_other_documents_are_no_completion(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Completion.model_validate_json(json.dumps(document))
