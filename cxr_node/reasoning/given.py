"""Answers that a person gives in the model's place: checked against the graph, put into words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cxr_node.domain.amendment import Correction, plain_text
from cxr_node.domain.errors import AmendmentRefused, AnswerRefused
from cxr_node.domain.stages import GRAPH, AnswerKind, Question, StageKey
from cxr_node.reasoning import boxes, prompts
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.loops import every_subject
from cxr_node.reasoning.profiles import Profile

LONGEST_ANSWER = 2000
"""Characters of a text that a person gives."""
_FORM = "a correction reads stage.question/subject=answer"
LEFT_OPEN = "left open by a person"
"""The problem of an answer that a person took away and replaced by none."""

QUESTIONS: Mapping[tuple[StageKey, str], Question] = {
    (stage.key, question.key): question for stage in GRAPH for question in stage.questions
}
_MARKS = re.compile(r"<\|[^<>]{0,40}\|>|</?(?:think|thinking|answer)>", re.IGNORECASE)


def checked(stage: str, question: str, subject: str, answer: str) -> Correction:
    """The correction that a person wrote, as the graph knows it.

    The answer is an option's key, a text, a box in percent ``(x0, y0), (x1, y1)``, or
    ``not assessed``, which takes an answer away. The findings of a pair may come in either
    order. Raises :class:`AmendmentRefused` saying what would be right.
    """
    asked = _question(stage, question)
    key = StageKey(stage)
    about = _subject(asked, subject)
    if answer == prompts.NOT_ASSESSED:
        return Correction(key, asked.key, about, answer)
    if asked.kind is AnswerKind.CLOSED:
        if answer not in asked.options:
            raise AmendmentRefused(f"{asked.key}: the answer is one of {', '.join(asked.options)}")
        return Correction(key, asked.key, about, answer)
    if asked.kind is AnswerKind.BOX:
        return Correction(key, asked.key, about, _box(answer))
    return Correction(key, asked.key, about, _text(asked, answer))


def parsed(written: str) -> Correction:
    """A correction as one line: ``stage.question=answer``, ``stage.question/subject=answer``.

    Raises :class:`AmendmentRefused`.
    """
    place, equals, answer = written.partition("=")
    if not equals:
        raise AmendmentRefused(_FORM)
    return placed(place.strip(), answer.strip())


def placed(place: str, answer: str) -> Correction:
    """A correction of ``place``, as :attr:`Correction.place` writes it; raises as the other."""
    asked, _, subject = place.partition("/")
    stage, dot, question = asked.partition(".")
    if not dot:
        raise AmendmentRefused(_FORM)
    return checked(stage, question, subject, answer)


def words(profile: Profile, found: Boxes, question: Question, answer: str) -> str:
    """A checked answer as this model reads it: the option's words, a box in its unit, a text."""
    if answer == prompts.NOT_ASSESSED:
        return answer
    if question.kind is AnswerKind.CLOSED:
        return prompts.option_words(profile.wording, answer)
    if question.kind is AnswerKind.BOX:
        return found.words(boxes.box(answer))
    return answer


def _question(stage: str, question: str) -> Question:
    if stage not in set(StageKey):
        raise AmendmentRefused(f"the stage is one of {', '.join(StageKey)}")
    known = {key: asked for (of, key), asked in QUESTIONS.items() if of == stage}
    if question not in known:
        raise AmendmentRefused(f"{stage}: the question is one of {', '.join(known)}")
    return known[question]


def _subject(question: Question, subject: str) -> str:
    possible = every_subject(question)
    turned = prompts.pair(*reversed(subject.split("+", 1))) if "+" in subject else subject
    for name in (subject, turned):
        if name in possible:
            return name
    if possible == ("",):
        raise AmendmentRefused(f"{question.key}: is asked about the whole image, name no finding")
    listed = "two findings as a+b" if len(possible) > 40 else f"one of {', '.join(possible)}"
    raise AmendmentRefused(f"{question.key}: the subject is {listed}")


def _box(answer: str) -> str:
    try:
        return boxes.box_text(boxes.box(answer[:200]))
    except AnswerRefused as refusal:
        words = "a box reads (x0, y0), (x1, y1) in percent of width and height"
        raise AmendmentRefused(words) from refusal


def _text(question: Question, answer: str) -> str:
    said = plain_text(question.key, answer, LONGEST_ANSWER)
    if not said:
        raise AmendmentRefused(f"{question.key}: the text is empty")
    if _MARKS.search(said):
        raise AmendmentRefused(f"{question.key}: holds the marks that frame a dialogue")
    return said
