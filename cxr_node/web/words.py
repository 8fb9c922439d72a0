"""Turns keys and received text into what a person reads.

Received text is cleaned here, once, for page and API alike: control characters, line
ends and bidirectional overrides must not rearrange a line in the list.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from cxr_node.domain.eligibility import WORDS, Reason
from cxr_node.domain.findings import Finding, FindingKind, Presence
from cxr_node.domain.priority import RANK, Priority, is_flag
from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.domain.worklist import Acknowledgement, DeliveryStatus, WorklistEntry

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LONGEST_LINE = 200
_LONGEST_TEXT = 8_000

STATE_WORDS: dict[VisibleState, str] = {
    VisibleState.RUNNING: "Running",
    VisibleState.READ: "Read, nothing flagged",
    VisibleState.FLAGGED: "Flagged",
    VisibleState.NOT_ELIGIBLE: "Not eligible",
    VisibleState.FAILED: "Failed",
    VisibleState.SUPERSEDED: "Superseded",
    VisibleState.WITHDRAWN: "Withdrawn",
}

STEP_WORDS: dict[StudyState, str] = {
    StudyState.RECEIVING: "images are still arriving",
    StudyState.ASSEMBLED: "all images are here",
    StudyState.QUEUED: "waiting for a worker",
    StudyState.REASONING: "the model is reading",
    StudyState.REPORTED: "the report is being delivered",
    StudyState.DELIVERED: "the report is delivered",
    StudyState.PARKED: "stopped; a person must look",
    StudyState.NOT_ELIGIBLE: "kept, not read",
    StudyState.SUPERSEDED: "replaced by a newer revision",
    StudyState.WITHDRAWN: "withdrawn by a person",
}

DELIVERY_WORDS: dict[str, str] = {
    "waiting": "waiting",
    "sending": "being sent",
    "sent": "sent",
    "unconfirmed": "sent, not confirmed yet",
    "confirmed": "sent and confirmed",
    "parked": "not sent",
    "declined": "not taken there",
    "dropped": "written off",
}


def shown(text: str, longest: int = _LONGEST_LINE) -> str:
    """``text`` as one printable line: nothing invisible, single spaces, cut with "…"."""
    head = text[: longest * 4]
    if not head.isprintable():
        head = "".join(
            " " if unicodedata.category(c) in _INVISIBLE or c.isspace() else c for c in head
        )
    line = re.sub(" +", " ", head).strip()
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def shown_lines(text: str) -> str:
    """``text`` cleaned like :func:`shown`, but keeping its lines."""
    lines = (shown(line, _LONGEST_TEXT) for line in text[:_LONGEST_TEXT].splitlines())
    return "\n".join(line for line in lines if line)


def person_name(value: str) -> str:
    """A Person Name (PS3.5 §6.2.1) as "Family, Given Middle", other scripts in brackets."""
    groups = [_one_script(group) for group in value[: _LONGEST_LINE * 4].split("=")[:3]]
    named = [group for group in groups if group]
    if not named:
        return ""
    return named[0] + "".join(f" ({group})" for group in named[1:])


def _one_script(group: str) -> str:
    family, *rest = (shown(part, 64) for part in group.split("^"))
    given = " ".join(part for part in rest[:2] if part)
    return ", ".join(part for part in (family, given) if part)


def day(value: str) -> str:
    """A DICOM date YYYYMMDD as YYYY-MM-DD; anything else cleaned as it came."""
    if re.fullmatch("[0-9]{8}", value):
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return shown(value, 16)


def clock_time(value: str) -> str:
    """A DICOM time HHMMSS.FFFFFF as HH:MM; anything else cleaned as it came."""
    return f"{value[:2]}:{value[2:4]}" if re.match("[0-9]{4}", value) else shown(value, 16)


def utc(at: datetime) -> str:
    """Hours and minutes in UTC, said so; the browser replaces it by local time."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """A span in the two largest units that matter: "0.8 s", "42 s", "3 min 05 s", "2 h 10 min"."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} days"


def waiting(seconds: float) -> str:
    """A waiting time in the list: whole minutes, so that a line stays still."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return "under 1 min"
    return f"{whole // 60} min" if whole < 3600 else duration(whole)


def plain(key: str) -> str:
    """A key of the vocabulary as words: "chest_wall" becomes "chest wall"."""
    return shown(key.replace("_", " "))


def subject(key: str) -> str:
    """What a question is about; a pair reads "a and b"."""
    return " and ".join(plain(part) for part in key.split("+")) if key else ""


_NAMES = {FindingKind.EDEMA: "pulmonary edema", FindingKind.PLEURAL_OTHER: "other pleural finding"}


def answer(text: str) -> str:
    """A model's answer: a key of the vocabulary as words, text as it was written."""
    return shown_lines(text) if " " in text else plain(text)


_OBJECT_NAMES = {
    "sr": "Structured Report",
    "ko": "Key Object Selection",
    "gsps": "Presentation State",
    "sc": "Secondary Capture",
    "pdf": "Encapsulated PDF",
}


def object_name(kind: str) -> str:
    """What kind of DICOM object this is, in words."""
    return _OBJECT_NAMES.get(kind, plain(kind))


def finding_name(kind: str) -> str:
    """A finding or device as a radiologist writes it; an unknown key as plain words."""
    known = next((k for k in FindingKind if k.value == kind), None)
    return _NAMES.get(known, plain(known.value)) if known else plain(kind)


def where(finding: Finding) -> str:
    """Side, zone, severity and device position in one phrase; empty if none is known."""
    parts = (finding.severity, finding.laterality, finding.zone, finding.position)
    return ", ".join(plain(part.value) for part in parts if part)


PRESENCE_WORDS: dict[Presence, str] = {
    Presence.PRESENT: "present",
    Presence.ABSENT: "absent",
    Presence.UNCERTAIN: "uncertain",
    Presence.NOT_ASSESSED: "not assessed",
}


def why(entry: WorklistEntry) -> str:
    """The last column: what the state rests on, or what to do about it."""
    if entry.visible is VisibleState.RUNNING and not entry.words:
        return STEP_WORDS[entry.state]
    if entry.visible is VisibleState.READ and not entry.words:
        raised = (
            shown(entry.priority_words) if RANK[entry.priority] > RANK[Priority.ROUTINE] else ""
        )
        return raised or "not a statement that the image is normal"
    told = [_flag(entry), shown(entry.words)]
    return "; ".join(dict.fromkeys(part for part in told if part)) or STEP_WORDS[entry.state]


def _flag(entry: WorklistEntry) -> str:
    """Why the study stands first; also when something else is wrong with it."""
    return shown(entry.priority_words) if is_flag(entry.priority) else ""


def is_read(entry: WorklistEntry) -> bool:
    """Whether a person said that it is read, and nothing came since."""
    if entry.read_at is None:
        return False
    anew = entry.visible is VisibleState.RUNNING
    return not anew and not (entry.flagged_at and entry.flagged_at > entry.read_at)


def acknowledgement(asked: Acknowledgement, now: datetime) -> str:
    """Where a flag that must be acknowledged stands."""
    if asked.acknowledged_at is not None:
        return f"acknowledged by {shown(person_name(asked.by.partition(', ')[0]))}"
    told = f", escalated {asked.level}×" if asked.level else ""
    if asked.overdue(now):
        return (
            f"NOT ACKNOWLEDGED for {waiting((now - asked.due_at).total_seconds())} too long{told}"
        )
    return f"to be acknowledged within {waiting((asked.due_at - now).total_seconds())}"


def acknowledgement_class(asked: Acknowledgement, now: datetime) -> str:
    """How urgently it is drawn."""
    if asked.acknowledged_at is not None:
        return "settled"
    return "overdue" if asked.overdue(now) else "pending"


def banner(entry: WorklistEntry) -> str:
    """The state of one study as a sentence."""
    if entry.visible is VisibleState.READ:
        return "The model raised nothing. This does not say that the image is normal."
    flag, told = _flag(entry), shown(entry.words)
    raised = f"Raised to {entry.priority}{': ' + flag if flag else ''}."
    if entry.visible is VisibleState.FLAGGED:
        return raised
    stands = (told or STEP_WORDS[entry.state]).rstrip(".") + "."
    return f"{raised} {stands[0].upper()}{stands[1:]}" if is_flag(entry.priority) else stands


_PARKED_ADVICE = (
    "not tried again by itself: settle the cause at the destination, "
    "then run cxr-node replay with the Study Instance UID"
)


def delivery_advice(delivery: DeliveryStatus) -> str:
    """What happens next to a delivery, or what a person has to do."""
    match delivery.state:
        case "sent":
            return "nothing to do; the destination answered that it has it"
        case "confirmed":
            return "nothing to do; the destination has committed to keep it"
        case "unconfirmed":
            return "the destination is asked until it commits to keep it"
        case "dropped":
            return "not sent, by a person's decision"
        case "sending":
            return "under way"
        case "waiting" if not delivery.attempts:
            return "will be sent now"
        case "waiting":
            return "will be tried again by itself"
        case _:
            return _PARKED_ADVICE


def reason(text: str) -> str:
    """Why a revision stands where it stands: a reason code in its words, text as it is."""
    return WORDS[Reason(text)] if text in set(Reason) else shown(text)


def last_answer(delivery: DeliveryStatus) -> str:
    """What the destination answered last: status and words, the status once."""
    status, told = dimse_status(delivery.last_status), shown(delivery.last_error)
    return told if status and status in told else f"{status} {told}".strip()


def dimse_status(status: int | None) -> str:
    """A DIMSE status as its table in PS3.7 C writes it; empty where none was received."""
    return "" if status is None else f"0x{status:04X}"
