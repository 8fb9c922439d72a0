"""What the model said of the phantoms, counted, and whether it can meet what it declares."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.priority import is_flag
from cxr_node.evaluation.commission.limits import Limits, ModelLimits, Shares
from cxr_node.evaluation.commission.studies import Asked

_Z = 1.959963984540054


class Verdict(StrEnum):
    """What a count says about a limit."""

    HOLDS = "not refuted"
    FAILS = "fails"
    TOO_FEW = "too few to tell"
    NOT_LIMITED = "no limit declared"


@dataclass(frozen=True, slots=True)
class Figure:
    """``hits`` of ``n``; ``limit`` is the least share, None where none is declared."""

    name: str
    hits: int
    n: int
    limit: float | None
    verdict: Verdict
    low: float | None
    high: float | None
    """95 % interval of Wilson (1927)."""

    @property
    def share(self) -> float | None:
        return self.hits / self.n if self.n else None


def figures(asked: Sequence[Asked], limits: Limits, declared: ModelLimits) -> list[Figure]:
    """Every figure of the model, those with a limit first within their kind."""
    read = [one for one in asked if one.readable]

    def figure(name: str, right: Iterable[bool], limit: float | None) -> Figure:
        hits = list(right)
        return _figure(name, sum(hits), len(hits), limit, limits.chance)

    flags = [(is_flag(one.study.priority), one) for one in read]
    flag = declared.flag
    found = [
        figure(
            "time-critical studies flagged",
            (_flagged(one) for due, one in flags if due),
            flag.sensitivity,
        ),
        figure(
            "other studies not flagged",
            (not _flagged(one) for due, one in flags if not due),
            flag.specificity,
        ),
        figure("projection", _projections(read), declared.projection),
        figure("side of findings that were called", _sides(read), declared.side),
    ]
    for kind in FindingKind:
        found += _of_kind(kind, read, declared.findings.get(kind, Shares()), figure)
    return found


def _of_kind(
    kind: FindingKind,
    read: Sequence[Asked],
    shares: Shares,
    figure: Callable[[str, Iterable[bool], float | None], Figure],
) -> Iterator[Figure]:
    """What is limited must be answered: silence about it is a miss, never left out."""
    must = shares != Shares()
    for state, word, limit in (
        ("present", "sensitivity", shares.sensitivity),
        ("absent", "specificity", shares.specificity),
    ):
        said = (_said(one, kind) for one in read if one.study.findings.get(kind) == state)
        right = [
            presence == "present" if state == "present" else presence in ("absent", "uncertain")
            for presence in said
            if must or presence
        ]
        if right or limit is not None:
            yield figure(f"{kind.value.replace('_', ' ')}: {word}", right, limit)


def _said(one: Asked, kind: FindingKind) -> str:
    """Empty where there is no report, or no word of the finding in it."""
    said = one.report.findings.get(kind.value) if one.report else None
    return said.presence if said else ""


def _flagged(one: Asked) -> bool:
    priority = one.answer.priority
    return priority is not None and is_flag(priority)


def _projections(read: Sequence[Asked]) -> list[bool]:
    return [
        one.report is not None and one.report.projection == one.study.projection for one in read
    ]


def _sides(read: Sequence[Asked]) -> Iterator[bool]:
    for one in read:
        for kind, side in one.study.sides.items():
            said = one.report.findings.get(kind) if one.report else None
            if said is not None and said.presence == "present":
                yield said.sides == {side}


def _figure(name: str, hits: int, n: int, limit: float | None, chance: float) -> Figure:
    low, high = _wilson(hits, n) if n else (None, None)
    return Figure(name, hits, n, limit, _verdict(hits, n, limit, chance), low, high)


def _verdict(hits: int, n: int, limit: float | None, chance: float) -> Verdict:
    if limit is None:
        return Verdict.NOT_LIMITED
    if _at_most(0, n, limit) >= chance:
        return Verdict.TOO_FEW  # not even a miss every time could refute the claim
    return Verdict.FAILS if _at_most(hits, n, limit) < chance else Verdict.HOLDS


def _at_most(hits: int, n: int, share: float) -> float:
    """Chance of so few hits, or fewer, in ``n`` trials that each hit with ``share``."""
    return math.fsum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(hits + 1))


def _wilson(hits: int, n: int) -> tuple[float, float]:
    share = hits / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)
