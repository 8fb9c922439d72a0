"""Chains over a whole file of dialogue records: drawn, mined, and written as records again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.labels import SUPPORT_DEVICES
from cxr_node.reasoning.prompts import REASON_ALOUD
from cxr_node.reasoning.tags import with_tags
from cxr_node.training.chain_labels import Labelled, labelled
from cxr_node.training.chain_prompts import TextModel
from cxr_node.training.chain_reports import (
    EARLIER,
    Report,
    as_report,
    joined,
    report_sections_of,
)
from cxr_node.training.chain_tasks import Sampling, Task, TaskKind, draw
from cxr_node.training.chain_topics import TOPICS
from cxr_node.training.chains import NOT_MENTIONED, Chain, Dropped, mine, statuses
from cxr_node.training.record_files import read_records
from cxr_node.training.record_stages import CLOSED, IMAGE_MARK, OPEN, TASKS
from cxr_node.training.records import Ident, Record, RecordTurn, new_record

_QTYPES = {TaskKind.MULTIPLE: "multi-choice", TaskKind.LISTED: OPEN}
NO_EARLIER_REPORT = "the earlier report is not in the file"


def mined_records(
    path: Path,
    model: TextModel,
    rules: Sampling,
    dropped: Dropped,
    *,
    drawn: Callable[[int], None] = lambda _: None,
    done: Callable[[int], None] = lambda _: None,
) -> Iterator[Record]:
    """One record for every chain that can be mined from the records of ``path``.

    The file is read three times and never held: for labels, for earlier reports, for the
    chains. ``drawn`` is told how many questions there are, ``done`` how many were tried.
    """
    found = _index(path)
    tasks = draw(list(found.values()), rules)
    drawn(sum(map(len, tasks.values())))
    earlier = _earlier_reports(path, found, tasks)
    tried = 0
    for number, record in enumerate(read_records(path), start=1):
        for task in tasks.get(number, ()):
            report = _report(task, record, found[number], earlier)
            if report is None:
                dropped.chains[NO_EARLIER_REPORT] += 1
            elif chain := mine(task, report, model, dropped):
                yield chain_record(record, chain)
            tried += 1
            done(tried)


def _index(path: Path) -> dict[int, Labelled]:
    named = ((n, labelled(record, n)) for n, record in enumerate(read_records(path), start=1))
    return {number: one for number, one in named if one is not None}


def _earlier_reports(
    path: Path, found: dict[int, Labelled], tasks: dict[int, list[Task]]
) -> dict[Ident, dict[str, str]]:
    wanted = {
        found[number].reference
        for number, theirs in tasks.items()
        if any(task.kind is TaskKind.TEMPORAL for task in theirs)
    } - {None}
    if not wanted:
        return {}
    return {
        record.study: sections
        for record in read_records(path)
        if record.study in wanted and (sections := report_sections_of(record))
    }


def _report(
    task: Task, record: Record, known: Labelled, earlier: dict[Ident, dict[str, str]]
) -> Report | None:
    current = as_report(report_sections_of(record))
    if task.kind is not TaskKind.TEMPORAL:
        return current
    sections = earlier.get(known.reference)
    return joined(current, as_report(sections, EARLIER)) if sections else None


def chain_record(record: Record, chain: Chain) -> Record:
    """A chain as a record of one turn, in the form ChestX-Reasoner is taught.

    Pictures stand in the order they are shown: of a comparison the earlier one first. The
    turn's extra field ``chain`` holds where every step came from and the key findings.
    """
    task = chain.task
    own, earlier = _pictures(record)
    images = [*earlier, *own] if task.kind is TaskKind.TEMPORAL else own
    stage = StageKey.COMPARISON if task.kind is TaskKind.TEMPORAL else StageKey.FINDINGS
    document = {
        "stage": stage.number,
        "task_type": TASKS[stage][-1],
        "qtype": _QTYPES.get(task.kind, CLOSED),
        "image_input_count": len(images),
        "question": f"{IMAGE_MARK * len(images)}{task.asked}\n{REASON_ALOUD}",
        "answer": with_tags(chain.thoughts, task.answer),
        "chain": _provenance(chain),
    }
    return new_record(
        [RecordTurn(document)],
        source=record.source,
        patient=record.patient,
        study=record.study,
        images=images,
        reference_study=record.reference_study if task.kind is TaskKind.TEMPORAL else None,
    )


def _pictures(record: Record) -> tuple[list[str], list[str]]:
    """Pictures of the study itself and of the earlier one."""
    shown = record.turns[0].image_input_count
    return list(record.images[:shown]), list(record.images[shown:])


def _provenance(chain: Chain) -> dict[str, object]:
    task = chain.task
    return {
        "task": task.kind.value,
        "labels": list(task.labels),
        "positives": list(task.positives),
        "options": list(task.options),
        "answer": task.answer,
        "steps": [
            {
                "text": step.text,
                "finding": _key(step.label),
                "status": step.status.value,
                "source": NOT_MENTIONED if step.source is None else asdict(step.source),
            }
            for step in chain.steps
        ],
        "conclusion": chain.conclusion,
        "key_findings": [
            {"finding": _key(label), "status": status} for label, status in statuses(chain)
        ],
    }


def _key(label: str) -> str:
    """The finding's own key; of the group of devices its label's."""
    kinds: tuple[FindingKind, ...] = TOPICS[label].kinds
    return kinds[0].value if len(kinds) == 1 else SUPPORT_DEVICES.lower().replace(" ", "_")
