"""CSV lists of a folder in MIMIC-CXR's layout: which studies, pictures and labels there are.

Any of MIMIC-CXR-JPG's lists (split, metadata, chexpert, negbio) or a list of one's own with the
same column names; several are joined by study.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cxr_node.domain.errors import RecordRefused
from cxr_node.domain.findings import Presence
from cxr_node.reasoning.labels import LABELS

_PRESENCE = {"1": Presence.PRESENT, "0": Presence.ABSENT, "-1": Presence.UNCERTAIN}
_LABEL_NAMES = {label.casefold(): label for label in LABELS}
_NUMBER = re.compile(r"\d{1,12}")
_NAME = re.compile(r"[\w-]{1,80}(?:\.[\w-]{1,40})*")


@dataclass(slots=True)
class ListedStudy:
    """One study as the lists name it."""

    subject: str
    study: str
    pictures: dict[str, str] = field(default_factory=dict)
    """DICOM id to view position; empty where the lists do not say."""
    labels: dict[str, Presence] = field(default_factory=dict)
    """CheXpert label to what the report says of it; labels it does not speak of are missing."""
    split: str = ""
    taken: tuple[str, str] = ("", "")
    """Date and time of the study, as DICOM DA and TM; empty where the lists do not say."""


def read_lists(paths: Iterable[Path]) -> list[ListedStudy]:
    """All studies of the lists, in the order in which they are first named.

    Raises :class:`RecordRefused` naming file, line and column.
    """
    found: dict[tuple[str, str], ListedStudy] = {}
    for path in paths:
        for where, row in _rows(path):
            subject = _id(row, "subject_id", "p", where)
            study = _id(row, "study_id", "s", where)
            _add(found.setdefault((subject, study), ListedStudy(subject, study)), row, where)
    return list(found.values())


def with_order(studies: Iterable[ListedStudy]) -> Iterator[tuple[ListedStudy, str, str]]:
    """Each study with the one before and the one after it of the same patient, or empty.

    By date and time where all of a patient's studies have them, else in the order listed:
    the numbers of the studies say nothing of time.
    """
    listed = list(studies)
    patients: dict[str, list[ListedStudy]] = {}
    for study in listed:
        patients.setdefault(study.subject, []).append(study)
    around: dict[str, tuple[str, str]] = {}
    for theirs in patients.values():
        if all(study.taken[0] for study in theirs):
            theirs = sorted(theirs, key=lambda study: study.taken)
        names = ["", *(study.study for study in theirs), ""]
        around |= {names[n]: (names[n - 1], names[n + 1]) for n in range(1, len(names) - 1)}
    for study in listed:
        yield study, *around[study.study]


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    try:
        with _opened(path) as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row:
                    raise RecordRefused(f"{where}: more values than columns")
                yield (
                    where,
                    {(k or "").strip().casefold(): (v or "").strip() for k, v in row.items()},
                )
    except OSError as error:
        raise RecordRefused(f"{path}: cannot be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError, EOFError) as error:
        raise RecordRefused(f"{path}: is no CSV file in UTF-8") from error


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _id(row: Mapping[str, str], column: str, prefix: str, where: str) -> str:
    """The digits of an id, which becomes part of a path."""
    found = row.get(column, "").removeprefix(prefix)
    if not _NUMBER.fullmatch(found):
        raise RecordRefused(f"{where}: column {column} holds no id")
    return found


def _add(study: ListedStudy, row: Mapping[str, str], where: str) -> None:
    picture = row.get("dicom_id", "")
    if picture:
        if not _NAME.fullmatch(picture):
            raise RecordRefused(f"{where}: column dicom_id holds no id")
        study.pictures[picture] = row.get("viewposition", "") or study.pictures.get(picture, "")
    study.split = row.get("split", "") or study.split
    if row.get("studydate"):
        study.taken = (row["studydate"], row.get("studytime", "").zfill(6))
    for column, label in _LABEL_NAMES.items():
        value = row.get(column, "").removesuffix(".0")
        if value:
            if value not in _PRESENCE:
                raise RecordRefused(f"{where}: column {label} holds neither 1, 0 nor -1")
            study.labels[label] = _PRESENCE[value]
