"""What a second model said against the first, in a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as ConsoleTable

from cxr_node.services.agreement import Cell, Table, tables
from cxr_node.store.shadows import Compared

_MOST_STUDIES = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """All studies that one pair of models read."""

    first: dict[str, str]
    second: dict[str, str]
    studies: tuple[Compared, ...]

    @property
    def tables(self) -> list[Table]:
        return tables(study.agreement for study in self.studies)

    @property
    def most_different(self) -> list[Compared]:
        """Studies on which they disagree: most findings first, then farthest apart."""
        apart = [study for study in self.studies if study.agreement["disagreed"]]
        apart.sort(key=lambda s: (s.agreement["disagreed"], s.agreement["distance"]), reverse=True)
        return apart[:_MOST_STUDIES]


def comparisons(found: Sequence[Compared]) -> list[Comparison]:
    """One comparison for each pair of models; of a study only its newest revision counts."""
    pairs: dict[tuple[str, str], dict[str, Compared]] = {}
    for study in found:
        agreement = study.agreement
        pair = (agreement["first"]["digest"], agreement["second"]["digest"])
        pairs.setdefault(pair, {})[study.study_uid] = study
    made = []
    for studies in pairs.values():
        newest = tuple(studies.values())
        last = newest[-1].agreement
        made.append(Comparison(last["first"], last["second"], newest))
    return made


def print_comparisons(found: Sequence[Comparison], console: Console) -> None:
    """Tables for a person."""
    if not found:
        console.print("no study was read by a second model (see shadow.path)")
    for comparison in found:
        title = f"first {_named(comparison.first)}; second {_named(comparison.second)}"
        console.print(f"{title}; {len(comparison.studies)} studies", markup=False)
        console.print(_console_table(comparison.tables))
        for study in comparison.most_different:
            console.print(_line(study), markup=False, highlight=False, soft_wrap=True)


def _console_table(made: Sequence[Table]) -> ConsoleTable:
    shown = ConsoleTable("finding", "n", *Cell, "kappa")
    for table in made:
        kappa = "-" if table.kappa is None else f"{table.kappa:.2f}"
        counts = (str(table.counts[cell]) for cell in Cell)
        shown.add_row(table.finding.value, str(table.studies), *counts, kappa)
    return shown


def _named(model: dict[str, str]) -> str:
    return f"{model['name']} {model['version']} ({model['digest'][:12]})"


def _line(study: Compared) -> str:
    return f"{study.study_uid}: {', '.join(_differences(study.agreement))}"


def _differences(agreement: dict[str, Any]) -> Iterator[str]:
    for kind, values in agreement["findings"].items():
        if values["cell"] in (Cell.FIRST, Cell.SECOND):
            yield f"{kind} {values['cell']}"


def as_json(found: Sequence[Comparison]) -> str:
    """The same for a program."""
    document = [
        {
            "first": comparison.first,
            "second": comparison.second,
            "studies": len(comparison.studies),
            "findings": [
                {
                    "finding": table.finding.value,
                    "n": table.studies,
                    **{cell.value.replace(" ", "_"): table.counts[cell] for cell in Cell},
                    "kappa": table.kappa,
                }
                for table in comparison.tables
            ],
            "most_different": [
                {"study_uid": study.study_uid, "revision": study.revision, **study.agreement}
                for study in comparison.most_different
            ],
        }
        for comparison in found
    ]
    return json.dumps({"comparisons": document}, indent=1)
