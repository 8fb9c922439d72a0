"""Fetches the newest earlier radiograph of a patient from other archives before a full reading.

It runs beside everything else and is bounded in time: triage never waits for it, and the full
reading no longer than ``seconds`` after the study closed. What it brings starts no reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from cxr_node.dicom.headers import read_facts
from cxr_node.domain.errors import NotConformant, PriorUnavailable
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.instance import Received
from cxr_node.domain.ports import Clock, Doorbell
from cxr_node.domain.prior_search import (
    Deadline,
    FetchOutcome,
    FoundStudy,
    PriorArchive,
    date_range,
    same_person,
    worth_fetching,
)
from cxr_node.store import prior_fetches
from cxr_node.store.database import Database
from cxr_node.store.prior_fetches import PriorWanted

REST_SECONDS = 30.0
"""An archive that failed is left alone for so long: readings must not wait for a dead one."""
_MOST_IMAGES = 4
_TRIED = 3
_GRACE_SECONDS = 10.0

Candidate = tuple[PriorArchive, FoundStudy]


class PriorFetch:
    """Works through the searches that intake asked for; one step from any number of threads."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        archives: Sequence[PriorArchive],
        keep: Callable[[Received], None],
        folder: Path,
        seconds: float,
        bell: Doorbell,
    ) -> None:
        self._db = db
        self._clock = clock
        self._archives = tuple(archives)
        self._keep = keep
        self._folder = folder
        self._seconds = seconds
        self._bell = bell
        self._resting: dict[str, float] = {}

    def work(self) -> int:
        """Do one search; 0 when nobody waits for one."""
        lease = self._seconds + _GRACE_SECONDS
        with self._db.begin() as session:
            wanted = prior_fetches.claim(session, self._clock.now(), lease)
        if wanted is None:
            return 0
        began = time.monotonic()
        outcome = FetchOutcome.FAILED
        try:
            outcome = self._search(wanted, Deadline(self._seconds))
        finally:
            with self._db.begin() as session:
                prior_fetches.finish(session, wanted, outcome, self._clock.now())
            self._bell.ring("read")
        seconds = round(time.monotonic() - began, 3)
        emit(Event.PRIOR_SEARCHED, study=wanted.study.study_uid, outcome=outcome, seconds=seconds)
        return 1

    def _search(self, wanted: PriorWanted, until: Deadline) -> FetchOutcome:
        dates = date_range(wanted.study.study_date)
        if dates is None or not wanted.patient.patient_id:
            return FetchOutcome.NONE
        failures: list[str] = []
        found = self._candidates(wanted, dates, until, failures)
        for archive, study in found[:_TRIED]:
            if self._is_known(study):
                return FetchOutcome.KNOWN
            try:
                if self._fetch(wanted, archive, study, until):
                    return FetchOutcome.FETCHED
            except PriorUnavailable as error:
                self._note(archive, error, failures)
        return FetchOutcome.FAILED if failures else FetchOutcome.NONE

    def _candidates(
        self,
        wanted: PriorWanted,
        dates: tuple[str, str],
        until: Deadline,
        failures: list[str],
    ) -> list[Candidate]:
        """Of all archives, newest first."""
        found: list[Candidate] = []
        for archive in self._archives:
            if self._resting.get(archive.name, 0.0) > time.monotonic():
                failures.append(archive.name)
                continue
            try:
                studies = archive.studies(wanted.patient, dates, until)
            except PriorUnavailable as error:
                self._note(archive, error, failures)
            else:
                worth = worth_fetching(wanted.study, wanted.patient, studies)
                found += [(archive, study) for study in worth]
        found.sort(key=lambda pair: (pair[1].study.study_date, pair[1].study.study_time))
        return found[::-1]

    def _fetch(
        self, wanted: PriorWanted, archive: PriorArchive, found: FoundStudy, until: Deadline
    ) -> bool:
        """Whether images of ``found`` are here now, and are those of the patient."""
        images = archive.images(found, _MOST_IMAGES, until)
        if not images:
            return False
        with self._db.begin() as session:
            prior = found.study.study_uid
            prior_fetches.expect(session, wanted.fetch_pk, prior, archive.name, archive.ae_title)
        asked_for = {image.instance_uid.text for image in images}

        def keep(received: Received) -> None:
            _check(received, wanted, found, asked_for)
            self._keep(received)

        archive.retrieve(images, self._folder, keep, until)
        return self._is_known(found)

    def _is_known(self, found: FoundStudy) -> bool:
        with self._db.read() as session:
            return prior_fetches.is_known(session, found.study.study_uid)

    def _note(self, archive: PriorArchive, error: PriorUnavailable, failures: list[str]) -> None:
        failures.append(archive.name)
        self._resting[archive.name] = time.monotonic() + REST_SECONDS
        emit_failure(Event.PRIOR_FAILED, error, source=archive.name)


def _check(
    received: Received, wanted: PriorWanted, found: FoundStudy, asked_for: Collection[str]
) -> None:
    """Raises :class:`NotConformant` for anything but what was asked for, of that person."""
    facts = read_facts(received.partial)
    if (
        facts.study.study_uid != found.study.study_uid
        or facts.sop_instance_uid.text not in asked_for
        or not same_person(wanted.patient, facts.patient)
    ):
        raise NotConformant("the archive sent something else than it was asked for")
