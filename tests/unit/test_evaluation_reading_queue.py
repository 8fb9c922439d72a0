"""The simulated reading list against the closed forms of queueing theory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cxr_node.evaluation.reading_queue import (
    Group,
    QueueModel,
    Score,
    Waits,
    accumulating,
    due,
    expected,
    expected_accumulating,
    expected_preemptive,
    fifo,
    flagging,
    linear,
    mean,
    percentile,
    simulate,
    simulate_preemptive,
    strict,
)

PATIENTS, SEEDS = 20_000, (1, 2, 3, 4, 5, 6)
TWO = flagging(prevalence=0.1, sensitivity=0.9, specificity=0.9)


def three(readers: int, load: float = 0.8, times: Sequence[float] = (5.0, 5.0, 5.0)) -> QueueModel:
    """Emergencies, flagged and unflagged patients."""
    all_alike = Group("all", 1.0, (0.25, 0.3, 0.45))
    per_patient = sum(s * t for s, t in zip(all_alike.classes, times, strict=True))
    return QueueModel(load * readers / per_patient, readers, tuple(times), (all_alike,))


def agree(waits: Sequence[Waits], told: Sequence[float]) -> None:
    """Each class within four standard errors (at least 1 % each) of independent runs."""
    for k, closed in enumerate(told):
        means = [mean(found.of(classes=[k])) for found in waits]
        middle = mean(means)
        spread = sum((one - middle) ** 2 for one in means) / (len(means) - 1)
        error = max((spread / len(means)) ** 0.5, 0.01 * closed)
        assert abs(middle - closed) <= 4 * error, (k, closed, means)
        assert error < 0.1 * closed


@pytest.mark.parametrize(
    "model", [three(1), three(3), three(1, 0.9, (3.0, 6.0, 4.0))], ids=["one", "three", "unequal"]
)
def test_priority_without_interruption(model: QueueModel) -> None:
    agree([simulate(model, strict, PATIENTS, seed) for seed in SEEDS], expected(model))


@pytest.mark.parametrize("readers", [1, 2])
def test_priority_with_interruption(readers: int) -> None:
    model = three(readers)
    found = [simulate_preemptive(model, PATIENTS, seed) for seed in SEEDS]
    agree(found, expected_preemptive(model))


def test_accumulating_priority() -> None:
    model, limits = three(1), (10.0, 30.0, 60.0)
    found = [simulate(model, accumulating(limits), PATIENTS, seed) for seed in SEEDS]
    agree(found, expected_accumulating(model, limits))


def test_without_the_device_all_wait_alike() -> None:
    model = three(1)
    everybody = QueueModel(model.arrivals, 1, (5.0,), (Group("all", 1.0, (1.0,)),))
    agree(
        [simulate(model, fifo, PATIENTS, seed) for seed in SEEDS],
        expected(everybody) * 3,
    )


def test_flags_shift_waiting_and_make_none() -> None:
    """With equal reading times the mean over all patients is the same in every order."""
    model = QueueModel(0.16, 1, (5.0, 5.0), TWO)
    orders: list[Score] = [fifo, strict, linear(60), due((30, 240)), due((30, 240), first=1)]
    found = [simulate(model, order, PATIENTS) for order in orders]
    means = [mean(waits.of()) for waits in found]
    assert max(means) - min(means) < 0.01 * means[0]
    flagged = [mean(waits.of(classes=[0])) for waits in found]
    assert flagged[1] == min(flagged) < 0.4 * flagged[0]
    missed = [mean(waits.of("with", [1])) for waits in found]
    assert missed[1] > missed[0], "who has the condition and is not flagged waits longer"


def test_ageing_bounds_what_strict_priority_lets_grow() -> None:
    """When the device flags far too often, the unflagged starve without a due time."""
    model = QueueModel(0.184, 1, (5.0, 5.0), flagging(0.1, 0.9, 0.4))
    ends = [
        percentile(simulate(model, order, PATIENTS).of(classes=[1]), 0.99)
        for order in (strict, due((30, 120)))
    ]
    assert ends[1] < 0.75 * ends[0]


def test_the_first_classes_are_never_overtaken() -> None:
    score = due((15, 60, 240), first=1)
    assert score(0, 1000.0, 1000.0) < score(2, 0.0, 1000.0)
    assert score(2, 0.0, 1000.0) < score(1, 200.0, 1000.0)
    assert score(1, 100.0, 1000.0) < score(2, 0.0, 1000.0)


def test_load_and_rates() -> None:
    model = three(2, 0.8)
    assert model.load == pytest.approx(0.8)
    assert sum(model.rates) == pytest.approx(model.arrivals)
    assert percentile([3.0, 1.0, 2.0], 0.95) == 3.0
    assert percentile([], 0.95) == mean([]) == 0.0
