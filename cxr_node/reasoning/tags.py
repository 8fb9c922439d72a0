"""The tags around what a model thinks and what it answers.

Families that reason aloud write ``<think>…</think>`` and then ``<answer>…</answer>``, each tag
exactly once (the format their training rewarded, arXiv 2504.20930 and 2510.23968). One host
of NV-Reason-CXR writes ``<thinking>`` instead. What departs from that is refused: half a
thought has no answer, and two answers are none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxr_node.domain.errors import AnswerRefused

INCOMPLETE = "the reasoning tags are incomplete"
CUT = "the reasoning was cut at the token limit"

THINK_END = "</think>"
ANSWER_START = "<answer>"

_MARK = re.compile(r"<\|[^|<>]{1,40}\|>")
_TAG = re.compile(r"</?(?:think|thinking|answer)>")
_ORDERS = tuple(
    [f"<{think}>", f"</{think}>", "<answer>", "</answer>"] for think in ("think", "thinking")
)


@dataclass(frozen=True, slots=True)
class Tagged:
    """What stands between the tags, without the blanks around it."""

    thoughts: str
    answer: str


def has_tags(raw: str) -> bool:
    """Whether ``raw`` holds any tag of reasoning or answer."""
    return _TAG.search(raw) is not None


def read_tags(raw: str) -> Tagged:
    """Thoughts and answer. Raises :class:`AnswerRefused` unless every tag stands once, in order."""
    if _TAG.findall(raw) not in _ORDERS:
        raise AnswerRefused(INCOMPLETE)
    before, thoughts, between, answer, after = _TAG.split(raw)
    if (before + between + after).strip():
        raise AnswerRefused("there is text outside the reasoning tags")
    return Tagged(thoughts.strip(), answer.strip())


def thoughts_only(raw: str) -> str:
    """The thoughts of an answer that was stopped where they end.

    Raises :class:`AnswerRefused` unless ``raw`` begins with the one opening tag.
    """
    if _TAG.findall(raw) != ["<think>"] or not raw.lstrip().startswith("<think>"):
        raise AnswerRefused(INCOMPLETE)
    return raw.lstrip().removeprefix("<think>").strip()


def answer_part(raw: str) -> str:
    """The answer in ``raw``: between its tags, or all of it where there are none.

    Raises :class:`AnswerRefused` for incomplete tags.
    """
    return read_tags(raw).answer if has_tags(raw) else raw


def without_marks(text: str) -> str:
    """``text`` without anything that reads as a token of the chat itself.

    What a model wrote goes back to it; it must not open a turn of its own there.
    """
    while (cleaned := _MARK.sub(" ", text)) != text:
        text = cleaned
    return text


def lead(thoughts: str) -> str:
    """Thoughts as ChestX-Reasoner writes them, up to where its answer begins."""
    return f"<think> {without_marks(thoughts)} {THINK_END}{ANSWER_START}"


def with_tags(thoughts: str, answer: str) -> str:
    """Thoughts and answer as ChestX-Reasoner writes them."""
    return f"<think> {without_marks(thoughts)} {THINK_END}{answer_tags(answer)}"


def answer_tags(answer: str) -> str:
    """An answer without thoughts, as ChestX-Reasoner writes it."""
    return f"{ANSWER_START} {answer} </answer>"
