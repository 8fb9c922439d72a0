"""Parse and check what a model said. What cannot be parsed is refused, never guessed.

Closed questions are scored over their options, so an answer outside the list cannot
arise; here scores become probabilities. Open answers are texts or boxes.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import Presence
from cxr_node.domain.ports import Generated
from cxr_node.reasoning.profiles import Calibration
from cxr_node.reasoning.tags import CUT, answer_part, read_tags

_MARKUP = re.compile(r"<\|/?[A-Za-z_]+\|>")
_WORD = re.compile(r"[^\W\d_]{2,}")

_REPEATS = 4  # the same word so often in a row is a model caught in a loop


def probabilities(
    scores: Sequence[float], options: Sequence[str], calibration: Calibration | None
) -> dict[str, float]:
    """Option key to probability, from log-probabilities in the same order.

    Raises :class:`AnswerRefused` when a score is missing or is not a number.
    """
    if len(scores) != len(options):
        raise AnswerRefused("the model did not score every option")
    settings = calibration or Calibration()
    logits = [
        (score + settings.bias.get(option, 0.0)) / settings.temperature
        for score, option in zip(scores, options, strict=True)
    ]
    if not all(math.isfinite(value) for value in logits):
        raise AnswerRefused("the model's scores are not finite")
    top = max(logits)
    weights = [math.exp(value - top) for value in logits]
    return {o: w / sum(weights) for o, w in zip(options, weights, strict=True)}


def most_probable(found: dict[str, float]) -> str:
    """The option with the highest probability; of equals, the one listed first."""
    return max(found, key=found.__getitem__)


def present_probability(found: dict[str, float]) -> float:
    """Probability of present against absent, uncertainty set aside."""
    present, absent = found[Presence.PRESENT], found[Presence.ABSENT]
    return present / (present + absent) if present + absent > 0 else 0.5


def presence(found: dict[str, float], threshold: float) -> Presence:
    """Uncertain when the model says so before all else, otherwise by the operating point."""
    if most_probable(found) == Presence.UNCERTAIN:
        return Presence.UNCERTAIN
    return Presence.PRESENT if present_probability(found) >= threshold else Presence.ABSENT


def text(raw: str, longest: int) -> str:
    """A cleaned sentence of at most ``longest`` characters.

    Raises :class:`AnswerRefused` for an answer without words, with broken reasoning
    tags, or that repeats itself.
    """
    said = _MARKUP.sub(" ", answer_part(raw))
    printable = "".join(
        c for c in said if c.isspace() or not unicodedata.category(c).startswith("C")
    )
    cleaned = " ".join(printable.split())
    words = _WORD.findall(cleaned)
    if not words:
        raise AnswerRefused("the answer holds no words")
    if 2 * sum(map(len, words)) < len(cleaned.replace(" ", "")):
        raise AnswerRefused("the answer is mostly not words")
    if _repeats(words):
        raise AnswerRefused("the answer repeats itself")
    return _cap(cleaned, longest)


def trace(said: Generated) -> str:
    """The answer part of a reasoning trace.

    Raises :class:`AnswerRefused` for a trace that was cut or whose tags are incomplete.
    """
    if said.truncated:
        raise AnswerRefused(CUT)
    return read_tags(said.text).answer


def _repeats(words: list[str]) -> bool:
    lowered = [word.casefold() for word in words]
    if any(len(list(run)) >= _REPEATS for _, run in groupby(lowered)):
        return True
    _, count = Counter(lowered).most_common(1)[0]
    return len(lowered) >= 3 * _REPEATS and 2 * count > len(lowered)


def _cap(cleaned: str, longest: int) -> str:
    if len(cleaned) <= longest:
        return cleaned
    cut = cleaned[: max(longest - 1, 0)]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + "…"
