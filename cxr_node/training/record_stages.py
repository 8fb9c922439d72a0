"""The node's own questions as turns of a dialogue record: task type, question type, target.

The words are the plain ones of ``reasoning/prompts.py``; what each question is called in the
format follows the public sample of CXRTrek (arXiv 2505.23143).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import GRAPH, AnswerKind, Question, StageKey
from cxr_node.reasoning import boxes, prompts
from cxr_node.reasoning.boxes import PercentBox
from cxr_node.reasoning.prompts import Wording
from cxr_node.training.record_boxes import box_answer
from cxr_node.training.records import RecordTurn

IMAGE_MARK = "<image>"
"""Stands once for every picture that is shown from that turn on."""

CLOSED, OPEN, DETECTION = "single-choice", "captioning", "detection"

_S = StageKey
TASKS: Mapping[StageKey, tuple[str, ...]] = MappingProxyType(
    {
        _S.QUALITY_VIEW: ("Quality_Assessment", "View_Information"),
        _S.FINDINGS: ("Findings_Identification",),
        _S.ATTRIBUTES_GROUNDING: (
            "Attributes_Description",
            "Findings_Detection",
            "Phrase_Grounding",
        ),
        _S.RELATIONSHIPS: ("Relationships_Analysis",),
        _S.COMPARISON: ("Differences_Comparison", "Differences_Comparison[Choice]"),
        _S.FUTURE_TREND: ("Future_Trend_Analysis",),
        _S.ADVICE: ("Diagnosis_Advice",),
        _S.REPORT: (
            "Report_Generation[Findings]",
            "Report_Generation[Impression]",
            "Report_Generation[ALL]",
            "Report_Generation[Impression_with_findings]",
            "Report_Generation[Impression_without_findings]",
        ),
    }
)
"""Task types of each stage, in CXRTrek's own words; the first is that of most questions."""

_TASK: dict[tuple[StageKey, str], str] = {
    (_S.QUALITY_VIEW, "projection"): "View_Information",
    (_S.ATTRIBUTES_GROUNDING, "box"): "Findings_Detection",
    (_S.ATTRIBUTES_GROUNDING, "anatomy_box"): "Findings_Detection",
    (_S.COMPARISON, "change"): "Differences_Comparison[Choice]",
    (_S.REPORT, "impression"): "Report_Generation[Impression]",
}
_TARGETS: dict[tuple[StageKey, str], str] = {
    (_S.FINDINGS, "overall"): "yes_no_abnormality",
    (_S.FINDINGS, "other"): "other_abnormalities",
    (_S.ATTRIBUTES_GROUNDING, "side"): "location_[{x}]",
    (_S.ATTRIBUTES_GROUNDING, "zone"): "location_[{x}]",
    (_S.ATTRIBUTES_GROUNDING, "severity"): "severity_[{x}]",
    (_S.ATTRIBUTES_GROUNDING, "position"): "position_[{x}]",
    (_S.ATTRIBUTES_GROUNDING, "box"): "{x}",
    (_S.ATTRIBUTES_GROUNDING, "anatomy_box"): "{x}",
}
QUESTIONS: Mapping[tuple[StageKey, str], Question] = MappingProxyType(
    {(stage.key, question.key): question for stage in GRAPH for question in stage.questions}
)


@dataclass(frozen=True, slots=True)
class Answered:
    """One question of the graph and its answer.

    ``answer`` is the option's key, the text, or for a box ``(x0, y0), (x1, y1)`` in percent.
    """

    stage: StageKey
    question: str
    answer: str
    subject: str = ""

    @classmethod
    def place(cls, question: str, box: Sequence[float] | PercentBox, subject: str) -> Answered:
        """The answer to a question about a place; ``box`` in percent."""
        x0, y0, x1, y1 = box
        words = boxes.box_text((x0, y0, x1, y1))
        return cls(StageKey.ATTRIBUTES_GROUNDING, question, words, subject)


def turns_of(answered: Iterable[Answered]) -> list[RecordTurn]:
    """Answers as turns, in the order given; :func:`shown` adds the pictures."""
    return [turn_of(said) for said in answered]


def shown(turns: Iterable[RecordTurn], images: int, earlier: int = 0) -> list[RecordTurn]:
    """Turns with their pictures: a mark for each where it is first shown, and the count so far.

    The ``images`` of the study are shown at the first turn, the ``earlier`` ones when
    comparison starts.
    """
    found: list[RecordTurn] = []
    waiting, later, count = images, earlier, 0
    for turn in turns:
        if turn.stage == StageKey.COMPARISON.number:
            waiting, later = waiting + later, 0
        count += waiting
        question = IMAGE_MARK * waiting + turn.question
        found.append(
            RecordTurn({**turn.document, "image_input_count": count, "question": question})
        )
        waiting = 0
    return found


def turn_of(said: Answered) -> RecordTurn:
    """One turn before any picture."""
    question = QUESTIONS[said.stage, said.question]
    words = prompts.question_words(Wording.PLAIN, said.stage, question, said.subject)
    task = _TASK.get((said.stage, said.question), TASKS[said.stage][0])
    more: dict[str, object] = {
        "node_key": "/".join(filter(None, (said.stage, said.question, said.subject)))
    }
    if target := _target(said):
        more["target"] = target
    if question.kind is AnswerKind.CLOSED:
        options = [option_words(option) for option in question.options]
        more["option_list"] = options
        return plain_turn(said.stage, task, CLOSED, words, option_words(said.answer), **more)
    if question.kind is AnswerKind.BOX:
        corners = boxes.box(said.answer)
        more |= {"bbox_list": [list(corners)], "image_id": 1}
        answer = box_answer(_name(said.subject), corners)
        return plain_turn(said.stage, task, DETECTION, words, answer, **more)
    return plain_turn(said.stage, task, OPEN, words, said.answer, **more)


def plain_turn(
    stage: StageKey, task: str, qtype: str, question: str, answer: str, **more: object
) -> RecordTurn:
    """A turn in the format's own words, before any picture; ``more`` are optional fields."""
    return RecordTurn(
        {
            "stage": stage.number,
            "task_type": task,
            "qtype": qtype,
            "image_input_count": 0,
            "question": question,
            "answer": answer,
            **more,
        }
    )


def option_words(option: str) -> str:
    """An option as it stands in a record."""
    return prompts.option_words(Wording.PLAIN, option)


def answered_of(turn: RecordTurn) -> Answered | None:
    """The question of the graph that a turn of ours asks, with its answer; None for any other.

    The inverse of :func:`turn_of`, for closed and open questions.
    """
    stage, _, rest = str(turn.document.get("node_key", "")).partition("/")
    key, _, subject = rest.partition("/")
    question = QUESTIONS.get((StageKey(stage), key)) if stage in list(StageKey) else None
    if question is None:
        return None
    answer: str | None = turn.answer
    if question.kind is AnswerKind.CLOSED:
        answer = prompts.option_key(Wording.PLAIN, question, turn.answer)
    return None if answer is None else Answered(StageKey(stage), key, answer, subject)


def _target(said: Answered) -> str:
    if (said.stage, said.question) == (StageKey.FINDINGS, "presence"):
        kind = FindingKind(said.subject)
        return f"{'foreign_body' if kind.is_device else 'abnormality'}_[{_name(kind)}]"
    form = _TARGETS.get((said.stage, said.question), "")
    return form.format(x=_name(said.subject)) if form else ""


def _name(subject: str) -> str:
    return prompts.subject_words(Wording.PLAIN, subject) if subject else ""
