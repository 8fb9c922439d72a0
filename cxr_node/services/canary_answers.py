"""What the canary study was answered, in short, and how it may differ from its reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cxr_node.domain.findings import Reading

_UNREADABLE = "the stored reference cannot be read; accept an answer anew"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Said(_Frozen):
    """One finding as it was called; ``side`` is empty where none was named."""

    presence: str
    probability: float | None
    side: str


class CanaryAnswers(_Frozen):
    """The answers that are compared: what may reach a report or the worklist."""

    projection: str
    abnormal: float | None
    findings: dict[str, Said]

    @property
    def present(self) -> tuple[str, ...]:
        return tuple(kind for kind, said in self.findings.items() if said.presence == "present")


def answers_of(reading: Reading) -> CanaryAnswers:
    """The short form of a reading; what is no number counts as not given."""
    return CanaryAnswers(
        projection=reading.projection or "",
        abnormal=_number(reading.abnormal),
        findings={
            f.kind.value: Said(
                presence=f.presence.value,
                probability=_number(f.probability),
                side=f.laterality.value if f.laterality else "",
            )
            for f in reading.findings
        },
    )


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def differences(
    reference: Mapping[str, Any], answers: CanaryAnswers, tolerance: float
) -> list[str]:
    """What a person would want to know, most telling first; empty when the answers held.

    Calls, sides and the projection must be equal, probabilities within ``tolerance``.
    ``reference`` is the stored JSON; one that cannot be read is a difference.
    """
    try:
        held = CanaryAnswers.model_validate(reference)
    except ValidationError:
        return [_UNREADABLE]
    return [
        *_calls(held, answers),
        *_equal("projection", held.projection, answers.projection),
        *_close("abnormal", held.abnormal, answers.abnormal, tolerance),
        *_probabilities(held, answers, tolerance),
    ]


def _calls(held: CanaryAnswers, now: CanaryAnswers) -> Iterator[str]:
    for kind in {**held.findings, **now.findings}:
        before, after = held.findings.get(kind), now.findings.get(kind)
        yield from _equal(kind, before.presence if before else "", after.presence if after else "")
        if before and after:
            yield from _equal(f"side of {kind}", before.side, after.side)


def _probabilities(held: CanaryAnswers, now: CanaryAnswers, tolerance: float) -> Iterator[str]:
    for kind in held.findings.keys() & now.findings.keys():
        before, after = held.findings[kind], now.findings[kind]
        yield from _close(kind, before.probability, after.probability, tolerance)


def _equal(what: str, before: str, after: str) -> Iterator[str]:
    if before != after:
        yield f"{what} was {before or 'not named'}, is {after or 'not named'}"


def _close(what: str, before: float | None, after: float | None, tolerance: float) -> Iterator[str]:
    if before is None or after is None:
        if before is not after:
            was = "not given" if before is None else f"{before:.3f}"
            yield f"probability of {what} was {was}, is {'not given' if after is None else after}"
    elif abs(before - after) > tolerance:
        yield f"probability of {what} was {before:.3f}, is {after:.3f}"
