"""Drawing phantoms in batches of torch, against one at a time and against the rate promised.

Processor seconds of one thread, pictures, masks, truth and report included. Seconds belong to
the machine; read the ratios. ``--device cuda`` draws on a card (wall seconds).

    python benchmarks/phantoms.py --n 128
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import write_film
from cxr_node.phantom.batched.make import radiographs

_PROMISED = 2 / 60
"""Processor seconds an image."""


def per_image(work: Callable[[int], object], count: int, clock: Callable[[], float]) -> float:
    """Seconds an image, after one run that warms up."""
    work(min(count, 8))
    began = clock()
    work(count)
    return (clock() - began) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=128)
    parser.add_argument("--full", type=int, default=2304, help="pixels of a full picture")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    clock = time.process_time if asked.device == "cpu" else time.perf_counter

    def drawn(count: int, batch: int) -> None:
        cases = (make_case(seed) for seed in range(count))
        list(radiographs(cases, 224, device=asked.device, batch=batch))

    def full(count: int) -> None:
        cases = (make_case(seed) for seed in range(count))
        with tempfile.TemporaryDirectory() as folder:
            for film in radiographs(cases, asked.full, device=asked.device):
                write_film(film, Path(folder))

    single = per_image(partial(drawn, batch=1), asked.n, clock)
    batched = per_image(partial(drawn, batch=asked.batch), asked.n, clock)
    whole = per_image(full, max(4, asked.n // 16), clock)
    found = {
        "224 px, one at a time, seconds": single,
        "224 px, in batches, seconds": batched,
        "one at a time / in batches": single / batched,
        "promised seconds (60 a second on two cores) / in batches": _PROMISED / batched,
        f"{asked.full} px as DICOM, seconds": whole,
    }
    Console().print_json(json.dumps(found))


if __name__ == "__main__":
    main()
