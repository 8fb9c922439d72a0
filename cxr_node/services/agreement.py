"""Two readings of one study side by side, finding by finding, and what many of them amount to.

Of each finding only "held present" or not is compared, because that is what flags and
reports rest on; "uncertain" counts as not held present, "not assessed" is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cxr_node.domain.findings import Finding, FindingKind, Presence, Reading


class Cell(StrEnum):
    """One field of the two-by-two table of a finding."""

    BOTH = "both present"
    FIRST = "only first"
    SECOND = "only second"
    NEITHER = "both absent"


_CELLS = {
    (True, True): Cell.BOTH,
    (True, False): Cell.FIRST,
    (False, True): Cell.SECOND,
    (False, False): Cell.NEITHER,
}
_AGREED = (Cell.BOTH, Cell.NEITHER)


@dataclass(frozen=True, slots=True)
class Table:
    """How often two models agreed on one finding."""

    finding: FindingKind
    counts: dict[Cell, int]

    @property
    def studies(self) -> int:
        return sum(self.counts.values())

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa, -1 to 1; None where chance alone explains everything, or nothing is.

        Cohen J., Educ. Psychol. Meas. 20 (1960) 37-46.
        """
        n = self.studies
        if not n:
            return None
        first = self.counts[Cell.BOTH] + self.counts[Cell.FIRST]
        second = self.counts[Cell.BOTH] + self.counts[Cell.SECOND]
        by_chance = (first * second + (n - first) * (n - second)) / n**2
        agreed = sum(self.counts[cell] for cell in _AGREED) / n
        return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def agreement(first: Reading, second: Reading) -> dict[str, Any]:
    """Both presences and probabilities of every finding, as JSON values."""
    others = {finding.kind: finding for finding in second.findings}
    findings = {
        mine.kind.value: _compared(mine, others[mine.kind])
        for mine in first.findings
        if mine.kind in others
    }
    cells = [values["cell"] for values in findings.values() if values["cell"]]
    return {
        "first": _model(first),
        "second": _model(second),
        "findings": findings,
        "compared": len(cells),
        "disagreed": sum(cell not in _AGREED for cell in cells),
        "distance": sum(values["distance"] for values in findings.values()),
    }


def _model(reading: Reading) -> dict[str, str]:
    model = reading.model
    return {"name": model.name, "version": model.version, "digest": model.digest}


def _compared(first: Finding, second: Finding) -> dict[str, Any]:
    assessed = Presence.NOT_ASSESSED not in (first.presence, second.presence)
    known = first.probability is not None and second.probability is not None
    apart = abs((first.probability or 0.0) - (second.probability or 0.0))
    return {
        "first": first.presence.value,
        "second": second.presence.value,
        "first_probability": first.probability,
        "second_probability": second.probability,
        "cell": _CELLS[first.present, second.present].value if assessed else "",
        "distance": apart if assessed and known else 0.0,
    }


def tables(agreements: Iterable[dict[str, Any]]) -> list[Table]:
    """A two-by-two table of each finding, over studies compared by :func:`agreement`."""
    counted: dict[FindingKind, Counter[Cell]] = {kind: Counter() for kind in FindingKind}
    for saved in agreements:
        for kind in FindingKind:
            cell = saved["findings"].get(kind.value, {}).get("cell")
            if cell:
                counted[kind][Cell(cell)] += 1
    return [Table(kind, {cell: counts[cell] for cell in Cell}) for kind, counts in counted.items()]
