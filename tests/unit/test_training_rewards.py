"""Rewards against examples worked by hand, to a millionth."""

from __future__ import annotations

import pytest

from cxr_node.domain.findings import FindingKind, Laterality, Presence
from cxr_node.training import rewards
from cxr_node.training.key_findings import KeyFinding, conclusions, observations

ABS = 1e-6
ONCE = "<think>{}</think>\n<answer>{}</answer>"


def said(answer: str, thoughts: str = "I look.") -> str:
    return ONCE.format(thoughts, answer)


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("Edema, Fracture", "Atelectasis, Edema", 1 / 3),
        ("edema,  PNEUMONIA ", "Pneumonia,Edema", 1.0),
        ("", "", 1.0),
        ("", "Edema", 0.0),
        ("Hernia", "Emphysema", 1.0),
        ("Edema, Hernia", "Edema", 1.0),
        ("Edema, Edema", "Edema", 1.0),
        ("No Finding", "Edema", 0.0),
        ("Edema, Pneumonia, Fracture", "Edema", 1 / 3),
        ("Edema and Pneumonia", "Edema, Pneumonia", 0.0),
    ],
)
def test_jaccard_counts_the_fourteen_labels_only(
    answer: str, reference: str, expected: float
) -> None:
    assert rewards.jaccard(said(answer), reference) == pytest.approx(expected, abs=ABS)
    assert rewards.accuracy_hard(said(answer), reference) == pytest.approx(expected, abs=ABS)


def test_jaccard_needs_an_answer() -> None:
    assert rewards.jaccard("<think>Edema</think> Edema", "Edema") == 0.0
    assert rewards.jaccard("<answer>\nEdema\n</answer>", "Edema") == 1.0


@pytest.mark.parametrize(
    ("completion", "form", "once"),
    [
        (said("Edema"), 1.0, 1.0),
        ("<think>a</think><answer>b</answer>", 1.0, 1.0),
        (" <think>a</think><answer>b</answer>", 0.0, 1.0),
        ("<think>a</think><answer>b</answer> more", 0.0, 1.0),
        ("<think>a</think> so <answer>b</answer>", 0.0, 1.0),
        ("<think>a</think><answer>b</answer><answer>c</answer>", 1.0, 0.0),
        ("<think><think>a</think><answer>b</answer>", 1.0, 0.0),
        ("<answer>b</answer><think>a</think>", 0.0, 1.0),
        ("<think>a</think><answer>b", 0.0, 0.0),
        ("b", 0.0, 0.0),
    ],
)
def test_form_and_tags(completion: str, form: float, once: float) -> None:
    assert rewards.well_formed(completion) == form
    assert rewards.tags_once(completion) == once
    assert rewards.accuracy_hard(completion, "") in (0.0, form * once)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(200, -0.5), (400, 0.0), (399, -1 / 400), (0, -1.0), (5000, 0.0), (100, -0.75)],
)
def test_overshort(tokens: int, expected: float) -> None:
    assert rewards.overshort(tokens) == pytest.approx(expected, abs=ABS)


def test_overshort_of_another_span() -> None:
    assert rewards.overshort(10, least=40, span=60) == pytest.approx(-0.5, abs=ABS)
    assert rewards.overshort(0, least=400, span=100) == -1.0


@pytest.mark.parametrize(
    ("completion", "reference", "expected"),
    [
        (said("B"), "B", 1.0),
        (said(" b. "), "B", 1.0),
        ("worsened", "worsened", 1.0),
        (said("pleural  effusion"), "<answer>Pleural effusion</answer>", 1.0),
        (said("effusion"), "Pleural effusion", 0.0),
        (said(""), "B", 0.0),
        (said(""), "", 0.0),
        ("<think>a</think><answer>B", "B", 0.0),
        (said("A, B"), "B", 0.0),
    ],
)
def test_outcome_is_the_exact_option(completion: str, reference: str, expected: float) -> None:
    assert rewards.outcome(completion, reference) == expected


CHAIN = conclusions(
    "There is a small right pleural effusion. No pneumothorax. The heart is enlarged."
    " The lungs are clear."
)


def test_the_chain_holds_four_observations() -> None:
    units = observations(CHAIN)
    assert [unit[0].kind for unit in units[:3]] == [
        FindingKind.PLEURAL_EFFUSION,
        FindingKind.PNEUMOTHORAX,
        FindingKind.CARDIOMEGALY,
    ]
    assert len(units) == 4
    assert {finding.group for finding in units[3]} == {"lungs"}
    assert CHAIN[0] == KeyFinding(FindingKind.PLEURAL_EFFUSION, Presence.PRESENT, Laterality.RIGHT)


@pytest.mark.parametrize(
    ("thoughts", "expected"),
    [
        ("Right pleural effusion. No pneumothorax. Cardiomegaly. No consolidation.", 1.0),
        ("Pleural effusion. No pneumothorax.", 2 / 4),
        ("Left pleural effusion. No pneumothorax.", 1 / 4),
        ("Possible right pleural effusion.", 0.0),
        ("Pneumothorax. The heart is normal.", 0.0),
        ("Right pleural effusion. No, there is no pleural effusion.", 0.0),
        ("The lungs are clear.", 1 / 4),
        ("The lungs are clear except for a consolidation.", 0.0),
        ("The picture is rotated.", 0.0),
        ("There is no consolidation. There is edema.", 0.0),
    ],
)
def test_process_is_the_share_of_observations_with_the_same_status(
    thoughts: str, expected: float
) -> None:
    completion = said("Pleural Effusion", thoughts)
    assert rewards.process(completion, CHAIN) == pytest.approx(expected, abs=ABS)


def test_process_at_its_edges() -> None:
    assert rewards.process(said("Edema"), ()) == 1.0
    assert rewards.process("Right pleural effusion.", CHAIN) == pytest.approx(1 / 4, abs=ABS)
    assert rewards.process("<think>Right pleural effusion.", CHAIN) == 0.0


def test_reasoned_weighs_outcome_and_process_under_the_form() -> None:
    thoughts = "Right pleural effusion. No pneumothorax."
    assert rewards.reasoned(said("B", thoughts), "B", CHAIN) == pytest.approx(0.75, abs=ABS)
    weighed = rewards.reasoned(
        said("Edema, Fracture", thoughts),
        "Atelectasis, Edema",
        CHAIN,
        outcome_weight=0.6,
        process_weight=0.4,
    )
    assert weighed == pytest.approx(0.6 / 3 + 0.4 / 2, abs=ABS)
    assert rewards.reasoned(f"{said('B', thoughts)} so", "B", CHAIN) == 0.0


@pytest.mark.parametrize(
    ("candidate", "reference", "expected"),
    [
        ("small left effusion", "Small left effusion.", 1.0),
        ("small effusion", "small left pleural effusion", 2 * 1 * 0.5 / 1.5),
        ("the the", "the heart", 0.5),
        ("edema", "fracture", 0.0),
        ("", "", 1.0),
        ("", "edema", 0.0),
    ],
)
def test_token_f1(candidate: str, reference: str, expected: float) -> None:
    assert rewards.token_f1(candidate, reference) == pytest.approx(expected, abs=ABS)


def test_report_score_is_the_mean_and_the_similarity_can_be_another() -> None:
    pairs = [("clear lungs", "clear lungs"), ("edema", "fracture")]
    assert rewards.report_score(pairs) == pytest.approx(0.5, abs=ABS)
    assert rewards.report_score(pairs, lambda a, b: 0.25) == pytest.approx(0.25, abs=ABS)
    with pytest.raises(ValueError, match="stage 8"):
        rewards.report_score([])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Edema, Pneumonia", 0.0),
        ("Edema, Hernia", -0.5),
        ("Hernia, Emphysema", -1.0),
        ("Edema, Fracture, Atelectasis, Emphysema", -0.25),
        ("", -1.0),
    ],
)
def test_invented_labels_cost(answer: str, expected: float) -> None:
    assert rewards.unknown_labels(said(answer)) == pytest.approx(expected, abs=ABS)


@pytest.mark.parametrize(
    ("thoughts", "answer", "expected"),
    [
        ("There is a pneumothorax.", "Pneumothorax", 0.0),
        ("There is no pneumothorax.", "Pneumothorax", -0.25),
        ("There is a pneumothorax.", "Edema", -0.25),
        ("I look.", "No Finding, Edema", -0.25),
        ("I look.", "No Finding, Support Devices", 0.0),
        ("Pneumothorax. No edema.", "No Finding, Edema", -0.75),
        ("No edema. Pneumothorax. Fracture. Consolidation.", "No Finding, Edema", -1.0),
    ],
)
def test_contradictions_cost(thoughts: str, answer: str, expected: float) -> None:
    assert rewards.contradictions(said(answer, thoughts)) == pytest.approx(expected, abs=ABS)


def test_what_the_published_reward_overlooks_is_punished() -> None:
    loose = said("No Finding, Edema, Hernia", "There is no edema.")
    assert rewards.accuracy_hard(loose, "Edema, No Finding") == 1.0
    assert rewards.unknown_labels(loose) == pytest.approx(-1 / 3, abs=ABS)
    assert rewards.contradictions(loose) == pytest.approx(-0.5, abs=ABS)
