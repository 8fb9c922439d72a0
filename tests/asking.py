"""One question of one open study, and one study read, in a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.ports import Ask, Conversation, Generated, PreparedImage, Scores, VisionModel
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
