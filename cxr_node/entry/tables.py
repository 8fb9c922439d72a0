"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from cxr_node.domain.worklist import WorklistEntry

PRIORITY_STYLE = {"STAT": "bold red", "HIGH": "bold yellow", "MEDIUM": "yellow"}


def worklist_table(entries: Sequence[WorklistEntry]) -> Table:
    """As the list is ordered."""
    table = Table("priority", "state", "study", "view", "findings", "why")
    for entry in entries:
        table.add_row(
            entry.priority.value,
            entry.visible.value,
            entry.study.study_uid.text,
            entry.view,
            ", ".join(entry.findings),
            entry.words or entry.priority_words,
            style=PRIORITY_STYLE.get(entry.priority.value, ""),
        )
    return table
