"""Questions with rule-mined chains over stored phantoms, to be taught, reinforced and judged."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.errors import AnswerRefused
from cxr_node.evaluation.cases import AnswerCase, Case, TextCase
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.tags import read_tags
from cxr_node.training.chain_records import mined_records
from cxr_node.training.chain_reports import report_sections_of
from cxr_node.training.chain_rules import RuleModel
from cxr_node.training.chain_tasks import Sampling
from cxr_node.training.chains import Dropped
from cxr_node.training.grpo_questions import Question, QuestionCase, Recipe, questions
from cxr_node.training.phantom_folder import answered_stages
from cxr_node.training.recipe.reinforce import stored_picture
from cxr_node.training.recipe.samples import read_chunk
from cxr_node.training.record_files import write_records
from cxr_node.training.record_stages import shown, turns_of
from cxr_node.training.records import Record, new_record


@dataclass(frozen=True, slots=True)
class Asked:
    """One yes-or-no question about one phantom, with its chain and its report."""

    study: str
    question: Question
    target: str
    """What is taught: thoughts and answer in tags."""
    report: str
    picture: NDArray[np.uint8]

    @property
    def label(self) -> str:
        """What is asked about, for the table of answers."""
        return self.question.prompt.partition("?")[0].removeprefix("Does this chest X-ray show ")

    def case(self) -> QuestionCase:
        return QuestionCase(self.question, (stored_picture(self.picture, self.study),))


def mined(folder: Path, chunks: Sequence[int], each: int, seed: int) -> list[Asked]:
    """At most ``each`` true and as many false questions of each finding, in random order."""
    pictures: dict[str, NDArray[np.uint8]] = {}
    reports: dict[str, str] = {}

    def records() -> Iterator[Record]:
        for number in chunks:
            chunk = read_chunk(folder / f"chunk-{number:04d}.npz")
            for row, told in enumerate(chunk.truth):
                study = f"{folder.name}-{number}-{row}"
                stages = answered_stages(json.loads(told)["stages"])
                record = new_record(
                    shown(turns_of(stages), 1),
                    source="stored phantoms",
                    patient=None,
                    study=study,
                    images=[study],
                )
                pictures[study] = chunk.image[row]
                reports[study] = " ".join(report_sections_of(record).values())
                yield record

    rules = Sampling(each=each, single=0, multiple=0, listed=0, temporal=0, seed=seed)
    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside) / "records.jsonl"
        write_records(path, records())
        found = list(mined_records(path, RuleModel(), rules, Dropped()))
    asked = []
    for record in found:
        study, (turn,) = str(record.study), record.turns
        (question,) = questions(record, study, Recipe.PROCESS, Profile())
        asked.append(Asked(study, question, turn.answer, reports[study], pictures[study]))
    order = np.random.default_rng(seed).permutation(len(asked))
    return [asked[place] for place in order]


def graded(asked: Sequence[Asked], said: Sequence[str]) -> list[Case]:
    """One case a study, in the order of their names: answers and chains of its questions."""
    rows: dict[str, list[tuple[Asked, str]]] = {}
    for one, text in zip(asked, said, strict=True):
        rows.setdefault(one.study, []).append((one, text))
    return [_case(study, rows[study]) for study in sorted(rows)]


def _case(study: str, rows: Sequence[tuple[Asked, str]]) -> Case:
    answers, texts = [], []
    for one, text in rows:
        try:
            tagged = read_tags(text)
            thoughts, answer = tagged.thoughts, tagged.answer
        except AnswerRefused:
            thoughts, answer = text.partition("</think>")[0].replace("<think>", " "), ""
        answers.append(
            AnswerCase(
                stage=2,
                question="chain",
                subject=one.label,
                expected=one.question.reference,
                given=answer,
            )
        )
        texts.append(
            TextCase(
                stage=2,
                question="chain",
                reference=read_tags(one.target).thoughts,
                said=thoughts,
                report=one.report,
                chain=True,
            )
        )
    return Case(key=study, answers=tuple(answers), texts=tuple(texts), asked=len(rows))
