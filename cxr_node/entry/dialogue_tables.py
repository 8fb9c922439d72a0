"""Counts of dialogue records for the terminal."""

from __future__ import annotations

from collections import Counter

from rich.markup import escape
from rich.table import Table

from cxr_node.domain.stages import StageKey
from cxr_node.training.record_counts import RecordCounts


def summary(counts: RecordCounts) -> str:
    """One line over the whole file."""
    mean = counts.turns / counts.dialogues if counts.dialogues else 0.0
    return (
        f"{counts.dialogues} dialogues, {counts.turns} questions, {mean:.2f} a dialogue, "
        f"at most {counts.longest}; {counts.with_reference} with an earlier study"
    )


def stage_table(counts: RecordCounts) -> Table:
    """Per stage: questions, dialogues that have it, answer length, question types."""
    table = Table("#", "stage", "questions", "in dialogues", "words", "question types")
    for stage in StageKey:
        found = counts.stages[stage.number]
        mix = ", ".join(f"{escape(name)} {n}" for name, n in found.qtypes.most_common())
        table.add_row(
            str(stage.number),
            stage.value,
            str(found.turns),
            f"{found.dialogues}/{counts.dialogues}",
            f"{found.mean_words:.1f}",
            mix,
        )
    return table


def counter_table(title: str, found: Counter[str]) -> Table:
    """Names and how often each occurs, the commonest first."""
    table = Table(title, "count")
    for name, count in found.most_common():
        table.add_row(escape(name) or "(none)", str(count))
    return table


def oddity_table(counts: RecordCounts) -> Table:
    """What departs from the format's vocabulary, how often, and where first."""
    table = Table("odd", "count", "first in record")
    for words, count in counts.oddities.most_common():
        table.add_row(escape(words), str(count), str(counts.first_seen[words]))
    return table
