"""Phantoms of difficulty "phantom-2" as studies to be graded; drawing them needs torch.

They come as pictures, as files of several makers (which then pass through the whole decoding),
or as a current film with its prior, of which every change is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cxr_node.dicom.headers import read_facts
from cxr_node.domain.findings import PriorStudy, ReadingKind
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.instance import View
from cxr_node.domain.ports import ImagePolicy, ImageReader, PreparedImage
from cxr_node.evaluation.items import Item, Opened
from cxr_node.evaluation.phantom_truth import record_truth
from cxr_node.evaluation.pictures import prepared, reference
from cxr_node.phantom.batched.answers import paired_record, record
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import write_film
from cxr_node.phantom.batched.make import Radiograph, make_radiograph, pairs
from cxr_node.phantom.batched.pairs import make_pair
from cxr_node.phantom.batched.patient import Level
from cxr_node.phantom.batched.vendors import vendor_of
from cxr_node.reasoning.staged import PriorPicture, Request

Shown = Callable[[Radiograph, ImagePolicy], PreparedImage]


@dataclass(frozen=True, slots=True)
class Films:
    """Which films: level, pixels across, how much is asked, and whether a prior is shown."""

    level: Level
    size: int
    kind: ReadingKind = ReadingKind.READ
    pairs: bool = False


@dataclass(frozen=True, slots=True)
class Files:
    """Where films are written before they are read as any other file would be."""

    folder: Path
    images: ImageReader

    def shown(self, film: Radiograph, policy: ImagePolicy) -> PreparedImage:
        """The film after its way through a maker's file."""
        path = write_film(film, self.folder)
        return self.images.prepare(path, read_facts(path).sop_instance_uid, policy)


def batched_items(seeds: Sequence[int], films: Films, files: Files | None = None) -> list[Item]:
    """One study a seed; with ``files`` they pass through DICOM."""
    shown = files.shown if files else _picture
    opened = _pair if films.pairs else _single
    return [
        Item(
            f"{films.level}/{seed}",
            {"vendor": vendor_of(seed).model} if files else {},
            partial(opened, seed, films, shown),
        )
        for seed in seeds
    ]


def _picture(film: Radiograph, policy: ImagePolicy) -> PreparedImage:
    case = film.case
    return prepared(film.image, (case.level, case.seed, case.take, film.size), policy)


def _single(seed: int, films: Films, shown: Shown, policy: ImagePolicy) -> Opened:
    film = make_radiograph(make_case(seed, level=films.level), films.size)
    image = shown(film, policy)
    request = Request([image], [reference(image, _view(film))], films.kind, quality_control=True)
    return request, record_truth(record(film))


def _pair(seed: int, films: Films, shown: Shown, policy: ImagePolicy) -> Opened:
    (both,) = pairs([make_pair(seed, level=films.level)], films.size)
    image, earlier = shown(both.current, policy), shown(both.prior, policy)
    study = PriorStudy(
        result_uid("evaluation", "prior", films.level, seed), reference(earlier, _view(both.prior))
    )
    request = Request(
        [image],
        [reference(image, _view(both.current))],
        films.kind,
        quality_control=True,
        prior=PriorPicture(study, earlier),
    )
    return request, record_truth(paired_record(both))


def _view(film: Radiograph) -> str:
    return View(film.case.view).value
