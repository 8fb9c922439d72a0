"""Phantoms of difficulty "phantom-1" as studies to be graded: all is known, for it was drawn."""

from __future__ import annotations

from functools import partial

from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.ports import ImagePolicy
from cxr_node.domain.stages import AnswerKind
from cxr_node.evaluation.items import Item, Opened
from cxr_node.evaluation.phantom_truth import worst
from cxr_node.evaluation.pictures import prepared, reference
from cxr_node.evaluation.truth import StudyTruth
from cxr_node.phantom.make import make_phantom
from cxr_node.phantom.truth import DIFFICULTY, DRAWN, PhantomTruth, PixelBox
from cxr_node.reasoning.boxes import PercentBox
from cxr_node.reasoning.staged import Request
from cxr_node.training import phantom_answers
from cxr_node.training.record_stages import QUESTIONS, Answered
from cxr_node.training.samples import view_of


def phantom_items(
    count: int, first_seed: int, size: int, kind: ReadingKind = ReadingKind.READ
) -> list[Item]:
    """``count`` phantoms of ``size`` pixels, views mixed as in training, none drawn yet."""
    return [
        Item(
            f"{DIFFICULTY}/{seed}",
            {"view": str(view_of(seed))},
            partial(_opened, seed, size, kind),
        )
        for seed in range(first_seed, first_seed + count)
    ]


def _opened(seed: int, size: int, kind: ReadingKind, policy: ImagePolicy) -> Opened:
    phantom = make_phantom(seed, size=size, view=view_of(seed))
    image = prepared(phantom.image, (DIFFICULTY, seed, size), policy)
    asked = [reference(image, str(phantom.view))]
    return Request([image], asked, kind, quality_control=True), study_truth(phantom.truth, size)


def study_truth(truth: PhantomTruth, size: int) -> StudyTruth:
    """What is known of a phantom of ``size`` x ``size`` pixels.

    A square picture fills the model's, so that percent of the one are percent of the other.
    """

    def percent(box: PixelBox) -> PercentBox:
        x0, y0, x1, y1 = (100 * edge / size for edge in box)
        return x0, y0, x1, y1

    said: list[Answered] = [
        *phantom_answers.quality(truth),
        *phantom_answers.findings(truth),
        *phantom_answers.attributes(truth, percent),
        *phantom_answers.relations(truth),
        *phantom_answers.advice(truth),
    ]
    closed = {(one.stage, one.question, one.subject): one.answer for one in said if _closed(one)}
    open_ = {(one.stage, one.question, one.subject): one.answer for one in said if _open(one)}
    boxes = {str(f.kind): (percent(f.box),) for f in truth.findings}
    anatomy = {"heart": truth.heart, "thorax": truth.thorax}
    boxes |= {name: (percent(box),) for name, box in anatomy.items() if box}
    return StudyTruth(
        labels={str(kind): kind in truth.kinds for kind in DRAWN},
        answers=closed,
        texts=open_,
        boxes=boxes,
        ratio=truth.ratio,
        report=f"{truth.findings_text} {truth.impression}",
        groups={
            "quality": worst(list(truth.quality.values())),
            "findings": _how_many(len(truth.findings)),
        },
    )


def _closed(said: Answered) -> bool:
    """A question with options; of findings that are never drawn nothing is asked."""
    if said.question == "presence" and said.subject not in DRAWN:
        return False
    return QUESTIONS[said.stage, said.question].kind is AnswerKind.CLOSED


def _open(said: Answered) -> bool:
    return QUESTIONS[said.stage, said.question].kind is AnswerKind.TEXT


def _how_many(findings: int) -> str:
    return "none" if not findings else "1 or 2" if findings < 3 else "3 and more"
