"""Builds what serves work items and exams, and the loops that keep them moving."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from cxr_node.config import Configuration
from cxr_node.dicom.calling import calling_options
from cxr_node.dicom.mpps_scp import MppsService
from cxr_node.dicom.ups_scp import UpsService
from cxr_node.dicom.ups_scu import EventSender
from cxr_node.domain.ports import Clock
from cxr_node.entry.loops import Loop
from cxr_node.services.exams import Exams
from cxr_node.services.reading_items import ReadingItems, take_back
from cxr_node.services.workitem_channel import WorkitemChannel
from cxr_node.services.workitem_delivery import WorkitemDelivery
from cxr_node.services.workitems import Workitems
from cxr_node.store.database import Database
from cxr_node.web.ups_routes import WorkitemService

_WRITE_SECONDS = 0.1
_TELL_SECONDS = 0.1
_EXAM_SECONDS = 0.5
_TIDY_SECONDS = 300.0
_EVENT_SECONDS = 5.0


class WorkitemParts:
    """The parts of the node that deal in work items, each built when it is first needed."""

    def __init__(self, config: Configuration, db: Database, clock: Clock) -> None:
        self._config = config
        self._db = db
        self._clock = clock

    @cached_property
    def sender(self) -> EventSender:
        config = self._config
        return EventSender(
            config.node.ae_title,
            config.peer,
            _EVENT_SECONDS,
            lambda peer, seconds: calling_options(peer, config.tls, seconds),
        )

    @cached_property
    def workitems(self) -> Workitems:
        own_ae = self._config.node.ae_title
        return Workitems(self._db, self._clock, own_ae, self.sender.reaches, take_back)

    @cached_property
    def exams(self) -> Exams:
        return Exams(self._db, self._clock)

    @cached_property
    def readings(self) -> ReadingItems:
        chosen = self._config.node
        return ReadingItems(self._db, self._clock, chosen.ae_title, chosen.station_name)

    @cached_property
    def delivery(self) -> WorkitemDelivery:
        return WorkitemDelivery(self._db, self._clock, self.sender.send)

    def web_service(self) -> WorkitemService:
        """For the page."""
        return WorkitemService(self.workitems, WorkitemChannel(self._db, self._clock))

    def ups_service(self) -> UpsService:
        """For the listener."""
        return UpsService(self.workitems)

    def mpps_service(self) -> MppsService:
        """For the listener."""
        return MppsService(self.exams)

    def _tidy(self) -> None:
        self.delivery.tidy()

    def loops(self) -> list[Loop]:
        """Write the node's own items, tell followers, end quiet times, forget old events."""
        steps: tuple[tuple[str, Callable[[], int | None], float], ...] = (
            ("workitems", lambda: self.readings.work(), _WRITE_SECONDS),
            ("workitem-events", lambda: self.delivery.work(), _TELL_SECONDS),
            ("exams", lambda: self.exams.settle(), _EXAM_SECONDS),
            ("workitem-tidy", self._tidy, _TIDY_SECONDS),
        )
        return [Loop(name, step, seconds) for name, step, seconds in steps]
