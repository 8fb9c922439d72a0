"""Triage against a full reading, in CPU seconds of one thread, for the models that people run.

The embedded model reads phantoms. The published models cannot be had here: each stands as a
random network of its architecture with 48 million parameters, its own picture, prompts and
manner of answering. A full reading writes open answers of a stated length (boxes: at most 12
tokens); thoughts and an opening trace, where the family has them, are given the same length,
which is less than they take in life. "The picture" is what no triage can go below: pixels to
patches, vision tower, reading of the visual tokens; the highest ratio is a full reading by it.

    python benchmarks/triage.py                  # everything, some minutes on an idle machine
    python benchmarks/triage.py --only embedded
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.random_models import family_model, noise
from cxr_node.domain.findings import ImageReference, Presence, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import PreparedImage
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import radiographs
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.forward import Piece, forward
from cxr_node.reasoning.profiles import Architecture, Family
from cxr_node.reasoning.staged import Request, StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model

SHAPES = (
    ("ChestX-Reasoner's, 448 px", Family.CHESTX_REASONER, Architecture.QWEN2_VL, 448),
    ("NV-Reason's, 476 px", Family.NV_REASON_CXR, Architecture.QWEN2_5_VL, 476),
    ("any Qwen2.5-VL instruct, 1008 px", Family.INSTRUCT, Architecture.QWEN2_5_VL, 1008),
)
"""The largest picture that each family's profile lets through."""
LENGTHS = (24, 128, 400)
"""Tokens; NV-Reason's training punishes traces of fewer than 400."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One row: milliseconds a study, and what was read."""

    model: str
    open_answers: str
    visual_tokens: int
    questions: float
    findings: float
    """Findings held present a study: the more, the longer a full reading."""
    picture: float
    triage: float
    full: float

    @property
    def ratio(self) -> float:
        return self.full / self.triage

    @property
    def highest(self) -> float:
        """The ratio if triage were the picture and nothing else."""
        return self.full / self.picture


def milliseconds(work: Callable[[], object], runs: int) -> float:
    """The least of some runs; a machine that does other things only ever adds."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1000 * min(taken)


def picture_alone(model: TransformersModel, image: PreparedImage) -> int:
    """Read the picture and nothing else; the number of its visual tokens."""
    with model.begin([image]) as talk:
        opening = talk.opening if isinstance(talk, CachedConversation) else None
        if opening is None:
            raise TypeError("no picture to read")
        piece = Piece(talk.seat, talk.delta, talk.pending, (), opening=opening)
        forward(model.engine, [piece])
        return sum(opening.pictures.tokens)


def measure(
    name: str, length: str, model: TransformersModel, images: Sequence[PreparedImage], runs: int
) -> Measured:
    """Each picture once for warmth, then ``runs`` times each way."""
    reader = StagedReader(model)
    read: list[Reading] = []
    full = triage = picture = 0.0
    for image in images:
        reader.read(_request(image, ReadingKind.TRIAGE))
        picture += milliseconds(lambda i=image: picture_alone(model, i), runs)
        triage += milliseconds(lambda i=image: reader.read(_request(i, ReadingKind.TRIAGE)), runs)
        full += milliseconds(
            lambda i=image: read.append(reader.read(_request(i, ReadingKind.READ))), runs
        )
    count = len(images)
    found = [[f for f in one.findings if f.presence is Presence.PRESENT] for one in read]
    return Measured(
        model=name,
        open_answers=length,
        visual_tokens=picture_alone(model, images[0]),
        questions=sum(len(one.turns) for one in read) / len(read),
        findings=sum(map(len, found)) / len(read),
        picture=picture / count,
        triage=triage / count,
        full=full / count,
    )


def embedded(count: int, runs: int) -> Iterator[Measured]:
    """The model that ships, on phantoms without findings and with findings by chance."""
    model = load_model(embedded_folder(), device="cpu")
    side = model.image_policy.side
    for name, signs in (("normal", ()), ("with findings by chance", None)):
        cases = [make_case(9_900_000 + n, signs=signs) for n in range(count)]
        drawn = [film.image for film in radiographs(cases, side)]
        images = [
            replace(noise(side, number), gray=(image * 255).astype("uint8").tobytes())
            for number, image in enumerate(drawn)
        ]
        yield measure(f"embedded, {count} phantoms {name}", "its own", model, images, runs)


def published(lengths: Sequence[int], runs: int) -> Iterator[Measured]:
    """A random network for each published model, open answers of each length."""
    for name, family, architecture, side in SHAPES:
        for length in lengths:
            model = family_model(family, architecture, side=side, new_tokens=length)
            image = noise(side, 0)
            yield measure(name, f"{length} tokens", model, [image], runs)


def _request(image: PreparedImage, kind: ReadingKind) -> Request:
    uid = image.sop_instance_uid
    reference = ImageReference(uid, Uid("1.2"), Uid("1.3"), 2000, 2000, "PA")
    return Request([image], [reference], kind, quality_control=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, nargs="*", default=LENGTHS)
    parser.add_argument("--phantoms", type=int, default=10)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--only", choices=("embedded", "published"))
    parser.add_argument("--out", type=Path, default=Path("triage.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Measured] = []
    for row in _rows(given):
        rows.append(row)
        made = [asdict(row) | {"ratio": row.ratio, "highest": row.highest} for row in rows]
        given.out.write_text(json.dumps(made, indent=1) + "\n")
    _print(rows)


def _rows(given: argparse.Namespace) -> Iterator[Measured]:
    if given.only != "published":
        yield from embedded(given.phantoms, given.runs)
    if given.only != "embedded":
        yield from published(given.answers, given.runs)


def _print(rows: Sequence[Measured]) -> None:
    table = Table("model", "open answers", "tokens of the picture", "questions", "findings held")
    for head in ("picture ms", "triage ms", "full ms", "full : triage", "full : picture"):
        table.add_column(head, justify="right")
    for row in rows:
        read = (str(row.visual_tokens), f"{row.questions:.0f}", f"{row.findings:.1f}")
        taken = (f"{value:.0f}" for value in (row.picture, row.triage, row.full))
        ratios = f"{row.ratio:.1f}", f"{row.highest:.1f}"
        table.add_row(row.model, row.open_answers, *read, *taken, *ratios)
    Console(width=175).print(table)


if __name__ == "__main__":
    main()
