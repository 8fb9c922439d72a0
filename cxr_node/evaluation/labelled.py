"""Labelled images as studies to be graded: a folder of DICOM, PNG or JPEG and a CSV of labels.

The CSV has a column ``file`` and either a column ``labels`` with names between ``|``, or one
column per label with 1, 0, -1 (uncertain) or nothing. Names are those of CheXpert or anything
``reasoning/prose/terms.py`` knows; a name that stands for no finding is told, never dropped
silently.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cxr_node.dicom.headers import read_facts
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import ImageReference, ReadingKind
from cxr_node.domain.instance import View
from cxr_node.domain.ports import ImagePolicy, ImageReader, PreparedImage
from cxr_node.domain.stages import PROJECTIONS, StageKey
from cxr_node.evaluation.cases import NO_FINDING, SUPPORT_DEVICES
from cxr_node.evaluation.items import Item, Opened
from cxr_node.evaluation.truth import StudyTruth
from cxr_node.imaging.dicomize import anonymous_patient_id, dicomize
from cxr_node.imaging.radiograph import RadiographDetails, ViewPosition
from cxr_node.reasoning.boxes import PercentBox
from cxr_node.reasoning.prose.terms import named_terms
from cxr_node.reasoning.staged import Request

PixelBox = tuple[str, float, float, float, float]
"""Label and x0, y0, x1, y1 in pixels of the original."""

_PROJECTION = (StageKey.QUALITY_VIEW, "projection", "")
_GROUPS = ("view", "sex", "age_group", "vendor", "habitus", "quality")
_PICTURES = frozenset({".png", ".jpg", ".jpeg"})
_AGES = (40, 60, 75)


@dataclass(frozen=True, slots=True)
class Row:
    """One image of the CSV with what it tells: label to true or false; left out where unknown."""

    file: str
    labels: Mapping[str, bool]
    groups: Mapping[str, str]
    boxes: tuple[PixelBox, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a CSV, and the label names in it that stand for no finding."""

    rows: tuple[Row, ...]
    unknown: tuple[str, ...]


@dataclass(slots=True)
class _Names:
    """Label names as they are met."""

    unknown: dict[str, None] = field(default_factory=dict)

    def labels(self, name: str) -> tuple[str, ...]:
        """Our labels for a name in a CSV; none where there is none."""
        plain = " ".join(name.replace("_", " ").split())
        key = plain.casefold().replace(" ", "_")
        if key in (NO_FINDING, SUPPORT_DEVICES):
            return (key,)
        found = tuple(str(kind) for kind in named_terms(plain).known)
        if not found:
            self.unknown[name] = None
        return found


def read_table(path: Path, boxes: Path | None = None, under: str = "") -> Table:
    """Read the CSV, and of a second one (file, label, x, y, w, h in pixels) the true boxes.

    Only files whose name begins with ``under`` are kept. Raises
    :class:`ConfigurationError` for a CSV that is none or has no usable label.
    """
    entries = [row for row in _csv(path) if row.get("file") and row["file"].startswith(under)]
    if not entries:
        raise ConfigurationError(f"{path}: no row with a file{f' under {under}' if under else ''}")
    names = _Names()
    listed = "labels" in entries[0]
    told = [_listed(row, names) if listed else _columns(row, names) for row in entries]
    if listed:
        known = {label for labels in told for label in labels}
        told = [{label: label in labels for label in sorted(known)} for labels in told]
    if not any(told):
        raise ConfigurationError(f"{path}: no label that stands for a finding")
    placed = _boxes(boxes, names) if boxes else {}
    rows = [
        Row(row["file"], labels, dict(_groups(row)), tuple(placed.get(row["file"], ())))
        for row, labels in zip(entries, told, strict=True)
    ]
    return Table(tuple(rows), tuple(names.unknown))


def _csv(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: cannot be read as CSV: {error}") from error


def _listed(row: Mapping[str, str], names: _Names) -> dict[str, bool]:
    terms = [term for term in row["labels"].split("|") if term.strip()]
    return {label: True for term in terms for label in names.labels(term)}


def _columns(row: Mapping[str, str], names: _Names) -> dict[str, bool]:
    """One column per label; -1 and empty tell nothing."""
    told: dict[str, bool] = {}
    for name, value in row.items():
        if value.strip() in ("1", "1.0", "0", "0.0") and name not in (*_GROUPS, "file", "age"):
            for label in names.labels(name):
                told[label] = told.get(label, False) or value.strip().startswith("1")
    return told


def _groups(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in _GROUPS:
        if row.get(name):
            yield name, row[name]
    try:
        age = float(row.get("age", ""))
    except ValueError:
        return
    if "age_group" not in row:
        yield "age", next((f"under {edge}" for edge in _AGES if age < edge), f"{_AGES[-1]} on")


def _boxes(path: Path, names: _Names) -> dict[str, list[PixelBox]]:
    found: dict[str, list[PixelBox]] = {}
    for row in _csv(path):
        try:
            x, y, w, h = (float(row[name]) for name in ("x", "y", "w", "h"))
            file, label = row["file"], row["label"]
        except (KeyError, ValueError) as error:
            raise ConfigurationError(f"{path}: needs columns file, label, x, y, w, h") from error
        for ours in names.labels(label):
            found.setdefault(file, []).append((ours, x, y, x + w, y + h))
    return found


def image_items(
    table: Table,
    root: Path,
    images: ImageReader,
    work: Path,
    kind: ReadingKind = ReadingKind.READ,
) -> list[Item]:
    """The rows as studies; pictures are wrapped as DICOM below ``work``, as they would arrive."""
    return [
        Item(row.file, row.groups, partial(_open, row, root, images, work, kind))
        for row in table.rows
    ]


def _open(
    row: Row, root: Path, images: ImageReader, work: Path, kind: ReadingKind, policy: ImagePolicy
) -> Opened:
    source = root / row.file
    path = _wrapped(source, row, work) if source.suffix.lower() in _PICTURES else source
    facts = read_facts(path)
    image = images.prepare(path, facts.sop_instance_uid, policy)
    reference = ImageReference(
        facts.sop_instance_uid,
        facts.sop_class_uid,
        facts.series_uid,
        image.original_rows,
        image.original_columns,
        facts.view.value,
    )
    request = Request([image], [reference], kind, quality_control=facts.quality_control)
    view = row.groups.get("view", "")
    answers = {_PROJECTION: view} if view in PROJECTIONS else {}
    places = _percent(row.boxes, image)
    return request, StudyTruth(labels=row.labels, answers=answers, boxes=places)


def _wrapped(source: Path, row: Row, work: Path) -> Path:
    target = work / f"{row.file}.dcm"
    if not target.exists():
        view = row.groups.get("view", "").upper()
        details = RadiographDetails(
            anonymous_patient_id(source),
            view=ViewPosition.AP if view == View.AP else ViewPosition.PA,
        )
        dicomize(source, target, details)
    return target


def _percent(boxes: Sequence[PixelBox], image: PreparedImage) -> dict[str, tuple[PercentBox, ...]]:
    found: dict[str, list[PercentBox]] = {}
    for label, *corners in boxes:
        x0, y0 = image.from_original(corners[0], corners[1])
        x1, y1 = image.from_original(corners[2], corners[3])
        width, height = image.width / 100, image.height / 100
        found.setdefault(label, []).append((x0 / width, y0 / height, x1 / width, y1 / height))
    return {label: tuple(places) for label, places in found.items()}


def ignored_words(unknown: Iterable[str]) -> str:
    """One line on labels that are not graded; empty without any."""
    names = ", ".join(unknown)
    return f"labels that stand for no finding of this product, not graded: {names}" if names else ""
