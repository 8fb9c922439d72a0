"""Which study of another archive is worth fetching: the same person's, earlier, of the chest."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, Received, StudyFacts

OLDEST_YEARS = 10
"""An older radiograph says little of what is new."""
RADIOGRAPHS = ("DX", "CR")
_CHEST = ("CHEST", "THORAX", "LUNG", "RIB", "PULM")
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"[0-9]{2,6}")
_PARTS = 2


class FetchState(StrEnum):
    """Where the search for an earlier study stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class FetchOutcome(StrEnum):
    """How the search ended; empty in the database while it goes on."""

    FETCHED = "fetched"
    KNOWN = "known"
    """The newest one was here already."""
    NONE = "none"
    """The archive answered, and has nothing to compare with."""
    FAILED = "failed"


class Deadline:
    """A moment on the monotonic clock after which nobody waits any more."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, never negative."""
        return max(0.0, self._at - time.monotonic())

    @property
    def past(self) -> bool:
        return self.left <= 0.0


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study as an archive describes it."""

    study: StudyFacts
    patient: PatientFacts
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that may be retrieved, named on all levels."""

    study_uid: Uid
    series_uid: Uid
    instance_uid: Uid


class PriorArchive(Protocol):
    """Where earlier studies are. Methods raise :class:`PriorUnavailable` and keep ``until``."""

    @property
    def name(self) -> str: ...

    @property
    def ae_title(self) -> str:
        """Under which its C-STORE requests come; empty where it sends none."""

    def studies(
        self, patient: PatientFacts, dates: tuple[str, str], until: Deadline
    ) -> list[FoundStudy]: ...

    def images(self, found: FoundStudy, most: int, until: Deadline) -> list[FoundImage]: ...

    def retrieve(
        self,
        images: Sequence[FoundImage],
        folder: Path,
        keep: Callable[[Received], None],
        until: Deadline,
    ) -> int:
        """How many of ``images`` the archive has sent."""


def date_range(day: str) -> tuple[str, str] | None:
    """First and last Study Date to look at; None where ``day`` is none."""
    if not _DATE.fullmatch(day) or int(day[:4]) <= OLDEST_YEARS:
        return None
    return f"{int(day[:4]) - OLDEST_YEARS:04d}{day[4:]}", day


def is_earlier(other: tuple[str, str], now: tuple[str, str]) -> bool:
    """Whether a study (date, time) is known to be earlier than another.

    Without a date it is not; of two on one day the times decide.
    """
    if not _DATE.fullmatch(other[0]):
        return False
    if other[0] != now[0]:
        return other[0] < now[0]
    before, after = _six_digits(other[1]), _six_digits(now[1])
    return bool(before and after) and before < after


def _six_digits(text: str) -> str:
    """DICOM TM as six digits; empty when it is none."""
    whole = text.partition(".")[0].replace(":", "").strip()
    return whole.ljust(6, "0") if _TIME.fullmatch(whole) else ""


def same_person(wanted: PatientFacts, found: PatientFacts) -> bool:
    """The same patient ID, and nothing stated that speaks against it.

    Issuer, name (family and given, whatever their case) and birth date are compared where
    both sides state them: a number used twice must not put two people side by side.
    """
    if not wanted.patient_id or wanted.patient_id != found.patient_id:
        return False
    stated = (
        (wanted.issuer, found.issuer),
        (wanted.birth_date, found.birth_date),
        (_plain_name(wanted.name), _plain_name(found.name)),
    )
    return all(not a or not b or a == b for a, b in stated)


def _plain_name(name: str) -> str:
    """Family and given name of the alphabetic group, in one spelling."""
    parts = name.partition("=")[0].split("^")[:_PARTS]
    return "^".join(" ".join(part.split()).casefold() for part in parts).strip("^")


def is_chest(body_part: str, *descriptions: str) -> bool:
    """Whether this may be a radiograph of the chest; descriptions count where no part is named."""
    named = body_part or " ".join(descriptions)
    return not named.strip() or any(word in named.upper() for word in _CHEST)


def worth_fetching(
    wanted: StudyFacts, patient: PatientFacts, found: Iterable[FoundStudy]
) -> list[FoundStudy]:
    """Earlier radiographs of the same person, newest first."""
    now = (wanted.study_date, wanted.study_time)
    chosen = [
        other
        for other in found
        if other.study.study_uid != wanted.study_uid
        and same_person(patient, other.patient)
        and is_earlier((other.study.study_date, other.study.study_time), now)
        and (not other.modalities or set(RADIOGRAPHS) & set(other.modalities))
    ]
    return sorted(chosen, key=_age, reverse=True)


def _age(found: FoundStudy) -> tuple[str, str, str]:
    study = found.study
    return study.study_date, _six_digits(study.study_time), study.study_uid.text
