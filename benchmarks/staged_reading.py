"""Eight stages over one carried cache against fresh runs of the whole history: time ratios.

Weights are random, sizes are real: 48M (32-bit, CPU) or the published 3B shape (bfloat16, a
CUDA card). Every comparison first shows that both sides give the same answers. Seconds belong
to the machine (with --threads 1 they are CPU seconds); read the ratios.

    python benchmarks/staged_reading.py                       # CPU, some ten minutes
    python benchmarks/staged_reading.py --shape 3B --device cuda --batches 1 16 64
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.random_models import (
    SHAPES,
    Card,
    noise,
    prefill_operations,
    random_model,
    step_seconds,
    vision_operations,
    words,
)
from cxr_node.domain.ports import Ask, Generated, PreparedImage
from cxr_node.reasoning.transformers_model import TransformersModel

STAGES, QUESTION, OPTIONS = 8, 48, 12


@dataclass
class Asked:
    """What is measured with."""

    model: TransformersModel
    side: int
    runs: int
    rows: list[dict[str, Any]] = field(default_factory=list)

    def seconds(self, work: Callable[[], Any]) -> float:
        """Median of some runs, after one that warms up."""
        work()
        taken = []
        for _ in range(self.runs):
            began = _now(self.model)
            work()
            taken.append(_now(self.model) - began)
        return statistics.median(taken)

    def row(self, what: str, ours: float, theirs: float, **more: Any) -> None:
        self.rows.append(
            {"what": what, "seconds": ours, "against": theirs, "ratio": theirs / ours, **more}
        )


def _now(model: TransformersModel) -> float:
    """Wall clock; on one thread of a CPU its own time, which other load disturbs less."""
    if model.engine.network.device.type == "cuda":
        torch.cuda.synchronize()
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def question(stage: int) -> str:
    return words(QUESTION, stage)


def options(stage: int) -> tuple[str, ...]:
    return tuple(words(2 + (stage + i) % 6, 1000 + stage * OPTIONS + i) for i in range(OPTIONS))


def carried(
    model: TransformersModel, images: Sequence[PreparedImage], new_tokens: int
) -> list[list[str]]:
    """The product's way, several studies together; no tokens means closed questions."""
    with ExitStack() as opened:
        talks = [opened.enter_context(model.begin([image])) for image in images]
        said: list[list[str]] = [[] for _ in talks]
        for stage in range(STAGES):
            ask = Ask(question(stage), max_new_tokens=new_tokens)
            if not new_tokens:
                ask = Ask(question(stage), options=options(stage))
            for talk, reply, answers in zip(
                talks, model.answer([(talk, ask) for talk in talks]), said, strict=True
            ):
                if isinstance(reply, Generated):
                    answer = reply.text
                elif isinstance(reply, tuple):
                    answer = ask.options[reply.index(max(reply))]
                else:
                    raise reply
                talk.settle(answer)
                answers.append(answer)
    return said


class Fresh:
    """Every question reads the picture and the whole history again."""

    def __init__(self, model: TransformersModel, image: PreparedImage) -> None:
        self.engine = model.engine
        self.pictures = model.look([image])
        self.ids = self.engine.encode(self.engine.chat.head(self.pictures.tokens))

    def _inputs(self, ids: list[int]) -> dict[str, torch.Tensor]:
        network = self.engine.network
        network.model.rope_deltas = None
        tokens = torch.tensor([ids], device=network.device)
        return {
            "input_ids": tokens,
            "attention_mask": torch.ones_like(tokens),
            "mm_token_type_ids": (tokens == self.engine.picture_id).int(),
            "pixel_values": self.pictures.patches,
            "image_grid_thw": self.pictures.grid,
        }

    def ask(self, stage: int) -> None:
        asked = self.engine.chat.question(question(stage), first=stage == 0)
        self.ids += self.engine.encode(asked)

    def settle(self, answer: str) -> None:
        self.ids += self.engine.encode(self.engine.chat.answer(answer))

    @torch.inference_mode()
    def generate(self, new_tokens: int) -> str:
        found = self.engine.network.generate(
            **self._inputs(self.ids), max_new_tokens=new_tokens, do_sample=False
        )[0, len(self.ids) :].tolist()
        return self.engine.decode([i for i in found if i not in self.engine.stop_ids])

    @torch.inference_mode()
    def best(self, stage: int) -> str:
        """The option of highest probability, each in a forward of its own."""
        scores = []
        for option in options(stage):
            branch = self.engine.encode(option)
            logits = self.engine.network(
                **self._inputs(self.ids + branch), use_cache=False, logits_to_keep=len(branch) + 1
            ).logits[0]
            found = torch.log_softmax(logits.float(), -1)
            scores.append(sum(float(found[i, token]) for i, token in enumerate(branch)))
        return options(stage)[scores.index(max(scores))]


def fresh(model: TransformersModel, image: PreparedImage, new_tokens: int) -> list[str]:
    """Eight calls of ``generate``, or every option of eight questions by itself."""
    study, said = Fresh(model, image), []
    for stage in range(STAGES):
        study.ask(stage)
        said.append(study.generate(new_tokens) if new_tokens else study.best(stage))
        study.settle(said[-1])
    return said


def against_fresh(asked: Asked, lengths: Sequence[int]) -> None:
    """One study: closed and open answers, carried against fresh."""
    model, image = asked.model, noise(asked.side, 0)
    small = noise(224, 1)
    (scored,) = carried(model, [small], 0)
    same = scored == fresh(model, small, 0)
    closed = asked.seconds(lambda: carried(model, [image], 0))
    for length in lengths:
        (ours,) = carried(model, [image], length)
        theirs = fresh(model, image, length)
        taken = asked.seconds(lambda n=length: fresh(model, image, n))
        open_ = asked.seconds(lambda n=length: carried(model, [image], n))
        asked.row(f"{length}-token answers, carried | fresh", open_, taken, same=ours == theirs)
        asked.row(f"closed, scored | fresh {length}-token answers", closed, taken, same=same)


def batches(asked: Asked, sizes: Sequence[int], new_tokens: int) -> None:
    """Studies together against the same studies one by one."""
    model = asked.model
    for size in sizes:
        images = [noise(asked.side, seed) for seed in range(size)]
        for name, length in (("closed", 0), (f"{new_tokens}-token answers", new_tokens)):
            together = carried(model, images, length)
            alone = [carried(model, [image], length)[0] for image in images]
            one = asked.seconds(lambda n=length, i=images[:1]: carried(model, i, n))
            taken = asked.seconds(lambda n=length, i=images: carried(model, i, n))
            asked.row(
                f"batch of {size} | one by one, {name}",
                taken,
                one * size,
                same=together == alone,
                studies_an_hour=3600 * size / taken,
                memory_mb_a_study=model.engine.slots.memory_bytes / size / 1e6,
            )


def roofline(asked: Asked, shape_name: str, card: Card, new_tokens: int, batch: int) -> float:
    """Seconds that ``batch`` studies need at the very least on ``card``."""
    shape = SHAPES[shape_name]
    picture = (asked.side // 28) ** 2
    turn = QUESTION + 3 + new_tokens
    done = vision_operations(shape, asked.side)
    done += sum(prefill_operations(shape, QUESTION, picture + s * turn) for s in range(STAGES))
    done += prefill_operations(shape, picture)
    context = picture + STAGES * turn / 2
    steps = STAGES * max(new_tokens, 1)
    return batch * done / card.operations_a_second + steps * step_seconds(
        shape, card, batch, context
    )


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="48M")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--side", type=int, default=1008, help="pixels, a multiple of 28")
    parser.add_argument("--answers", type=int, nargs="*", default=[24, 128])
    parser.add_argument("--batches", type=int, nargs="*", default=[8])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--bandwidth", type=float, help="bytes a second of the card, for limits")
    parser.add_argument("--operations", type=float, help="operations a second of the card")
    parser.add_argument("--out", type=Path, default=Path("staged_reading.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    shape = SHAPES[given.shape]
    model = random_model(shape, device=given.device, new_tokens=min(given.answers), side=given.side)
    asked = Asked(model, given.side, given.runs)
    against_fresh(asked, given.answers)
    batches(asked, given.batches, min(given.answers))
    if given.bandwidth and given.operations:
        card = Card(given.bandwidth, given.operations)
        for row in asked.rows:
            if row["what"].startswith("batch of "):
                length = 0 if row["what"].endswith("closed") else min(given.answers)
                size = int(row["what"].split()[2])
                least = roofline(asked, given.shape, card, length, size)
                row["share_of_limit"] = least / row["seconds"]
    _print(asked.rows)
    settings = vars(given) | {"out": str(given.out), "shape": asdict(shape)}
    given.out.write_text(json.dumps({"settings": settings, "rows": asked.rows}, indent=1) + "\n")


def _print(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("measured | against", "s", "s against", "ratio", "same answers", "more")
    for row in rows:
        known = ("what", "seconds", "against", "ratio", "same")
        more = ", ".join(f"{k} {v:.3g}" for k, v in row.items() if k not in known)
        same = {True: "yes", False: "NO"}.get(row.get("same"), "")
        figures = (f"{row['seconds']:.2f}", f"{row['against']:.2f}", f"{row['ratio']:.1f}")
        table.add_row(row["what"], *figures, same, more)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
