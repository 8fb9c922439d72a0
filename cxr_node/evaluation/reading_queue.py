"""A reading list as a queue: arrivals, readers, reading times, and who goes first.

The model of FDA's QuCAD: patients come at random, some have the time-critical condition, the
device flags with its sensitivity and false alarms, readers work off the list by priority, with
or without interruption. Added is the order within the list, so that rules of ageing can be
compared. Times are minutes; class 0 goes first.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

Score = Callable[[int, float, float], tuple[float, ...]]
"""Of class, time of arrival and present time: the smallest is read next."""


@dataclass(frozen=True, slots=True)
class Group:
    """Patients of one kind: their share of all, and how often each class is given to them."""

    name: str
    share: float
    classes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class QueueModel:
    """``arrivals`` per minute in all, ``readers``, mean reading time of each class."""

    arrivals: float
    readers: int
    reading: tuple[float, ...]
    groups: tuple[Group, ...]

    @property
    def rates(self) -> tuple[float, ...]:
        """Arrivals per minute of each class."""
        return tuple(
            self.arrivals * sum(group.share * group.classes[k] for group in self.groups)
            for k in range(len(self.reading))
        )

    @property
    def load(self) -> float:
        """Share of the readers' time that is needed; below 1 or the list only grows."""
        pairs = zip(self.rates, self.reading, strict=True)
        return sum(rate * mean for rate, mean in pairs) / self.readers


def flagging(prevalence: float, sensitivity: float, specificity: float) -> tuple[Group, Group]:
    """Those with the condition and those without, flagged (class 0) or not (class 1)."""
    return (
        Group("with", prevalence, (sensitivity, 1 - sensitivity)),
        Group("without", 1 - prevalence, (1 - specificity, specificity)),
    )


@dataclass(frozen=True, slots=True)
class Waits:
    """Minutes from arrival to the reader's first look, by group and class."""

    by: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def of(self, group: str | None = None, classes: Sequence[int] | None = None) -> list[float]:
        """The waits of a group (or all), in some classes (or all)."""
        return [
            wait
            for (name, k), waits in self.by.items()
            if group in (None, name) and (classes is None or k in classes)
            for wait in waits
        ]


def mean(waits: Sequence[float]) -> float:
    """The mean, 0 of none."""
    return sum(waits) / len(waits) if waits else 0.0


def percentile(waits: Sequence[float], share: float) -> float:
    """The smallest wait that ``share`` of the patients do not exceed."""
    return sorted(waits)[max(math.ceil(share * len(waits)) - 1, 0)] if waits else 0.0


def fifo(_class: int, arrival: float, _now: float) -> tuple[float, ...]:
    """Without the device: first come, first read."""
    return (arrival,)


def strict(k: int, arrival: float, _now: float) -> tuple[float, ...]:
    """By class, then first come."""
    return (k, arrival)


def linear(minutes_a_class: float) -> Score:
    """Waiting this long makes up for one class."""
    return lambda k, arrival, now: (arrival + k * minutes_a_class,)


def due(minutes: Sequence[float], first: int = 0) -> Score:
    """The earliest due goes first; the ``first`` highest classes are never overtaken."""
    return lambda k, arrival, now: (k, arrival) if k < first else (first, arrival + minutes[k])


def accumulating(minutes: Sequence[float]) -> Score:
    """The largest share of its own limit waited (Kleinrock 1964)."""
    return lambda k, arrival, now: (-(now - arrival) / minutes[k],)


def patients(model: QueueModel, number: int, seed: int) -> Iterator[tuple[float, float, str, int]]:
    """Arrival, reading time, group and class; Poisson arrivals, exponential reading."""
    rng, at = random.Random(seed), 0.0  # noqa: S311 - a simulation that can be repeated
    names = [group.name for group in model.groups]
    shares = [group.share for group in model.groups]
    given = {group.name: group.classes for group in model.groups}
    numbers = range(len(model.reading))
    for _ in range(number):
        at += rng.expovariate(model.arrivals)
        name = rng.choices(names, shares)[0]
        k = rng.choices(numbers, given[name])[0]
        yield at, rng.expovariate(1 / model.reading[k]), name, k


def simulate(model: QueueModel, score: Score, number: int, seed: int = 1) -> Waits:
    """Nobody is interrupted. The first tenth of the patients fills the list and is not counted."""
    queues: list[deque[tuple[float, float, str, int]]] = [deque() for _ in model.reading]
    free = [0.0] * model.readers
    waits, started = Waits(), 0

    def serve(until: float) -> None:
        nonlocal started
        while any(queues) and free[0] <= until:
            now = max(free[0], min(queue[0][0] for queue in queues if queue))
            if now > until:
                return
            heads = [k for k, queue in enumerate(queues) if queue and queue[0][0] <= now]
            k = min(heads, key=lambda k: score(k, queues[k][0][0], now))
            arrival, minutes, name, _ = queues[k].popleft()
            heapq.heapreplace(free, now + minutes)
            started += 1
            if started > number // 10:
                waits.by.setdefault((name, k), []).append(now - arrival)

    for patient in patients(model, number, seed):
        serve(patient[0])
        queues[patient[3]].append(patient)
    serve(math.inf)
    return waits


def simulate_preemptive(model: QueueModel, number: int, seed: int = 1) -> Waits:
    """A higher class interrupts a lower one, which goes on later where it stopped.

    The wait is all the time in which the patient was not being read.
    """
    waiting: list[tuple[int, float, float, float, str]] = []
    reading: list[tuple[int, float, float, float, str]] = []
    waits, ended, now = Waits(), 0, 0.0

    def pass_time(until: float) -> None:
        """Read on until then; each entry is class, arrival, minutes left, minutes, group."""
        nonlocal now, ended
        while reading:
            step = min(one[2] for one in reading)
            if now + step > until:
                break
            now += step
            done = min(reading, key=lambda one: one[2])
            reading.remove(done)
            reading[:] = [(k, at, left - step, m, g) for k, at, left, m, g in reading]
            ended += 1
            if ended > number // 10:
                k, arrival, _, minutes, group = done
                waits.by.setdefault((group, k), []).append(now - arrival - minutes)
            if waiting:
                reading.append(heapq.heappop(waiting))
        passed = until - now
        reading[:] = [(k, at, left - passed, m, g) for k, at, left, m, g in reading]
        now = until

    for arrival, minutes, group, k in patients(model, number, seed):
        pass_time(arrival)
        reading.append((k, arrival, minutes, minutes, group))
        if len(reading) > model.readers:
            last = max(reading, key=lambda one: (one[0], one[1]))
            reading.remove(last)
            heapq.heappush(waiting, last)
    while reading:
        pass_time(now + min(one[2] for one in reading))
    return waits


def erlang_c(readers: int, offered: float) -> float:
    """Probability of waiting in M/M/c; ``offered`` is arrivals times the reading time."""
    busy = offered**readers / math.factorial(readers) * readers / (readers - offered)
    return busy / (sum(offered**n / math.factorial(n) for n in range(readers)) + busy)


def expected(model: QueueModel) -> list[float]:
    """Mean wait of each class under :func:`strict` (Cobham 1954).

    For one reader with any exponential reading times, for several with one common time.
    """
    rates, means, readers = model.rates, model.reading, model.readers
    if readers == 1:
        residual = sum(rate * mean**2 for rate, mean in zip(rates, means, strict=True))
    else:
        residual = erlang_c(readers, sum(rates) * means[0]) * means[0] / readers
    found, below = [], 0.0
    for rate, time in zip(rates, means, strict=True):
        upto = below + rate * time / readers
        found.append(residual / ((1 - below) * (1 - upto)))
        below = upto
    return found


def expected_preemptive(model: QueueModel) -> list[float]:
    """Mean wait of each class with interruption, for one common reading time.

    Classes up to k do not see those behind them, so together they are an M/M/c queue.
    """
    found: list[float] = []
    total, weighted, time = 0.0, 0.0, model.reading[0]
    for rate in model.rates:
        total += rate
        offered = total * time
        busy = erlang_c(model.readers, offered)
        together = total * busy * time / (model.readers - offered)
        found.append((together - weighted) / rate)
        weighted = together
    return found


def expected_accumulating(model: QueueModel, minutes: Sequence[float]) -> list[float]:
    """Mean wait of each class under :func:`accumulating` with one reader (Kleinrock 1964)."""
    loads = [rate * mean for rate, mean in zip(model.rates, model.reading, strict=True)]
    residual = sum(r * m**2 for r, m in zip(model.rates, model.reading, strict=True))
    speed = [1 / limit for limit in minutes]
    found = [0.0] * len(loads)
    for k in reversed(range(len(loads))):
        slower = range(k + 1, len(loads))
        gained = sum(loads[i] * found[i] * (1 - speed[i] / speed[k]) for i in slower)
        lost = sum(loads[i] * (1 - speed[k] / speed[i]) for i in range(k))
        found[k] = (residual / (1 - sum(loads)) - gained) / (1 - lost)
    return found
