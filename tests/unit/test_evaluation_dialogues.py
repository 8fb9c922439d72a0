"""Dialogue records with predictions: options, boxes, labels and reasoning are graded exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import Presence
from cxr_node.evaluation.dialogues import dialogue_cases, graded
from cxr_node.training.records import checked

SIDES = ["right", "left", "both sides"]
REPORT = "There is a right pneumothorax. No effusion."


def turn(
    qtype: str, answer: str, prediction: str | None, stage: int = 3, **more: Any
) -> dict[str, Any]:
    return {
        "stage": stage,
        "task_type": "Attributes_Description",
        "qtype": qtype,
        "image_input_count": 1,
        "question": "What?",
        "answer": answer,
        **({} if prediction is None else {"prediction": prediction}),
        **more,
    }


def record(*turns: dict[str, Any]) -> dict[str, Any]:
    return {"study_id": "s1", "source": "made up", "image": ["a.png"], "content": list(turns)}


def grade(*turns: dict[str, Any]) -> Any:
    return graded(checked(record(*turns)), "file/1")


@pytest.mark.parametrize(
    ("answer", "prediction", "given"),
    [
        ("right", "right", "right"),
        ("right", " Right. ", "right"),
        ("right", "A", "right"),
        ("right", "(b)", "left"),
        ("right", "B) left", "left"),
        ("right", "A) left", ""),
        ("right", "right lung", ""),
        ("right", "the right or the left", ""),
        ("right", "", ""),
        ("right", "<think>hm</think> <answer>left</answer>", "left"),
        ("right", "<think>right</think><answer>left", ""),
        ("right", "<answer>left</answer><answer>right</answer>", ""),
        ("right", "Z", ""),
    ],
)
def test_one_option_is_meant_or_none(answer: str, prediction: str, given: str) -> None:
    (graded_answer,) = grade(turn("single-choice", answer, prediction, option_list=SIDES)).answers
    assert (graded_answer.expected, graded_answer.given) == ("right", given)


@pytest.mark.parametrize(
    ("prediction", "given"),
    [
        ("left, right", "right, left"),
        ("A, B", "right, left"),
        ("right", "right"),
        ("right, above", ""),
        ("both sides\nleft", "left, both sides"),
    ],
)
def test_several_options_are_a_set(prediction: str, given: str) -> None:
    (found,) = grade(turn("multi-choice-2", "right, left", prediction, option_list=SIDES)).answers
    assert (found.expected, found.given) == ("right, left", given)


def test_yes_and_no_are_answers_and_labels() -> None:
    asked = [
        turn("yes_no", "Yes.", "Yes, there is one.", 2, target="abnormality_[pneumothorax]"),
        turn("yes_no", "No", "perhaps", 2, target="abnormality_[pleural effusion]"),
        turn("yes_no", "No", "yes", 2, target="foreign_body_[pacemaker]"),
        turn("yes_no", "No", "no", 2, target="abnormality_[hiatal hernia]"),
    ]
    case = grade(*asked)
    assert [a.given for a in case.answers] == ["yes", "", "yes", "no"]
    assert [(x.label, x.truth, x.called) for x in case.labels] == [
        ("pneumothorax", True, Presence.PRESENT),
        ("pleural_effusion", False, Presence.NOT_ASSESSED),
        ("pacemaker", False, Presence.PRESENT),
    ]
    assert (case.asked, case.refused, case.groups) == (4, 1, {"source": "made up"})


def test_boxes_are_read_in_the_format_of_the_records() -> None:
    true = "<|ref|> heart <|/ref|><|box|>(10.00, 20.00), (30.00, 40.00)<|/box|>"
    said = "<|box|>(10.00, 20.00), (30.00, 60.00)<|/box|>"
    case = grade(
        turn("detection", true, said, target="heart"),
        turn("detection", true, f"{said} {said}", target="heart"),
        turn("detection", true, "somewhere", target="heart"),
        turn("detection", true, None, target="heart"),
    )
    assert [box.said for box in case.boxes] == [(10.0, 20.0, 30.0, 60.0), None, None]
    assert case.boxes[0].truth == ((10.0, 20.0, 30.0, 40.0),)
    assert (case.asked, case.refused) == (3, 2)


def test_reasoning_is_graded_against_the_report() -> None:
    thought = "<think>{}</think><answer>A</answer>"
    case = grade(
        turn(
            "single-choice",
            thought.format("A pneumothorax on the right."),
            thought.format("No pneumothorax."),
            option_list=SIDES,
        ),
        turn("captioning", REPORT, "Right pneumothorax.", 8),
        turn("captioning", "It may grow.", "It will.", 6),
    )
    chains = [text for text in case.texts if text.chain]
    assert [(c.stage, c.said, c.report) for c in chains] == [
        (3, "No pneumothorax.", REPORT),
        (8, "Right pneumothorax.", REPORT),
    ]
    assert [t.stage for t in case.texts if not t.chain] == [6]
    assert (case.answers[0].expected, case.answers[0].given) == ("right", "right")


def test_files_of_a_folder_are_read_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        lines = [record(turn("captioning", "x", "y")), record(turn("captioning", "x", "z"))]
        text = "\n".join(map(json.dumps, lines))
        (tmp_path / name / f"{name}.jsonl").write_text(text, encoding="utf-8")
    assert [case.key for case in dialogue_cases(tmp_path)] == [
        "a/1 s1",
        "a/2 s1",
        "b/1 s1",
        "b/2 s1",
    ]
    with pytest.raises(ConfigurationError, match=r"no \.json"):
        list(dialogue_cases(tmp_path / "nothing"))
