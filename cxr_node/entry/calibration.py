"""``cxr-node model calibrate``: phantoms are read, and the manifest gets what was found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from cxr_node.config import Configuration, ImagingSection
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import FindingKind, ReadingKind
from cxr_node.domain.ports import SystemClock
from cxr_node.entry.evaluation_sets import PhantomWish, phantom_set
from cxr_node.entry.options import console
from cxr_node.evaluation import calibrating
from cxr_node.evaluation.calibrating import Judged, Told
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.run import CaseStore, Evaluator
from cxr_node.reasoning.profiles import MANIFEST, PHANTOMS, identity, load_manifest
from cxr_node.reasoning.transformers_model import TransformersModel, load_model

CALIBRATION_SEEDS, JUDGING_SEEDS = 9_500_000, 9_700_000
"""First seeds: of phantoms to fit on, and of others to judge on; nothing is taught on either."""

DIFFICULTY, SIZE = "phantom-2", 224


def calibrate(folder: Path, out: Path, counts: tuple[int, int], config: Configuration) -> None:
    """Fit on ``counts[0]`` phantoms, judge on ``counts[1]`` others, write the manifest.

    Goes on where ``out`` stands. Raises :class:`ConfigurationError` for a model that is not
    for phantoms or can tell nothing, :class:`ModelRefused` for a folder that fails its manifest.
    """
    if not (folder / MANIFEST).is_file():
        raise ConfigurationError(f"{folder}: give the model's folder; its manifest is rewritten")
    manifest = load_manifest(folder)
    if manifest.intended_use != PHANTOMS:
        raise ConfigurationError(
            f"{folder}: is not for phantoms; its probabilities cannot be fitted on them"
        )
    network = load_model(folder, threads=config.model.threads, device=config.model.device)
    run = _Run(network, out, identity(manifest).digest)
    fitted, fit_words = run.told("fitted", CALIBRATION_SEEDS, counts[0])
    others, judge_words = run.told("judged", JUDGING_SEEDS, counts[1])
    points = calibrating.operating_points(fitted)
    judged = calibrating.judge(points, others, f"fitted on {fit_words}; judged on {judge_words}")
    calibrating.write(folder, points, judged)
    console.print(_table(judged))


class _Run:
    """Readings of phantoms by one uncalibrated model."""

    def __init__(self, model: TransformersModel, out: Path, digest: str) -> None:
        self._model, self._out, self._digest = model, out, digest
        profile = calibrating.raw(model.profile)
        self._evaluator = Evaluator(model, SystemClock(), 8, profile)

    def told(self, name: str, first: int, count: int) -> tuple[dict[FindingKind, Told], str]:
        """What is said in triage and in full readings, and the set in words."""
        seeds = range(first, first + count)
        wishes = [PhantomWish(DIFFICULTY, seeds, SIZE, kind) for kind in _KINDS]
        cases = chain.from_iterable(self._read(name, wish) for wish in wishes)
        return calibrating.told(list(cases)), f"{wishes[0].words}, in triage and full reading"

    def _read(self, name: str, wish: PhantomWish) -> Sequence[Case]:
        run = {"source": wish.words, "asked": f"{wish.kind.value}, raw", "digest": self._digest}
        store = CaseStore(self._out / f"{name}-{wish.kind.value}", run)
        columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with (
            phantom_set(wish, ImagingSection()) as items,
            Progress("{task.description}", *columns, console=console, transient=True) as bar,
        ):
            known = sum(item.key in store.cases for item in items)
            task = bar.add_task(f"{name}, {wish.kind.value}", total=len(items), completed=known)
            return self._evaluator.run(items, store, lambda _: bar.advance(task))


_KINDS = (ReadingKind.TRIAGE, ReadingKind.READ)


def _table(judged: Sequence[Judged]) -> Table:
    table = Table("finding", "n", "AUROC", "sensitivity", "specificity", "calibration error")
    for one in judged:
        figures = one.auroc, one.sensitivity, one.specificity, one.fit.calibration_error
        count = f"{one.fit.positives} of {one.fit.positives + one.fit.negatives}"
        table.add_row(one.kind.value, count, *(f"{value:.3f}" for value in figures))
    return table
