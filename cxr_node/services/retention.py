"""Retention: bytes whose time is over are removed, and every removal is on record.

Rows are marked and files removed in one transaction that holds the rows: an instance that
is sent again meanwhile waits for it, and is then either filed anew or refused for now.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from cxr_node.config_housekeeping import RetentionSection
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock
from cxr_node.domain.study import StudyState
from cxr_node.reporting.study_objects import REPORT_KINDS
from cxr_node.store import retention
from cxr_node.store.database import Database
from cxr_node.store.retention import ENDED, Removable
from cxr_node.store.schema import InstanceRow, QuarantineRow, ResultObjectRow

_BATCH = 100
_LEAST_AGE = timedelta(hours=1)
"""However full the disk is, what ended within this time stays."""
_KEPT_KINDS = (*REPORT_KINDS.values(), *(f"{kind}-2d" for kind in REPORT_KINDS.values()))
"""Reports: a later revision names its predecessor from them."""

Find = Callable[[Session, int], list[Removable]]


@dataclass(frozen=True, slots=True)
class Removed:
    """What one rule removed, or would remove."""

    what: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class _Rule:
    what: str
    table: type[InstanceRow | ResultObjectRow | QuarantineRow]
    find: Find


class Retention:
    """Applies the rules of ``section`` to the spool at ``root``."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        root: Path,
        section: RetentionSection,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._root = root
        self._section = section
        self._free = free_bytes or (lambda: shutil.disk_usage(root).free)

    def preview(self) -> list[Removed]:
        """What :meth:`work` would remove by age now; nothing is changed."""
        return [self._sized(rule) for rule in self._by_age()]

    def work(self) -> list[Removed]:
        """Remove what is over its time, then the oldest while too little space is free."""
        done = [self._apply(rule, lambda: True) for rule in self._by_age()]
        if self._is_short():
            done.append(self._apply(self._oldest(), self._is_short))
        for one in done:
            if one.files:
                emit(Event.BYTES_REMOVED, kind=one.what, count=one.files, bytes=one.size)
        return done

    def _is_short(self) -> bool:
        return self._free() < self._section.clean_below_bytes

    def _by_age(self) -> list[_Rule]:
        given, report = self._section, retention.results
        rules = (
            (given.images_days, self._images("images", ENDED, given.images_days)),
            (
                given.failed_days,
                self._images("images of failed studies", (StudyState.PARKED,), given.failed_days),
            ),
            (
                given.results_days,
                _Rule(
                    "results",
                    ResultObjectRow,
                    lambda s, n: report(s, _KEPT_KINDS, self._before(given.results_days), n),
                ),
            ),
            (
                given.quarantine_days,
                _Rule(
                    "quarantine",
                    QuarantineRow,
                    lambda s, n: retention.quarantined(s, self._before(given.quarantine_days), n),
                ),
            ),
        )
        return [rule for days, rule in rules if days]

    def _images(self, what: str, states: tuple[StudyState, ...], days: float) -> _Rule:
        before = self._before(days)
        return _Rule(what, InstanceRow, lambda s, n: retention.images(s, states, before, n))

    def _oldest(self) -> _Rule:
        before = self._clock.now() - _LEAST_AGE
        return _Rule(
            "images for space",
            InstanceRow,
            lambda s, n: retention.images(s, ENDED, before, min(n, 10)),
        )

    def _before(self, days: float) -> datetime:
        return self._clock.now() - timedelta(days=days)

    def _sized(self, rule: _Rule) -> Removed:
        with self._db.read() as session:
            found = rule.find(session, 1_000_000)
        sizes = [_size(Path(path)) for _, path in found]
        return Removed(rule.what, len(found), sum(sizes))

    def _apply(self, rule: _Rule, more: Callable[[], bool]) -> Removed:
        files = size = 0
        while more():
            with self._db.begin() as session:
                found = rule.find(session, _BATCH)
                size += self._remove(session, rule, found)
            files += len(found)
            if not found:
                break
        return Removed(rule.what, files, size)

    def _remove(self, session: Session, rule: _Rule, found: list[Removable]) -> int:
        keys = [key for key, _ in found]
        retention.mark_removed(session, rule.table, keys, self._clock.now())
        paths = {path for _, path in found}
        freed = 0
        for path in map(Path, sorted(paths - retention.still_named(session, paths))):
            if not path.is_relative_to(self._root):
                raise CxrNodeError("a row names a file outside the spool: nothing is removed")
            freed += _size(path)
            path.unlink(missing_ok=True)
        return freed


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
