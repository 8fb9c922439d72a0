"""Writes phantoms to a folder: one picture a film, masks if wished, and each film's record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.answers import paired_record, record
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import write_film
from cxr_node.phantom.batched.make import Radiograph, pairs, radiographs
from cxr_node.phantom.batched.pairs import make_pair
from cxr_node.phantom.batched.patient import Level


@dataclass(frozen=True, slots=True)
class Wish:
    """What to draw and how to write it; one case a seed."""

    seeds: Sequence[int]
    size: int = 224
    hard: bool = False
    view: View | None = None
    pairs: bool = False
    dicom: bool = False
    masks: bool = False

    @property
    def level(self) -> Level:
        return Level.HARD if self.hard else Level.STANDARD


def written(wish: Wish, folder: Path) -> Iterator[tuple[Radiograph, dict[str, Any]]]:
    """Draw and write one case after the other; yields its (current) film and its record.

    Files are named by the seed; ``image`` and ``masks`` in the record are relative paths.
    """
    if wish.pairs:
        both = (make_pair(s, view=wish.view, level=wish.level) for s in wish.seeds)
        for films in pairs(both, wish.size):
            line = paired_record(films)
            line["prior"] |= _files(films.prior, wish, folder)
            yield films.current, line | _files(films.current, wish, folder)
        return
    cases = (make_case(s, view=wish.view, level=wish.level) for s in wish.seeds)
    for film in radiographs(cases, wish.size):
        yield film, record(film) | _files(film, wish, folder)


def _files(film: Radiograph, wish: Wish, folder: Path) -> dict[str, Any]:
    stem = f"{film.case.seed:08d}" + ("-prior" if film.case.take else "")
    if wish.dicom:
        path = write_film(film, folder / "dicom")
    else:
        path = folder / f"{stem}.png"
        Image.fromarray(np.rint(film.image * 255).astype(np.uint8)).save(path)
    files: dict[str, Any] = {"image": path.relative_to(folder).as_posix()}
    if wish.masks:
        files["masks"] = _masks(film, folder, stem)
    return files


def _masks(film: Radiograph, folder: Path, stem: str) -> dict[str, str]:
    (folder / "masks").mkdir(exist_ok=True)
    names = {}
    for sign, mask in film.masks.items():
        path = folder / "masks" / f"{stem}-{sign.value}.png"
        Image.fromarray(mask).save(path)
        names[sign.value] = path.relative_to(folder).as_posix()
    return names
