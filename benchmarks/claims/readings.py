"""Staged readings of held-out phantoms, kept case by case so that a stopped command goes on."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from cxr_node.config import ImagingSection
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.ports import SystemClock
from cxr_node.entry.evaluation_sets import PhantomWish, phantom_set
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.context import Context, ContextModel
from cxr_node.evaluation.run import CaseStore, Evaluator
from cxr_node.reasoning.profiles import identity, load_manifest
from cxr_node.reasoning.transformers_model import load_model

HELD_OUT, CALIBRATION = 9_800_000, 9_500_000
"""First seeds: of what is judged, and of what thresholds are fitted on."""
STANDARD, HARD = "phantom-2", "phantom-2-hard"


@dataclass(frozen=True, slots=True)
class Set:
    """Which phantoms; ``files`` sends them through DICOM files of several makers."""

    level: str
    count: int
    first_seed: int = HELD_OUT
    files: bool = False
    triage: bool = False
    size: int = 224
    first: int = 0
    """Only so many of them for now; 0 means all."""


def read(
    model: Path, wanted: Set, out: Path, *, context: Context = Context.OWN, batch: int = 8
) -> list[Case]:
    """The cases of ``wanted`` in the order of the seeds; what ``out`` holds is not read again."""
    torch.set_num_threads(1)
    kind = ReadingKind.TRIAGE if wanted.triage else ReadingKind.READ
    seeds = range(wanted.first_seed, wanted.first_seed + wanted.count)
    with tempfile.TemporaryDirectory() as films:
        files = Path(films) if wanted.files else None
        wish = PhantomWish(wanted.level, seeds, wanted.size, kind, files=files)
        digest = identity(load_manifest(model)).digest
        run = {"source": wish.words, "asked": kind.value, "context": context.value}
        store = CaseStore(out, {**run, "digest": digest})
        shown = ContextModel(load_model(model, threads=1, device="cpu"), context)
        with phantom_set(wish, ImagingSection()) as items:
            cases = Evaluator(shown, SystemClock(), batch).run(
                items[: wanted.first or None], store, lambda _: None
            )
    return [case for case in cases if not case.failed]
