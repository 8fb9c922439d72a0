"""One question of one open study, and one study read, in a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.ports import (
    Ask,
    Conversation,
    Generated,
    PreparedImage,
    Reply,
    Scores,
    VisionModel,
)
from cxr_node.reasoning.prompts import NOT_ASSESSED
from cxr_node.reasoning.staged import Request
from tests.models import reference


def score(
    model: VisionModel, talk: Conversation, prompt: str, options: Sequence[str], **more: Any
) -> Scores:
    """Log-probabilities of ``options`` behind ``prompt``."""
    (reply,) = model.answer([(talk, Ask(prompt, options=tuple(options), **more))])
    assert isinstance(reply, tuple)
    return reply


def generate(
    model: VisionModel, talk: Conversation, prompt: str, longest: int, **more: Any
) -> Generated:
    """What the model writes behind ``prompt``."""
    (reply,) = model.answer([(talk, Ask(prompt, max_new_tokens=longest, **more))])
    assert isinstance(reply, Generated)
    return reply


def request(
    image: PreparedImage, kind: ReadingKind = ReadingKind.READ, view: str = "PA"
) -> Request:
    """A study of one picture."""
    return Request([image], [reference(image, view)], kind, quality_control=True)


def settled(ask: Ask, reply: Reply) -> str:
    """What a reader would settle: the best option, the text, or that nothing was said."""
    if isinstance(reply, AnswerRefused):
        return NOT_ASSESSED
    if isinstance(reply, Generated):
        return reply.text
    return ask.options[reply.index(max(reply))]


def agree(found: Reply, expected: Reply) -> None:
    """Equal texts, and scores equal but for rounding."""
    if isinstance(expected, tuple):
        assert found == pytest.approx(expected, abs=1e-4)
    else:
        assert found == expected
