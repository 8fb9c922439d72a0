"""The life of a work item: states, events and answers of PS3.4 Table CC.1.1-2, as a table.

Pure: it knows the present state, whether the caller holds the Transaction UID and whether
the final state requirements are met, and says what comes of a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class UpsState(StrEnum):
    """Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


FINAL = frozenset({UpsState.COMPLETED, UpsState.CANCELED})


class UpsStatus(IntEnum):
    """Statuses of PS3.4 CC.2, besides those that every DIMSE-N service has."""

    SUCCESS = 0x0000
    NO_SUCH_ATTRIBUTE = 0x0105
    INVALID_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_INSTANCE = 0x0111
    INVALID_ARGUMENT = 0x0115
    INVALID_INSTANCE = 0x0117
    MISSING_ATTRIBUTE = 0x0120
    MISSING_VALUE = 0x0121
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORISED = 0x0124
    NO_DELETION_LOCK = 0xB301
    ALREADY_CANCELED = 0xB304
    COERCED = 0xB305
    ALREADY_COMPLETED = 0xB306
    NO_LONGER_UPDATED = 0xC300
    WRONG_TRANSACTION = 0xC301
    ALREADY_IN_PROGRESS = 0xC302
    ONLY_CREATE_SCHEDULES = 0xC303
    NOT_FINAL_YET = 0xC304
    UNKNOWN_INSTANCE = 0xC307
    UNKNOWN_RECEIVER = 0xC308
    NOT_SCHEDULED = 0xC309
    NOT_IN_PROGRESS = 0xC310
    IS_COMPLETED = 0xC311
    NO_PERFORMER = 0xC312
    WILL_NOT_CANCEL = 0xC313
    NOT_APPROPRIATE = 0xC314
    NO_EVENTS = 0xC315

    @property
    def is_failure(self) -> bool:
        """Whether nothing was done."""
        return self != UpsStatus.SUCCESS and self.value >> 12 != _WARNING


_WARNING = 0xB


class Request(StrEnum):
    """What is asked of a work item, as the rows of the table."""

    SCHEDULE = "change state to SCHEDULED"
    START = "change state to IN PROGRESS"
    COMPLETE = "change state to COMPLETED"
    CANCEL = "change state to CANCELED"
    ASK_TO_CANCEL = "request cancellation"
    UPDATE = "set attributes"


REQUEST_FOR = {
    UpsState.SCHEDULED: Request.SCHEDULE,
    UpsState.IN_PROGRESS: Request.START,
    UpsState.COMPLETED: Request.COMPLETE,
    UpsState.CANCELED: Request.CANCEL,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of a request; ``state`` is None where the state stays."""

    status: UpsStatus
    state: UpsState | None = None


_S, _P, _C, _X = UpsState
_OK = UpsStatus.SUCCESS
_STATUS = UpsStatus

_HOLDING: dict[Request, dict[UpsState, Outcome]] = {
    Request.SCHEDULE: dict.fromkeys(UpsState, Outcome(_STATUS.ONLY_CREATE_SCHEDULES)),
    Request.START: {
        _S: Outcome(_OK, _P),
        _P: Outcome(_STATUS.ALREADY_IN_PROGRESS),
        _C: Outcome(_STATUS.NO_LONGER_UPDATED),
        _X: Outcome(_STATUS.NO_LONGER_UPDATED),
    },
    Request.COMPLETE: {
        _S: Outcome(_STATUS.NOT_IN_PROGRESS),
        _P: Outcome(_OK, _C),
        _C: Outcome(_STATUS.ALREADY_COMPLETED),
        _X: Outcome(_STATUS.NO_LONGER_UPDATED),
    },
    Request.CANCEL: {
        _S: Outcome(_STATUS.NOT_IN_PROGRESS),
        _P: Outcome(_OK, _X),
        _C: Outcome(_STATUS.NO_LONGER_UPDATED),
        _X: Outcome(_STATUS.ALREADY_CANCELED),
    },
    Request.ASK_TO_CANCEL: {
        _S: Outcome(_OK, _X),
        _P: Outcome(_OK),
        _C: Outcome(_STATUS.IS_COMPLETED),
        _X: Outcome(_STATUS.ALREADY_CANCELED),
    },
    Request.UPDATE: {
        _S: Outcome(_OK),
        _P: Outcome(_OK),
        _C: Outcome(_STATUS.NO_LONGER_UPDATED),
        _X: Outcome(_STATUS.NO_LONGER_UPDATED),
    },
}
"""What comes of it for one who holds the Transaction UID."""

_NEEDS_TRANSACTION: dict[Request, frozenset[UpsState]] = {
    Request.SCHEDULE: frozenset(),
    Request.START: frozenset(UpsState),
    Request.COMPLETE: frozenset(UpsState),
    Request.CANCEL: frozenset(UpsState),
    Request.ASK_TO_CANCEL: frozenset(),
    Request.UPDATE: frozenset({_P}),
}


def outcome(
    request: Request, current: UpsState | None, *, holds: bool, final_met: bool = True
) -> Outcome:
    """Look the request up in the table.

    ``current`` is None for an unknown instance. ``holds`` says that the right Transaction UID
    was given; to start, that one was given at all. ``final_met`` says that the attributes of
    the final state are there (PS3.4 Table CC.2.5-3).
    """
    if current is None:
        return Outcome(UpsStatus.UNKNOWN_INSTANCE)
    if current in _NEEDS_TRANSACTION[request] and not holds:
        return Outcome(UpsStatus.WRONG_TRANSACTION)
    found = _HOLDING[request][current]
    if found.state in FINAL and request is not Request.ASK_TO_CANCEL and not final_met:
        return Outcome(UpsStatus.NOT_FINAL_YET)
    return found
