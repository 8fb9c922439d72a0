"""Drawing phantoms: phantom-2 in batches of torch against phantom-1's generator, as ratios.

Processor seconds of one thread, pictures, masks, truth and report included. Seconds belong to
the machine; read the ratios. ``--device cuda`` draws phantom-2 on a card (wall seconds).

    python benchmarks/phantoms.py --n 128
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import write_film
from cxr_node.phantom.batched.make import radiographs
from cxr_node.phantom.make import make_phantom


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

    def first(count: int) -> None:
        for seed in range(count):
            make_phantom(seed)

    def second(count: int) -> None:
        cases = (make_case(seed) for seed in range(count))
        list(radiographs(cases, 224, device=asked.device, batch=asked.batch))

    def full(count: int) -> None:
        cases = (make_case(seed) for seed in range(count))
        with tempfile.TemporaryDirectory() as folder:
            for film in radiographs(cases, asked.full, device=asked.device):
                write_film(film, Path(folder))

    old = per_image(first, asked.n, time.process_time)
    new = per_image(second, asked.n, clock)
    whole = per_image(full, max(4, asked.n // 16), clock)
    found = {
        "phantom-1, 224 px, seconds": old,
        "phantom-2, 224 px, seconds": new,
        "ratio": old / new,
        f"phantom-2, {asked.full} px as DICOM, seconds": whole,
    }
    Console().print_json(json.dumps(found))


if __name__ == "__main__":
    main()
