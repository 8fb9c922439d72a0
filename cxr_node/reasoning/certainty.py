"""How sure a stated finding is: probability, uncertainty and confidence from one scored answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cxr_node.domain.findings import FindingKind
from cxr_node.reasoning.answers import present_probability
from cxr_node.reasoning.profiles import Profile


@dataclass(frozen=True, slots=True)
class Certainty:
    """What stands beside a finding; the fields of :class:`Finding` of the same names."""

    probability: float
    uncertainty: float
    confidence: float
    threshold: float
    calibrated: bool


def certainty(kind: FindingKind, found: dict[str, float], profile: Profile) -> Certainty:
    """The certainty in the probabilities of present, absent and uncertain (they add up to 1).

    ``confidence`` is that of the answer alone: what contradicts it elsewhere in the reading
    is known only later and lowers it then (``consistency``).
    """
    unsure = uncertainty(found)
    return Certainty(
        probability=present_probability(found),
        uncertainty=unsure,
        confidence=1.0 - unsure,
        threshold=profile.threshold(kind),
        calibrated=profile.calibration_of("presence", kind) is not None,
    )


def uncertainty(found: dict[str, float]) -> float:
    """Entropy of a closed answer as a share of the highest possible: 0 is sure, 1 knows nothing.

    The highest possible is the logarithm of the number of options, three of them unless a
    family was taught to answer with present and absent alone.
    """
    entropy = -sum(p * math.log(p) for p in found.values() if p > 0)
    return min(max(entropy / math.log(len(found)), 0.0), 1.0)
