"""Reads many studies with one model and stores each graded case at once, so that it can go on.

``cases.jsonl`` holds one case a line, ``run.json`` what was run; another run never goes on
in its place.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cxr_node.domain.errors import ConfigurationError, NotConformant, NotReadable
from cxr_node.domain.ports import Clock, VisionModel
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.context import ContextModel
from cxr_node.evaluation.items import Item
from cxr_node.evaluation.truth import StudyTruth, grade
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.staged import OpenReading, StagedReader

CASES, RUN = "cases.jsonl", "run.json"

Done = Callable[[Case], None]


class CaseStore:
    """The cases of one run in a folder of its own."""

    def __init__(self, folder: Path, run: Mapping[str, object]) -> None:
        """Open or make ``folder``.

        Raises :class:`ConfigurationError` when it holds another run, or cannot be written.
        """
        self._path = folder / CASES
        described = json.dumps(run, indent=1, sort_keys=True) + "\n"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / RUN).exists():
                if (folder / RUN).read_text(encoding="utf-8") != described:
                    raise ConfigurationError(
                        f"{folder}: holds another evaluation (see {RUN}); name another --out"
                    )
            else:
                (folder / RUN).write_text(described, encoding="utf-8")
            self.cases = dict(self._stored())
        except OSError as error:
            raise ConfigurationError(f"{folder}: {error.strerror}") from error

    def _stored(self) -> Iterator[tuple[str, Case]]:
        """What is there already; a last line that was cut off is dropped from the file."""
        if not self._path.exists():
            return
        whole = self._path.read_bytes()
        kept = whole[: whole.rfind(b"\n") + 1]
        if len(kept) < len(whole):
            self._path.write_bytes(kept)
        for number, line in enumerate(kept.splitlines(), start=1):
            try:
                case = Case.model_validate_json(line)
            except ValidationError as error:
                raise ConfigurationError(f"{self._path}: line {number} is no case") from error
            yield case.key, case

    def add(self, case: Case) -> None:
        """Store one more case."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(case.model_dump_json() + "\n")
        self.cases[case.key] = case


@dataclass(slots=True, eq=False)
class _Seat:
    """A study before the model."""

    item: Item
    truth: StudyTruth
    reading: OpenReading
    opened: ExitStack
    seconds: float = 0.0


class Evaluator:
    """Reads items in batches, one question of each at a time."""

    def __init__(
        self, model: VisionModel, clock: Clock, batch: int = 1, profile: Profile | None = None
    ) -> None:
        """``profile`` stands in for the model's own. A :class:`ContextModel` is told truths."""
        self._reader = StagedReader(model, profile)
        self._told = model if isinstance(model, ContextModel) else None
        self._policy = model.image_policy
        self._clock = clock
        self._batch = batch

    def run(self, items: Sequence[Item], store: CaseStore, done: Done) -> list[Case]:
        """Read what the store does not hold; all cases of ``items``, in their order.

        ``done`` is called with each case that was added.
        """
        waiting = deque(item for item in items if item.key not in store.cases)
        seats: list[_Seat] = []
        with ExitStack() as everything:
            while waiting or seats:
                while waiting and len(seats) < self._batch:
                    taken = self._seat(waiting.popleft())
                    if isinstance(taken, Case):
                        store.add(taken)
                        done(taken)
                    else:
                        everything.push(taken.opened)
                        seats.append(taken)
                for case in self._advance(seats):
                    store.add(case)
                    done(case)
        return [store.cases[item.key] for item in items]

    def _seat(self, item: Item) -> _Seat | Case:
        """The study, open; or the case of one that cannot be read."""
        try:
            request, truth = item.open(self._policy)
        except (NotReadable, NotConformant) as refusal:
            return Case(key=item.key, groups=dict(item.groups), failed=str(refusal))
        if self._told is not None:
            self._told.tell(truth)
        began, opened = self._clock.monotonic(), ExitStack()
        reading = opened.enter_context(self._reader.begin(request))
        return _Seat(item, truth, reading, opened, self._clock.monotonic() - began)

    def _advance(self, seats: list[_Seat]) -> Iterator[Case]:
        """Put one question to every open study; the cases of those that are through."""
        if not seats:
            return
        began = self._clock.monotonic()
        self._reader.advance([seat.reading for seat in seats])
        share = (self._clock.monotonic() - began) / len(seats)
        for seat in list(seats):
            seat.seconds += share
            if seat.reading.ask is None:
                seats.remove(seat)
                seat.opened.close()
                yield self._graded(seat)

    def _graded(self, seat: _Seat) -> Case:
        return grade(
            seat.item.key,
            seat.truth,
            seat.reading.reading(),
            groups=seat.item.groups,
            seconds=seat.seconds,
        )
