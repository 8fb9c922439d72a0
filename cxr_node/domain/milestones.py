"""The moments of a study's life that the node measures itself by."""

from __future__ import annotations

from enum import StrEnum


class Milestone(StrEnum):
    """One moment, recorded once per revision, in UTC."""

    FIRST_IMAGE = "first-image"
    LAST_IMAGE = "last-image"
    TRIAGE_STARTED = "triage-started"
    TRIAGE_DONE = "triage-done"
    CLOSED = "closed"
    READ_STARTED = "read-started"
    READ_DONE = "read-done"
    REPORTED = "reported"
    DELIVERED = "delivered"
