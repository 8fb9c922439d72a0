"""Two models against each other: cells, kappa, and the studies on which they differ."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from rich.console import Console

from cxr_node.domain.findings import Finding, FindingKind, Presence, Reading
from cxr_node.entry.shadow_tables import as_json, comparisons, print_comparisons
from cxr_node.services.agreement import Cell, Table, agreement, tables
from cxr_node.store.shadows import Compared
from tests.readings import finding, sample_reading

EDEMA, PORT = FindingKind.EDEMA, FindingKind.PORT


def reading(digest: str = "a", **probabilities: float | None) -> Reading:
    """A reading that says only this, by finding key."""
    said = tuple(finding(FindingKind(k), p) for k, p in probabilities.items())
    base = sample_reading()
    return replace(base, findings=said, model=replace(base.model, digest=digest * 64))


def pair(first: float | None, second: float | None) -> dict[str, object]:
    return agreement(reading("a", edema=first), reading("b", edema=second))


def table(*pairs: tuple[float | None, float | None]) -> Table:
    found = {t.finding: t for t in tables(pair(*p) for p in pairs)}
    return found[EDEMA]


def test_each_pair_falls_into_one_cell() -> None:
    found = table((0.9, 0.8), (0.9, 0.1), (0.2, 0.7), (0.1, 0.1), (0.1, 0.2))
    assert found.counts == {Cell.BOTH: 1, Cell.FIRST: 1, Cell.SECOND: 1, Cell.NEITHER: 2}
    assert found.studies == 5


def test_what_one_did_not_assess_is_not_counted() -> None:
    assert table((None, 0.9), (0.9, None), (None, None)).studies == 0
    assert pair(None, 0.9)["compared"] == 0


def test_uncertain_is_not_held_present() -> None:
    unsure = Finding(EDEMA, Presence.UNCERTAIN, 0.5, 0.5)
    said = agreement(replace(reading(), findings=(unsure,)), reading("b", edema=0.9))
    assert said["findings"]["edema"]["cell"] == Cell.SECOND
    assert said["disagreed"] == 1


def test_kappa_of_a_worked_example() -> None:
    """20 both, 5 only first, 10 only second, 15 neither: observed 0.7, by chance 0.5."""
    counts = {Cell.BOTH: 20, Cell.FIRST: 5, Cell.SECOND: 10, Cell.NEITHER: 15}
    assert Table(EDEMA, counts).kappa == pytest.approx(0.4)


def test_kappa_at_its_ends() -> None:
    assert table((0.9, 0.9), (0.1, 0.1)).kappa == 1.0
    assert table((0.9, 0.1), (0.1, 0.9)).kappa == -1.0
    assert table((0.1, 0.1), (0.2, 0.1)).kappa is None  # chance alone agrees
    assert table().kappa is None


def test_kappa_of_independent_answers_is_near_nothing() -> None:
    dice = random.Random(7)
    found = table(*((dice.random(), dice.random()) for _ in range(1000)))
    assert found.kappa == pytest.approx(0.0, abs=0.1)


def study(number: int, first: Reading, second: Reading, revision: int = 1) -> Compared:
    return Compared(f"1.2.3.{number}", revision, agreement(first, second))


def test_those_that_differ_most_come_first_and_by_newest_revision() -> None:
    calm = reading("b", edema=0.1, port=0.1)
    found = comparisons(
        [
            study(1, reading(edema=0.9, port=0.9), calm),
            study(2, reading(edema=0.6, port=0.1), calm),
            study(3, reading(edema=0.95, port=0.1), calm),
            study(4, reading(edema=0.1, port=0.1), calm),
            study(5, reading(edema=0.9, port=0.9), calm),
            study(5, reading(edema=0.1, port=0.1), calm, revision=2),
        ]
    )
    (one,) = found
    assert len(one.studies) == 5
    assert [s.study_uid for s in one.most_different] == ["1.2.3.1", "1.2.3.3", "1.2.3.2"]
    assert {t.finding: t.counts[Cell.FIRST] for t in one.tables}[EDEMA] == 3


def test_pairs_of_models_are_kept_apart() -> None:
    said = {"edema": 0.9}
    found = comparisons(
        [
            study(1, reading("a", **said), reading("b", **said)),
            study(1, reading("a", **said), reading("c", **said)),
        ]
    )
    assert [c.second["digest"][0] for c in found] == ["b", "c"]


def test_what_is_printed() -> None:
    console = Console(record=True, width=160)
    found = comparisons([study(1, reading(edema=0.9), reading("b", edema=0.1, port=0.9))])
    print_comparisons(found, console)
    printed = console.export_text()
    assert "1.2.3.1: edema only first" in printed
    assert "kappa" in printed
    document = json.loads(as_json(found))
    (one,) = document["comparisons"]
    rows = {row["finding"]: row for row in one["findings"]}
    assert rows["edema"]["only_first"] == 1
    assert rows["port"]["n"] == 0
    assert one["most_different"][0]["study_uid"] == "1.2.3.1"


def test_nothing_to_print_is_said() -> None:
    console = Console(record=True, width=160)
    print_comparisons([], console)
    assert "no study was read by a second model" in console.export_text()
    assert json.loads(as_json([])) == {"comparisons": []}
