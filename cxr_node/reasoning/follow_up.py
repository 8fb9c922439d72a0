"""One more question in a dialogue that is over: it is laid before the model again, unasked.

The answer is cleaned as every open answer is, and is unverified text of a model.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from cxr_node.domain.errors import AnswerRefused, QuestionRefused
from cxr_node.domain.ports import Ask, Conversation, ResumableConversation, VisionModel
from cxr_node.reasoning import answers, prompts
from cxr_node.reasoning.manners import Dialogue, Heard, manner_of
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.prompts import FollowUpPreset, Wording
from cxr_node.reasoning.staged import Request, StagedReader

LONGEST_QUESTION = 1000
"""Characters of a question in a person's own words."""

_LONGEST_ANSWER = 6000
_NEW_TOKENS = 768
_LIMIT = "follow_up"
"""Key of ``Limits.new_tokens`` by which a profile sets another length."""
_MARKUP = re.compile(r"<\|.*?\|>|</?(?:think|thinking|answer)>")


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a follow-up question."""

    prompt: str
    prompt_sha256: str
    context_sha256: str
    answer: str
    settled: str
    truncated: bool


def own_words(profile: Profile, question: str) -> str:
    """A person's question, fit to be put. Raises :class:`QuestionRefused` saying why it is not."""
    if profile.wording is Wording.BRIEF:
        raise QuestionRefused(
            "this model knows no words but those of its own questions; "
            "ask it with --preset structured, or --finding"
        )
    shown = "".join(" " if unicodedata.category(c).startswith("C") else c for c in question)
    words = " ".join(shown.split())
    if not words or len(words) > LONGEST_QUESTION:
        raise QuestionRefused(f"a question has 1 to {LONGEST_QUESTION} characters")
    if _MARKUP.search(words):
        raise QuestionRefused("a question may not hold the marks that frame a dialogue")
    return words


def preset_words(profile: Profile, preset: FollowUpPreset, finding: str = "") -> str:
    """A prepared question. Raises :class:`QuestionRefused` when this model knows none."""
    try:
        words = prompts.follow_up_words(profile.wording, preset, finding)
    except ValueError as error:
        raise QuestionRefused(str(error)) from error
    if not words:
        raise QuestionRefused(f"this model was not taught to answer the preset {preset}")
    return words


def put(
    model: VisionModel,
    profile: Profile,
    request: Request,
    said: Sequence[tuple[str, str]],
    words: str,
    first_context: str,
) -> Written:
    """Show ``request``, take ``said`` (prompt and settled answer) as said, and ask ``words``.

    ``first_context`` is the digest of what stood before the first of them. Raises
    :class:`QuestionRefused` when the pictures are not those that were read, and
    :class:`AnswerRefused` when the answer is of no use.
    """
    manner = manner_of(profile, quick=False)
    with StagedReader(model, profile).begin(request) as reading:
        talk = reading.conversation
        if _sha256(talk.context) != first_context:
            raise QuestionRefused(
                "what the model would see is not what it read; run cxr-node replay --verify"
            )
        _take_as_said(model, talk, said)
        prompt, context = manner.prompt(words, ()), _sha256(talk.context)
        longest = profile.limits.new_tokens.get(_LIMIT, _NEW_TOKENS)
        heard = _hear(manner.open(prompt, longest), model, talk)
    if heard.problem:
        raise AnswerRefused(heard.problem)
    answer = answers.text(heard.raw, _LONGEST_ANSWER)
    settled = manner.settled(answer, (), heard)
    return Written(prompt, _sha256(prompt), context, answer, settled, heard.truncated)


def _take_as_said(model: VisionModel, talk: Conversation, said: Sequence[tuple[str, str]]) -> None:
    """Without asking where the conversation allows it; else each answer is thrown away."""
    if isinstance(talk, ResumableConversation):
        talk.resume(said)
        return
    for prompt, answer in said:
        model.answer([(talk, Ask(prompt, max_new_tokens=1))])
        talk.settle(answer)


def _hear(dialogue: Dialogue, model: VisionModel, talk: Conversation) -> Heard:
    ask = next(dialogue)
    while True:
        (reply,) = model.answer([(talk, ask)])
        try:
            ask = dialogue.send(reply)
        except StopIteration as end:
            heard: Heard = end.value
            return heard


def _sha256(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8")).hexdigest()
