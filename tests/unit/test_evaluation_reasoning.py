"""RadRScore: the formulas, and the judge by rules on samples judged by hand."""

from __future__ import annotations

import pytest

from cxr_node.evaluation import radrscore, rule_judge
from cxr_node.evaluation.cases import Case, TextCase
from cxr_node.evaluation.radrscore import Share, Verdict
from cxr_node.evaluation.resampling import draw_weights

REPORT = (
    "There is a small right pleural effusion. Possible consolidation at the left base."
    " No pneumothorax. The heart is enlarged."
)


def sample(said: str, reference: str = REPORT) -> TextCase:
    return TextCase(
        stage=8, question="report", reference=reference, said=said, report=REPORT, chain=True
    )


@pytest.mark.parametrize(
    ("said", "complete", "factual", "effective"),
    [
        # the same again: four observations, four steps
        (REPORT, (4, 4), (4, 4), (4, 4)),
        # two of four; both true; both supported
        ("Right pleural effusion. No pneumothorax.", (2, 4), (2, 2), (2, 2)),
        # the wrong side is neither recalled nor true
        ("Left pleural effusion. Cardiomegaly.", (1, 4), (1, 2), (1, 2)),
        # what the report omits: denied is true, affirmed is not; neither is in the chain
        ("There is edema. No fracture.", (0, 4), (1, 2), (0, 2)),
        # a doubt of the report contradicts neither yes nor no, but is not the same status
        ("Consolidation in the left lung.", (0, 4), (1, 1), (0, 1)),
        ("No consolidation.", (0, 4), (1, 1), (0, 1)),
        # a contradiction
        ("Pneumothorax on the left. The heart is normal.", (0, 4), (0, 2), (0, 2)),
        # one statement, two observations
        ("Cardiomegaly and edema.", (1, 4), (1, 2), (0, 1)),
        # steps without a finding are supported by their words alone
        ("The heart is on the left side of the picture.", (0, 4), (0, 0), (0, 1)),
        # nothing said
        ("", (0, 4), (0, 0), (0, 0)),
    ],
)
def test_the_judge_by_rules(
    said: str, complete: tuple[int, int], factual: tuple[int, int], effective: tuple[int, int]
) -> None:
    verdict = rule_judge.judge(sample(said))
    assert verdict.completeness == Share(*complete)
    assert verdict.factuality == Share(*factual)
    assert verdict.effectiveness == Share(*effective)


def test_a_normal_structure_is_one_observation() -> None:
    assert rule_judge.completeness("The lungs are clear.", "No consolidation.") == Share(1, 1)
    assert rule_judge.completeness("The lungs are clear.", "There is a mass.") == Share(0, 1)
    assert rule_judge.factuality("The lungs are clear.", "Lungs clear.") == Share(1, 1)
    assert rule_judge.factuality("The lungs are clear.", "Left consolidation.") == Share(0, 1)


def test_steps_are_sentences() -> None:
    chain = "I look at the lungs. They are clear!\nThe heart is normal; so far\n\n..."
    assert rule_judge.steps(chain) == [
        "I look at the lungs.",
        "They are clear!",
        "The heart is normal;",
        "so far",
    ]


VERDICTS = {
    "a": Verdict(Share(1, 2), Share(2, 2), Share(1, 4)),
    "b": Verdict(Share(0, 0), Share(1, 2), Share(0, 0)),
    "c": None,
}


def score(*names: str) -> radrscore.RadRScore | None:
    cases = [Case(key=name, texts=(sample(name),)) for name in names]
    judge = VERDICTS.__getitem__
    return radrscore.summarise(
        cases, draw_weights(len(cases), 20), lambda text: judge(text.said), "by hand"
    )


def test_the_mean_is_over_valid_samples_and_nothing_of_nothing_adds_nothing() -> None:
    found = score("a", "b", "c")
    assert found is not None
    assert (found.samples, found.valid, found.judge) == (3, 2, "by hand")
    assert found.completeness.score.value == pytest.approx((0.5 + 0) / 2)
    assert found.factuality.score.value == pytest.approx((1 + 0.5) / 2)
    assert found.effectiveness.score.value == pytest.approx((0.25 + 0) / 2)
    assert found.mean.value == pytest.approx((0.25 + 0.75 + 0.125) / 3)
    parts = (found.completeness, found.factuality, found.effectiveness)
    assert [part.counted for part in parts] == [1, 2, 1]


def test_without_valid_samples_there_is_no_score() -> None:
    found = score("c")
    assert found is not None and found.valid == 0
    assert found.mean.value is None
    plain = Case(key="x", texts=(sample("a").model_copy(update={"chain": False}),))
    assert radrscore.summarise([plain], draw_weights(1, 2), rule_judge.judge, "rules") is None
