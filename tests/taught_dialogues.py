"""Small dialogues with pictures on disk, to teach tiny models with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import StageKey
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import make_radiograph
from cxr_node.training.record_files import write_records
from cxr_node.training.record_stages import Answered, shown, turns_of
from cxr_node.training.records import Record, new_record

_S, _K = StageKey, FindingKind


def taught_record(number: int, *, prior: bool = False) -> Record:
    """A dialogue of stages 1, 2, 3, 5 and 8; odd ones have an effusion."""
    ill = number % 2
    said = [
        Answered(_S.QUALITY_VIEW, "projection", "AP" if ill else "PA"),
        Answered(_S.FINDINGS, "overall", "abnormal" if ill else "normal"),
        Answered(_S.FINDINGS, "presence", "present" if ill else "absent", _K.PLEURAL_EFFUSION),
        Answered.place("anatomy_box", (35.0, 45.0, 68.0, 80.0), "heart"),
    ]
    if prior:
        said.append(Answered(_S.COMPARISON, "change", "stable", _K.PLEURAL_EFFUSION))
    said.append(Answered(_S.REPORT, "impression", "no acute finding."))
    return new_record(
        shown(turns_of(said), 1, earlier=int(prior)),
        source="tests",
        patient=None,
        study=f"s{number}",
        images=[f"film-{number}.png", *(["film-0.png"] if prior else [])],
        reference_study="s0" if prior else None,
    )


def write_dialogues(folder: Path, count: int = 4, *, prior: bool = False) -> Path:
    """``count`` records in ``dialogues.jsonl`` and their pictures beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        drawn = np.rint(make_radiograph(make_case(number), 112).image * 255).astype(np.uint8)
        Image.fromarray(drawn).save(folder / f"film-{number}.png")
    path = folder / "dialogues.jsonl"
    write_records(path, (taught_record(number, prior=prior) for number in range(count)))
    return path
