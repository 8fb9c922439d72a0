"""The shipped model on phantoms it has never seen: the evaluation must find what it knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.ports import SystemClock
from cxr_node.evaluation.batched_phantoms import Films, batched_items
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.run import CaseStore, Evaluator
from cxr_node.evaluation.summary import About, Evaluation, evaluate
from cxr_node.phantom.batched.patient import Level
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.open_model import open_model
from cxr_node.reasoning.profiles import load_manifest

COUNT, FIRST = 40, 9_850_000
FILMS = Films(Level.STANDARD, 224)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    model = open_model("", threads=1, device="cpu")
    store = CaseStore(tmp_path_factory.mktemp("evaluation"), {"digest": model.identity.digest})
    items = batched_items(range(FIRST, FIRST + COUNT), FILMS)
    return Evaluator(model, SystemClock(), 8).run(items, store, lambda _: None)


@pytest.fixture(scope="module")
def found(cases: list[Case]) -> Evaluation:
    return evaluate(cases, About("phantoms", "embedded", "", "", "", ""), resamples=200)


def test_it_knows_what_its_card_says_it_knows(found: Evaluation) -> None:
    areas = {figures.label: figures.auroc.value or 0.0 for figures in found.labels.labels}
    assert areas["pneumothorax"] > 0.9
    assert areas["pleural_effusion"] > 0.9
    assert (found.labels.macro_auroc.value or 0.0) > 0.85
    assert (found.calibration[0].error.value or 1.0) < 0.1


def test_sides_places_and_projection(found: Evaluation) -> None:
    exact = {a.question: a.exact.value or 0.0 for a in found.answers if not a.subject}
    assert exact["projection"] > 0.9
    assert exact["side"] > 0.85
    assert (found.grounding[0].iou.value or 0.0) > 0.6
    assert found.ratio is not None and (found.ratio.error.value or 1.0) < 0.08


def test_what_it_may_not_answer_is_not_assessed(found: Evaluation) -> None:
    left_out = load_manifest(embedded_folder()).profile.not_assessed
    lines = {line.label: line for line in found.labels.labels}
    for kind in FindingKind:
        line = lines[kind]
        assert (line.not_assessed == line.n) is (kind in left_out)


def test_a_study_read_alone_is_graded_the_same(cases: list[Case], tmp_path: Path) -> None:
    model = open_model("", threads=1, device="cpu")
    store = CaseStore(tmp_path, {})
    (alone,) = Evaluator(model, SystemClock()).run(
        batched_items([FIRST + 3], FILMS), store, lambda _: None
    )
    together = cases[3]
    assert [(x.label, x.called) for x in alone.labels] == [
        (x.label, x.called) for x in together.labels
    ]
    assert alone.answers == together.answers
