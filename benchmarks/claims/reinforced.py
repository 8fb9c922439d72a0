"""Claim of NV-Reason-CXR (arXiv 2510.23968) and the release gate: a model against its base.

``BASE`` is the model after supervised fine-tuning, ``CANDIDATE`` the same after GRPO. Both read
held-out standard phantoms, and hard ones through files of makers that no training saw. F1 is
given as the model calls, and at thresholds fitted for each model on phantoms of their own.

    python -m benchmarks.claims.reinforced BASE CANDIDATE OUT --count 300
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.claims.paired import (
    Line,
    accuracy,
    best_thresholds,
    by_seed,
    common_answers,
    compare,
    macro_auroc,
    macro_f1,
    write,
)
from benchmarks.claims.readings import CALIBRATION, HARD, HELD_OUT, STANDARD, Set, read
from cxr_node.evaluation.cases import Case

_PAIR = (("base", "candidate"),)
GATE = 0.02
"""So much macro-F1 may be lost on the hard set."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("candidate", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--calibrating", type=int, default=200)
    asked = parser.parse_args()
    models = {"base": asked.base, "candidate": asked.candidate}
    sets = {
        "standard": Set(STANDARD, asked.count),
        "hard": Set(HARD, asked.count, files=True, triage=True),
        "fitted": Set(STANDARD, asked.calibrating, CALIBRATION, triage=True),
    }
    found = {
        name: {
            arm: read(folder, wanted, asked.out / f"{arm}-{name}") for arm, folder in models.items()
        }
        for name, wanted in sets.items()
    }
    fitted = {arm: macro_f1(best_thresholds(cases)) for arm, cases in found["fitted"].items()}
    lines = [line for name in ("standard", "hard") for line in _lines(name, found[name], fitted)]
    for arm in models:
        both = {name: by_seed(found[name][arm]) for name in ("standard", "hard")}
        pair = (("standard", "hard"),)
        lines.append(compare(f"{arm}: macro F1 at fitted thresholds", fitted[arm], both, pair))
        lines.append(compare(f"{arm}: macro AUROC", macro_auroc, both, pair))
    gate = next(line for line in lines if line.figure == "hard: macro F1 at fitted thresholds")
    lost = gate.differences["candidate - base"].value
    about = {
        "claim": "GRPO after SFT; release gate",
        "count": asked.count,
        "first_seed": HELD_OUT,
        "fitted_on": asked.calibrating,
        "gate": "passed" if lost is not None and lost >= -GATE else "failed",
    }
    write(asked.out / "reinforced.json", about, lines)


def _lines(name: str, arms: dict[str, list[Case]], fitted: dict[str, object]) -> list[Line]:
    shared = common_answers(arms)
    stages = sorted({a.stage for case in shared["base"] for a in case.answers})
    return [
        compare(f"{name}: macro F1 as called", macro_f1(), arms, _PAIR),
        compare(f"{name}: macro F1 at fitted thresholds", fitted, arms, _PAIR),
        compare(f"{name}: macro AUROC", macro_auroc, arms, _PAIR),
        compare(f"{name}: all stages, exact", accuracy(), shared, _PAIR),
        *(
            compare(f"{name}: stage {stage}, exact", accuracy(stage), shared, _PAIR)
            for stage in stages
        ),
    ]


if __name__ == "__main__":
    main()
