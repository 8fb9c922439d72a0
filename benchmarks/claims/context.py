"""Claim of CXRTrek (arXiv 2505.23143): the answers of earlier stages help the later ones.

The same model reads the same phantoms three times: every question alone, after its own
answers, and after the right ones. Only questions that were asked all three times are compared.

    python -m benchmarks.claims.context MODEL OUT --count 300
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.claims.paired import accuracy, common_answers, compare, macro_auroc, write
from benchmarks.claims.readings import HELD_OUT, STANDARD, Set, read
from cxr_node.evaluation.context import Context

_PAIRS = (("none", "own"), ("own", "reference"), ("none", "reference"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="only so many of them for now")
    asked = parser.parse_args()
    wanted = Set(STANDARD, asked.count, first=asked.first)
    arms = {
        context.value: read(asked.model, wanted, asked.out / context.value, context=context)
        for context in (Context.OWN, Context.REFERENCE, Context.NONE)
    }
    shared = common_answers(arms)
    places = {(a.stage, a.question) for case in shared["own"] for a in case.answers}
    lines = [compare("macro AUROC of findings", macro_auroc, arms, _PAIRS)]
    lines.append(compare("all stages, exact", accuracy(), shared, _PAIRS))
    for stage in sorted({stage for stage, _ in places}):
        lines.append(compare(f"stage {stage}, exact", accuracy(stage), shared, _PAIRS))
    for stage, question in sorted(places):
        name = f"stage {stage}: {question}"
        lines.append(compare(name, accuracy(stage, question), shared, _PAIRS))
    about = {"claim": "stage context", "count": asked.first or asked.count, "first_seed": HELD_OUT}
    answers = {arm: sum(len(c.answers) for c in cases) for arm, cases in arms.items()}
    common = sum(len(c.answers) for c in shared["own"])
    write(asked.out / "context.json", {**about, "asked": answers, "compared": common}, lines)


if __name__ == "__main__":
    main()
