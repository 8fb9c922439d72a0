"""Closed list of what the node logs, and the one function that logs it.

Event names are the enumeration; fields are numbers, enumerations, configured names,
or :class:`Uid` values, which the log writes as keyed digests. No text from a data set
is ever a field.
"""

from __future__ import annotations

import logging
from enum import StrEnum

from cxr_node.domain.identifiers import Uid

_LOGGER = logging.getLogger("cxr_node")

Field = int | float | bool | StrEnum | str | Uid | None


class Event(StrEnum):
    """Names of log events; an operator can search for each in ``docs/operations.md``."""

    NODE_STARTED = "node-started"
    NODE_STOPPED = "node-stopped"
    LISTENER_STARTED = "listener-started"
    ASSOCIATION_ACCEPTED = "association-accepted"
    ASSOCIATION_REFUSED = "association-refused"
    ASSOCIATION_ENDED = "association-ended"
    PDU_REFUSED = "pdu-refused"
    TLS_REFUSED = "tls-refused"
    INSTANCE_STORED = "instance-stored"
    INSTANCE_DUPLICATE = "instance-duplicate"
    INSTANCE_CONFLICT = "instance-conflict"
    INSTANCE_REFUSED = "instance-refused"
    OWN_RESULT_RETURNED = "own-result-returned"
    REVISION_OPENED = "revision-opened"
    REVISION_CLOSED = "revision-closed"
    STUDY_NOT_ELIGIBLE = "study-not-eligible"
    JOB_QUEUED = "job-queued"
    JOB_CLAIMED = "job-claimed"
    JOB_FINISHED = "job-finished"
    JOB_FAILED = "job-failed"
    JOB_PARKED = "job-parked"
    LEASE_EXPIRED = "lease-expired"
    LEASE_LOST = "lease-lost"
    MODEL_LOADED = "model-loaded"
    MODEL_REFUSED = "model-refused"
    ANSWER_REFUSED = "answer-refused"
    PRIOR_UNREADABLE = "prior-unreadable"
    PRIOR_SEARCHED = "prior-searched"
    PRIOR_FAILED = "prior-failed"
    ENGINE_READY = "engine-ready"
    ENGINE_RETRY = "engine-retry"
    PRIORITY_DECIDED = "priority-decided"
    STUDY_CLAIMED = "study-claimed"
    STUDY_RELEASED = "study-released"
    CRITICAL_ACKNOWLEDGED = "critical-acknowledged"
    CRITICAL_ESCALATED = "critical-escalated"
    AMENDMENT_REQUESTED = "amendment-requested"
    ASSESSMENT_RECORDED = "assessment-recorded"
    REPORT_BUILT = "report-built"
    MASK_REFUSED = "mask-refused"
    PICTURE_LEFT_OUT = "picture-left-out"
    DELIVERY_SENT = "delivery-sent"
    DELIVERY_RETRY = "delivery-retry"
    DELIVERY_PARKED = "delivery-parked"
    DELIVERY_DECLINED = "delivery-declined"
    DELIVERY_OTHER_CLASS = "delivery-other-class"
    DELIVERY_REPLAYED = "delivery-replayed"
    DELIVERY_DROPPED = "delivery-dropped"
    COMMITMENT_ASKED = "commitment-asked"
    COMMITMENT_ANSWERED = "commitment-answered"
    COMMITMENT_REQUESTED = "commitment-requested"
    COMMITMENT_REPORTED = "commitment-reported"
    COMMITMENT_REFUSED = "commitment-refused"
    BYTES_REMOVED = "bytes-removed"
    MESSAGE_TAKEN = "message-taken"
    MESSAGE_REPEATED = "message-repeated"
    MESSAGE_REFUSED = "message-refused"
    MLLP_CLOSED = "mllp-closed"
    WORKER_STARTED = "worker-started"
    WORKER_STOPPED = "worker-stopped"
    WORKER_LOST = "worker-lost"
    BELL_FAILED = "bell-failed"
    WORKLIST_ANSWERED = "worklist-answered"
    HTTP_REQUEST = "http-request"
    ACCESS_REFUSED = "access-refused"
    SIGNED_IN = "signed-in"
    STUDY_VIEWED = "study-viewed"
    PART_SUSPENDED = "part-suspended"
    PART_RESUMED = "part-resumed"
    AUDIT_EXPORTED = "audit-exported"
    AUDIT_LOST = "audit-lost"
    AUDIT_REPOSITORY_GONE = "audit-repository-gone"
    AUDIT_REPOSITORY_BACK = "audit-repository-back"
    LOOP_FAILED = "loop-failed"
    PHANTOMS_REMOVED = "phantoms-removed"
    WORKITEM_CREATED = "workitem-created"
    WORKITEM_MOVED = "workitem-moved"
    WORKITEM_ASKED = "workitem-asked"
    WORKITEM_EVENTS_SENT = "workitem-events-sent"
    WORKITEM_EVENTS_PUT_OFF = "workitem-events-put-off"
    WORKITEM_EVENTS_DROPPED = "workitem-events-dropped"
    EXAM_REPORTED = "exam-reported"
    CANARY_STORED = "canary-stored"
    CANARY_HELD = "canary-held"
    CANARY_DRIFTED = "canary-drifted"
    CANARY_UNANSWERED = "canary-unanswered"


def emit(event: Event, *, level: int = logging.INFO, **fields: Field) -> None:
    """Log one event. ``audit.log`` formats it as one JSON line."""
    _LOGGER.log(level, event.value, extra={"event_fields": fields})


def emit_failure(event: Event, error: BaseException, **fields: Field) -> None:
    """Log an unexpected error by its class and place, never by its message."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame else ""
    emit(event, level=logging.ERROR, error=type(error).__name__, place=place, **fields)
