"""Questions and options in words, and the tokenizer that reads them."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import GRAPH, AnswerKind, Question, Stage
from cxr_node.reasoning import prompts
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.words import SPECIAL_TOKENS, build_tokenizer, vocabulary

QUESTIONS = [(stage, question) for stage in GRAPH for question in stage.questions]
TOKENIZER = build_tokenizer()


@pytest.mark.parametrize("wording", Wording)
def test_every_question_has_words(wording: Wording) -> None:
    for words in prompts.every_prompt(wording):
        assert words
        assert "{" not in words
        assert "_" not in words


@pytest.mark.parametrize("wording", Wording)
@pytest.mark.parametrize(("stage", "question"), QUESTIONS)
def test_options_read_back(wording: Wording, stage: Stage, question: Question) -> None:
    for option in question.options:
        words = prompts.option_words(wording, option)
        assert prompts.option_key(wording, question, f" {words}\n") == option
    assert prompts.option_key(wording, question, "a guess") is None


@pytest.mark.parametrize("wording", Wording)
def test_subjects_are_told_apart(wording: Wording) -> None:
    named = {prompts.subject_words(wording, kind) for kind in FindingKind}
    assert len(named) == len(FindingKind)


def test_only_closed_codes_enter_a_prompt() -> None:
    with pytest.raises(ValueError, match="DOE"):
        prompts.subject_words(Wording.PLAIN, "DOE^JANE")


@pytest.mark.parametrize(
    ("wording", "digest"),
    [
        (Wording.BRIEF, "941a6631e1b82ddd"),
        (Wording.PLAIN, "e2df8de17cfe5191"),
        (Wording.CHESTX, "7dc81d61e5a8c59a"),
    ],
)
def test_prompt_bytes_change_only_with_their_version(wording: Wording, digest: str) -> None:
    """Trained weights and calibration depend on these bytes; raise PROMPTS_VERSION with them."""
    everything = [*prompts.every_prompt(wording), *prompts.every_option(wording)]
    found = hashlib.sha256(json.dumps(everything).encode()).hexdigest()
    assert (prompts.PROMPTS_VERSION, found[:16]) == ("1", digest)


def test_brief_options_are_one_token_each() -> None:
    for stage, question in QUESTIONS:
        if question.kind is AnswerKind.CLOSED:
            for option in question.options:
                words = prompts.option_words(Wording.BRIEF, option)
                assert len(TOKENIZER.encode(words).ids) == 1, (stage.key, words)


def test_brief_prompts_are_short_and_whole_words() -> None:
    known = vocabulary()
    for words in prompts.every_prompt(Wording.BRIEF):
        tokens = TOKENIZER.encode(words).tokens
        assert len(tokens) <= 8
        assert all(token in known for token in tokens)
    assert len(known) <= 1024


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_nothing_is_unencodable(text: str) -> None:
    if any(token in text for token in SPECIAL_TOKENS):
        return
    ids = TOKENIZER.encode(text).ids
    assert TOKENIZER.decode(ids, skip_special_tokens=False).strip() == text.strip()


def test_a_box_is_one_token_a_number() -> None:
    assert len(TOKENIZER.encode(prompts.box_words(0, 7.4, 55, 100)).ids) == 10
