"""What a file of dialogue records holds, by stage and question type, and what is odd in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cxr_node.domain.stages import StageKey
from cxr_node.training.record_boxes import boxes_in, unread_boxes
from cxr_node.training.record_stages import DETECTION, TASKS
from cxr_node.training.records import Record, RecordTurn

_QTYPE = re.compile(r"yes_no|single-choice|multi-choice(?:-[2-6])?|captioning|detection")


@dataclass(slots=True)
class StageCounts:
    """One stage: question types, answer length, and in how many dialogues it occurs."""

    qtypes: Counter[str] = field(default_factory=Counter)
    words: int = 0
    dialogues: int = 0

    @property
    def turns(self) -> int:
        return self.qtypes.total()

    @property
    def mean_words(self) -> float:
        return self.words / self.turns if self.turns else 0.0


@dataclass(slots=True)
class RecordCounts:
    """Counts over a file; :meth:`add` every record."""

    dialogues: int = 0
    longest: int = 0
    with_reference: int = 0
    stages: dict[int, StageCounts] = field(
        default_factory=lambda: {stage.number: StageCounts() for stage in StageKey}
    )
    sources: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    oddities: Counter[str] = field(default_factory=Counter)
    """What departs from the format's vocabulary, and how often."""
    first_seen: dict[str, int] = field(default_factory=dict)
    """Number of the record, from 1, in which each oddity stands first."""

    @property
    def turns(self) -> int:
        return sum(stage.turns for stage in self.stages.values())

    def add(self, record: Record) -> None:
        self.dialogues += 1
        self.longest = max(self.longest, len(record.turns))
        self.with_reference += record.reference_study is not None
        self.sources[record.source] += 1
        for turn in record.turns:
            stage = self.stages[turn.stage]
            stage.qtypes[turn.qtype] += 1
            stage.words += len(turn.answer.split())
            self.tasks[turn.task_type] += 1
        for number in {turn.stage for turn in record.turns}:
            self.stages[number].dialogues += 1
        for words in oddities(record):
            self.oddities[words] += 1
            self.first_seen.setdefault(words, self.dialogues)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "dialogues": self.dialogues,
            "turns": self.turns,
            "mean_turns": round(self.turns / self.dialogues, 2) if self.dialogues else 0.0,
            "longest": self.longest,
            "with_reference": self.with_reference,
            "sources": dict(self.sources),
            "task_types": dict(self.tasks),
            "stages": {
                str(number): {
                    "turns": stage.turns,
                    "dialogues": stage.dialogues,
                    "mean_words": round(stage.mean_words, 1),
                    "qtypes": dict(stage.qtypes),
                }
                for number, stage in self.stages.items()
            },
            "oddities": dict(self.oddities),
        }


def oddities(record: Record) -> Iterator[str]:
    """What in a well-formed record is not as the format's public sample has it."""
    if not record.turns:
        yield "a dialogue without turns"
    stages = {turn.stage for turn in record.turns}
    if StageKey.COMPARISON.number in stages and record.reference_study is None:
        yield "stage 5 without ref_study_id"
    for turn in record.turns:
        yield from _turn_oddities(turn, len(record.images))


def _turn_oddities(turn: RecordTurn, images: int) -> Iterator[str]:
    stage = list(StageKey)[turn.stage - 1]
    if turn.task_type not in TASKS[stage]:
        known = any(turn.task_type in tasks for tasks in TASKS.values())
        yield f"task_type {'of another stage' if known else 'unknown'}: {turn.task_type[:60]}"
    if not _QTYPE.fullmatch(turn.qtype):
        yield f"qtype unknown: {turn.qtype[:60]}"
    if turn.image_input_count > images:
        yield "image_input_count above the number of pictures"
    found = boxes_in(turn.answer)
    if unread_boxes(turn.answer) or not all(box.sound for box in found):
        yield "a box that is no box in percent"
    if turn.qtype == DETECTION and not found:
        yield "a detection answer without a box"
    if turn.options and turn.qtype == "single-choice" and turn.answer not in turn.options:
        yield "an answer that is none of its options"
