"""What a scripted model understands and how it writes: the habits of each family, played.

The scripted model knows every prompt that the node can put, and nothing else; it answers
in the form its family was taught, unless its script says to write something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import DEVICES, FindingKind
from cxr_node.domain.ports import Ask, Generated
from cxr_node.domain.stages import GRAPH, OPENING, AnswerKind, Loop, Question, StageKey
from cxr_node.reasoning import boxes, labels, prompts, tags
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.profiles import BoxFormat, MannerKind, Profile
from cxr_node.reasoning.prompts import STRUCTURES, Wording

Asked = tuple[StageKey, Question, str]
"""What a prompt asks: stage, question and subject."""

THOUGHTS = "As scripted."

FOLLOW_UP: Asked = (StageKey.REPORT, Question("follow_up", AnswerKind.TEXT), "")
"""Whatever is asked after the reading."""

_TRACE = Question(OPENING, AnswerKind.TEXT)


def question_in(profile: Profile, prompt: str) -> Asked:
    """What ``prompt`` asks. Raises ``KeyError`` for a prompt that the node never puts."""
    for first in (False, True):
        note = prompts.pictures_words(profile.wording, reference_first=first)
        prompt = prompt.removeprefix(f"{note} ")
    if profile.opening is not None and prompt == profile.opening.prompt:
        return StageKey.FINDINGS, _TRACE, ""
    if profile.manner is MannerKind.LETTERED:
        prompt = prompt.removesuffix(f"\n{prompts.REASON_ALOUD}").partition(" Options:\n")[0]
    return _every_question(profile.wording, prompts.BOX_UNITS[profile.boxes])[prompt]


@cache
def _every_question(wording: Wording, unit: str) -> dict[str, Asked]:
    return {
        prompts.question_words(wording, stage.key, question, subject, unit): (
            stage.key,
            question,
            subject,
        )
        for stage in GRAPH
        for question in stage.questions
        for subject in _subjects(question.loop)
    }


def _subjects(loop: Loop) -> list[str]:
    if loop is Loop.PRESENT_PAIR:
        return [prompts.pair(a, b) for a, b in combinations(FindingKind, 2)]
    if loop is Loop.ANATOMY:
        return list(STRUCTURES)
    return [""] if loop is Loop.ONCE else list(FindingKind)


def question_about(kind: FindingKind) -> Asked:
    """The question whether ``kind`` is present."""
    stage = next(s for s in GRAPH if s.key is StageKey.FINDINGS)
    presence = next(q for q in stage.questions if q.loop is Loop.EVERY_FINDING)
    return stage.key, presence, kind


def chances_of(
    profile: Profile, question: Question, chances: Mapping[str, float], asked: Sequence[str]
) -> list[float]:
    """The chances of the options in the order asked; ``asked`` are their words or letters."""
    offered = prompts.offered(profile.wording, question)
    named = [prompts.option_words(profile.wording, option) for option in offered]
    if profile.manner is MannerKind.LETTERED:
        named = [f" {letter}" for letter in prompts.LETTERS[: len(offered)]]
    known = dict(zip(named, offered, strict=True))
    return [chances.get(known.get(words, ""), 0.0) for words in asked]


def in_unit(family: Boxes, question: Question, said: str) -> str:
    """A box that is scripted in percent, as the family would write it; anything else as it is."""
    if question.kind is not AnswerKind.BOX or family.format is BoxFormat.PERCENT:
        return said
    try:
        return family.words(boxes.box(said))
    except AnswerRefused:
        return said


def usual(profile: Profile, question: Question, said: str) -> str:
    """``said`` in the form of the family, reasoned aloud where it was taught to."""
    if question.key == OPENING:
        return f"<think>{THOUGHTS}</think>\n<answer>{said}</answer>"
    return tags.with_tags(THOUGHTS, said) if profile.manner is MannerKind.LETTERED else said


def label_list(present: Mapping[FindingKind, bool]) -> str:
    """The list at the end of a trace that agrees with what the single questions are told."""
    held = {labels.label_of(kind) for kind, is_present in present.items() if is_present}
    pathology = any(is_present and kind not in DEVICES for kind, is_present in present.items())
    return labels.Listed(
        tuple(
            label
            for label in labels.LABELS
            if label in held or (label == labels.NO_FINDING and not pathology)
        )
    ).words


def write(text: str, ask: Ask) -> Generated:
    """``text`` as a model writes it: word by word, to the stop or to the limit."""
    for stop in ask.stop:
        text = text.partition(stop)[0]
    words = text.split(" ")
    longest = ask.max_new_tokens
    return Generated(" ".join(words[:longest]), truncated=len(words) > longest)
