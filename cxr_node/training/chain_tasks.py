"""Which questions chains are mined for: the tasks of RadRBench-CXR, drawn by its rules.

arXiv 2504.20930: for each disease as many positive as negative yes-or-no questions, single
choice against three random negatives, lists with and without options, and the course between
two studies. The draw is seeded and does not depend on the other findings in the file.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning import prompts
from cxr_node.reasoning.labels import LABELS
from cxr_node.reasoning.prompts import LETTERS, Wording
from cxr_node.training.chain_labels import Labelled
from cxr_node.training.chain_topics import OF_KIND, TOPICS
from cxr_node.training.record_stages import QUESTIONS

SINGLE_QUESTION = "Which of these findings does this chest X-ray show?"
MULTIPLE_QUESTION = f"{SINGLE_QUESTION} Name all that apply."
LISTED_QUESTION = "Which findings does this chest X-ray show?"
_LEFT_OUT = "Pleural Other"
"""The published benchmark does not ask for it."""
_COURSES = ("stable", "worsened", "improved")
_MOST_OPTIONS = 6


class TaskKind(StrEnum):
    """How a question may be answered."""

    BINARY = "binary"
    SINGLE = "single"
    MULTIPLE = "multiple"
    LISTED = "listed"
    TEMPORAL = "temporal"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many questions are drawn. ``negatives`` are the other options of a single choice."""

    each: int = 200
    """Positive, and as many negative, yes-or-no questions of each finding."""
    single: int = 400
    multiple: int = 400
    listed: int = 400
    temporal: int = 400
    negatives: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """One question with its answer; ``labels`` are all it asks about, ``positives`` the true."""

    kind: TaskKind
    record: int
    """Number of the record, from 1."""
    labels: tuple[str, ...]
    positives: tuple[str, ...]
    question: str
    options: tuple[str, ...] = ()
    answer: str = ""
    """The option's letter, several letters, or the labels where nothing is offered."""
    course: str = ""
    """Of TEMPORAL: stable, worsened or improved."""

    @property
    def asked(self) -> str:
        """The question with its options, as ChestX-Reasoner was taught them."""
        return prompts.lettered(self.question, self.options) if self.options else self.question


def draw(found: Sequence[Labelled], rules: Sampling) -> dict[int, list[Task]]:
    """The questions of every record, by its number."""
    chosen: dict[int, list[Task]] = {}
    for task in _all(found, rules):
        chosen.setdefault(task.record, []).append(task)
    return chosen


def _all(found: Sequence[Labelled], rules: Sampling) -> Iterator[Task]:
    for kind in FindingKind:
        if OF_KIND[kind].label != _LEFT_OUT:
            yield from _binary(found, kind, rules)
    for label in LABELS:
        if label != _LEFT_OUT:
            yield from _single(found, label, rules)
    yield from _multiple(found, rules)
    yield from _listed(found, rules)
    yield from _temporal(found, rules)


def _rng(rules: Sampling, *names: str) -> random.Random:
    return random.Random("/".join((str(rules.seed), *names)))  # noqa: S311 - a draw, no secret


def _some(rng: random.Random, found: Iterable[Labelled], count: int) -> list[Labelled]:
    """At most ``count``, drawn, in the order of the file."""
    everything = list(found)
    drawn = rng.sample(everything, min(count, len(everything)))
    return sorted(drawn, key=lambda one: one.record)


def _binary(found: Sequence[Labelled], kind: FindingKind, rules: Sampling) -> Iterator[Task]:
    label = OF_KIND[kind].label
    rng = _rng(rules, "binary", label)
    true = [one for one in found if one.said.get(label) is Presence.PRESENT]
    false = [one for one in found if one.said.get(label) is Presence.ABSENT]
    count = min(len(true), len(false), rules.each)
    question = QUESTIONS[StageKey.FINDINGS, "presence"]
    words = prompts.question_words(Wording.CHESTX, StageKey.FINDINGS, question, kind)
    offered = prompts.offered(Wording.CHESTX, question)
    options = tuple(prompts.option_words(Wording.CHESTX, option) for option in offered)
    for group, answer in ((true, Presence.PRESENT), (false, Presence.ABSENT)):
        positives = (label,) if answer is Presence.PRESENT else ()
        letter = LETTERS[offered.index(answer)]
        for one in _some(rng, group, count):
            yield Task(TaskKind.BINARY, one.record, (label,), positives, words, options, letter)


def _single(found: Sequence[Labelled], label: str, rules: Sampling) -> Iterator[Task]:
    rng = _rng(rules, "single", label)
    able = [
        one
        for one in found
        if one.said.get(label) is Presence.PRESENT and len(_absent(one)) >= rules.negatives
    ]
    for one in _some(rng, able, rules.single):
        options = [label, *rng.sample(_absent(one), rules.negatives)]
        rng.shuffle(options)
        yield _choice(TaskKind.SINGLE, one, options, (label,), SINGLE_QUESTION)


def _multiple(found: Sequence[Labelled], rules: Sampling) -> Iterator[Task]:
    rng = _rng(rules, "multiple")
    able = [one for one in found if _present(one) and _absent(one)]
    for one in _some(rng, able, rules.multiple):
        positives = _present(one)[: _MOST_OPTIONS - 1]
        room = min(len(_absent(one)), _MOST_OPTIONS - len(positives))
        options = [*positives, *rng.sample(_absent(one), room)]
        rng.shuffle(options)
        yield _choice(TaskKind.MULTIPLE, one, options, positives, MULTIPLE_QUESTION)


def _listed(found: Sequence[Labelled], rules: Sampling) -> Iterator[Task]:
    able = [one for one in found if _positives(one)]
    for one in _some(_rng(rules, "listed"), able, rules.listed):
        positives = _positives(one)
        labels = tuple(label for label in LABELS if label in one.said)
        words = ", ".join(positives)
        yield Task(TaskKind.LISTED, one.record, labels, positives, LISTED_QUESTION, answer=words)


def _temporal(found: Sequence[Labelled], rules: Sampling) -> Iterator[Task]:
    question = QUESTIONS[StageKey.COMPARISON, "change"]
    options = tuple(prompts.option_words(Wording.CHESTX, course) for course in _COURSES)
    pairs = [
        (one, kind, course)
        for one in found
        for kind, course in one.courses.items()
        if course in _COURSES and not kind.is_device
    ]
    rng = _rng(rules, "temporal")
    for one, kind, course in rng.sample(pairs, min(len(pairs), rules.temporal)):
        label = OF_KIND[kind].label
        words = prompts.question_words(Wording.CHESTX, StageKey.COMPARISON, question, kind)
        letter = LETTERS[_COURSES.index(course)]
        yield Task(
            *(TaskKind.TEMPORAL, one.record, (label,), (label,)),
            *(words, options, letter, course),
        )


def _choice(
    kind: TaskKind, one: Labelled, options: Sequence[str], positives: Sequence[str], words: str
) -> Task:
    letters = [LETTERS[n] for n, option in enumerate(options) if option in positives]
    labels = tuple(options)
    return Task(kind, one.record, labels, tuple(positives), words, labels, ", ".join(letters))


def _known(one: Labelled) -> Mapping[str, Presence]:
    """CheXpert's labels that can be asked for; devices only as their group."""
    return {
        label: one.said[label]
        for label in LABELS
        if label in one.said and label != _LEFT_OUT and label in TOPICS
    }


def _present(one: Labelled) -> tuple[str, ...]:
    return tuple(label for label, said in _known(one).items() if said is Presence.PRESENT)


def _absent(one: Labelled) -> list[str]:
    return [label for label, said in _known(one).items() if said is Presence.ABSENT]


def _positives(one: Labelled) -> tuple[str, ...]:
    """All true labels in CheXpert's order, or nothing where one of them is in doubt."""
    if any(said is Presence.UNCERTAIN for said in one.said.values()):
        return ()
    present = {label for label, said in one.said.items() if said is Presence.PRESENT}
    return tuple(label for label in LABELS if label in present)
