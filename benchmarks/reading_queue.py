"""Expected waiting times of flagged and unflagged patients, before and after, rule by rule.

Two questions. What does the flag change (FDA's QuCAD: a time-critical condition, a device with
sensitivity and specificity, readers without and with interruption), by closed form and by
simulation? And which rule of ageing shall the reading worklist have: five priorities, in
ordinary operation, in a busy hour, and when the device flags far too often?

    python benchmarks/reading_queue.py                     # a minute
    python benchmarks/reading_queue.py --patients 400000 --json queue.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.evaluation.reading_queue import (
    Group,
    QueueModel,
    Score,
    Waits,
    accumulating,
    due,
    expected,
    expected_preemptive,
    fifo,
    flagging,
    linear,
    mean,
    percentile,
    simulate,
    simulate_preemptive,
    strict,
)

READING_MINUTES = 4.0
PREVALENCE, SENSITIVITY, SPECIFICITY = 0.03, 0.85, 0.95
PRIORITIES = ("STAT", "HIGH", "MEDIUM", "ROUTINE", "LOW")
DUE_MINUTES = (15.0, 60.0, 240.0, 480.0, 960.0)
RULES: dict[str, Score] = {
    "no flags: first come": fifo,
    "strict priority": strict,
    "linear, a class in 60 min": linear(60.0),
    "linear, a class in 240 min": linear(240.0),
    "share of the due time": accumulating(DUE_MINUTES),
    "due time": due(DUE_MINUTES),
    "due time, STAT always first": due(DUE_MINUTES, first=1),
    "due time, flagged always first": due(DUE_MINUTES, first=2),
}
CRITICAL = Group("critical", 0.03, (0.80, 0.05, 0.05, 0.10, 0.0))
SICK = Group("abnormal", 0.37, (0.02, 0.20, 0.38, 0.40, 0.0))
WELL = Group("normal", 0.60, (0.01, 0.02, 0.07, 0.80, 0.10))
TOO_MANY = (
    Group("critical", 0.03, (0.95, 0.05, 0.0, 0.0, 0.0)),
    Group("abnormal", 0.37, (0.30, 0.45, 0.20, 0.05, 0.0)),
    Group("normal", 0.60, (0.15, 0.40, 0.20, 0.20, 0.05)),
)


def scenarios() -> dict[str, QueueModel]:
    """One reader; what differs is how busy and how often something is flagged."""
    usual = (CRITICAL, SICK, WELL)

    def at(load: float, groups: tuple[Group, ...]) -> QueueModel:
        return QueueModel(load / READING_MINUTES, 1, (READING_MINUTES,) * 5, groups)

    return {
        "ordinary, load 0.80": at(0.80, usual),
        "busy, load 0.95": at(0.95, usual),
        "busy, two of three flagged": at(0.95, TOO_MANY),
        "backlog, load 0.99": at(0.99, usual),
    }


def qucad(patients: int) -> tuple[Table, list[dict[str, object]]]:
    """Flagged and unflagged before and after, by formula and by simulation."""
    table = Table(title="What the flag changes (minutes waited, mean)")
    for name in ("readers", "load", "before", "flagged", "unflagged", "missed", "interrupting"):
        table.add_column(name)
    rows: list[dict[str, object]] = []
    groups = flagging(PREVALENCE, SENSITIVITY, SPECIFICITY)
    for readers in (1, 2, 4):
        for load in (0.7, 0.8, 0.9):
            model = QueueModel(
                load * readers / READING_MINUTES, readers, (READING_MINUTES,) * 2, groups
            )
            found = simulate(model, strict, patients)
            before = mean(simulate(model, fifo, patients).of())
            told, breaking = expected(model), expected_preemptive(model)
            seen = [mean(found.of(classes=[k])) for k in (0, 1)]
            cut = [mean(simulate_preemptive(model, patients // 4).of(classes=[k])) for k in (0, 1)]
            table.add_row(
                *(str(readers), f"{load:.2f}", f"{before:.1f}"),
                *(f"{s:.2f} ({t:.2f})" for s, t in zip(seen, told, strict=True)),
                f"{mean(found.of('with', [1])):.1f}",
                " / ".join(f"{s:.2f} ({t:.2f})" for s, t in zip(cut, breaking, strict=True)),
            )
            row: dict[str, object] = {"readers": readers, "load": load, "before": before}
            row |= {"simulated": seen, "closed form": told}
            rows.append(row | {"interrupting": cut, "interrupting closed form": breaking})
    return table, rows


def ageing(name: str, model: QueueModel, patients: int) -> tuple[Table, list[dict[str, object]]]:
    """Each rule: mean and 95th percentile by priority, and who is served worst."""
    shares = ", ".join(
        f"{p} {r / model.arrivals:.0%}" for p, r in zip(PRIORITIES, model.rates, strict=True)
    )
    table = Table(title=f"{name} ({shares}): minutes, mean | 95th percentile")
    columns = ("rule", *PRIORITIES, "flagged", "unflagged", "missed", "longest", "late")
    for column in columns:
        table.add_column(column)
    rows: list[dict[str, object]] = []
    for rule, score in RULES.items():
        found = simulate(model, score, patients)
        parts = {p: found.of(classes=[k]) for k, p in enumerate(PRIORITIES)}
        parts |= {"flagged": found.of(classes=[0, 1]), "unflagged": found.of(classes=[2, 3, 4])}
        parts["missed"] = found.of("critical", [2, 3, 4])
        told = {part: (mean(waits), percentile(waits, 0.95)) for part, waits in parts.items()}
        longest, late = max(found.of()), _late(found)
        cells = [f"{middle:.0f} | {end:.0f}" for middle, end in told.values()]
        table.add_row(rule, *cells, f"{longest:.0f}", f"{late:.1%}")
        rows.append({"rule": rule, "waits": told, "longest": longest, "late": late})
    return table, rows


def _late(found: Waits) -> float:
    """Share of all patients that waited longer than their due time."""
    over = sum(w > DUE_MINUTES[k] for (_, k), waits in found.by.items() for w in waits)
    return over / len(found.of())


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    wish = parser.parse_args()
    console = Console(width=200)
    table, rows = qucad(wish.patients)
    console.print(table)
    told: dict[str, object] = {"flag": rows}
    for name, model in scenarios().items():
        table, rows = ageing(name, model, wish.patients)
        console.print(table)
        told[name] = rows
    if wish.json:
        wish.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
