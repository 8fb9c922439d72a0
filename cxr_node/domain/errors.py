"""Every error the node raises on purpose.

CxrNodeError
├── NotConformant            the sender's bytes break the standard
│   ├── MalformedUid
│   ├── WrongSopClass        data set and command disagree on the SOP class
│   ├── WrongInstance        data set and command disagree on the SOP instance
│   ├── WrongStudy           no usable Study or Series Instance UID
│   └── Unreadable           the data set is cut, too deep or too long
├── SpoolFull                no room for more bytes
│   └── IntakeSuspended      an operator wants none now
├── StoreUnavailable         the database does not answer
├── NotReadable              an image cannot be analysed; carries a reason code
├── LeaseLost                another worker holds the job now
├── IllegalMove              a study was asked to make a move its state forbids
├── ModelRefused             a model folder fails its manifest, or the site may not use it
├── EngineUnavailable        the inference server gives no usable answer; try again later
├── AnswerRefused            a model answer does not fit its stage schema
├── RecordRefused            a dialogue record is malformed; names record and field
├── TrainingRefused          a training run cannot start as asked; names what is wrong
├── QuestionRefused          a person's follow-up question cannot be put
├── UnknownStudy             the node has never seen this study, or holds no image of it
├── AmendmentRefused         a person's correction or assessment cannot be used as it is
│   └── AmendmentConflict    it could be, but not in the state the study is in now
├── PriorUnavailable         an archive gives no earlier study, or not in time
├── Undeliverable            a destination refused an object
│   └── ClassNotTaken        it takes no objects of that SOP class
├── MessageRefused           a received message cannot be used; carries what to answer
└── ConfigurationError       the configuration cannot be used as written

Adapters translate these to DIMSE or HTTP in one table each; nothing else does.
"""

from __future__ import annotations


class CxrNodeError(Exception):
    """The node could not do what was asked."""

    code = "node-error"


class NotConformant(CxrNodeError):
    """The data set breaks the DICOM standard."""

    code = "not-conformant"


class MalformedUid(NotConformant):
    """A unique identifier is malformed (PS3.5 §9)."""

    code = "malformed-uid"


class WrongSopClass(NotConformant):
    """The data set's SOP class is not the one the command named (PS3.4 B.2.3)."""

    code = "wrong-sop-class"


class WrongInstance(NotConformant):
    """The data set's SOP instance is not the one the command named."""

    code = "wrong-instance"


class WrongStudy(NotConformant):
    """The data set names no usable study or series."""

    code = "wrong-study"


class Unreadable(NotConformant):
    """The data set ends early, nests too deeply or holds too many elements."""

    code = "unreadable"


class SpoolFull(CxrNodeError):
    """The spool is above its watermark; try again later."""

    code = "spool-full"


class IntakeSuspended(SpoolFull):
    """An operator has suspended intake; try again later."""

    code = "intake-suspended"


class StoreUnavailable(CxrNodeError):
    """The database does not answer; try again later."""

    code = "store-unavailable"


class NotReadable(CxrNodeError):
    """An image cannot be analysed.

    ``reason`` is a value of :class:`cxr_node.domain.eligibility.Reason`.
    """

    code = "not-readable"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class LeaseLost(CxrNodeError):
    """Another worker holds this job now; the result is discarded."""

    code = "lease-lost"


class IllegalMove(CxrNodeError):
    """A study was asked to make a move that its state forbids."""

    code = "illegal-move"


class ModelRefused(CxrNodeError):
    """The model folder does not match its manifest, or may not be used here."""

    code = "model-refused"


class EngineUnavailable(CxrNodeError):
    """The inference server gives no answer that can be used; try again later.

    The message names the server and what to look at.
    """

    code = "engine-unavailable"


class AnswerRefused(CxrNodeError):
    """A model answer does not fit the schema of its stage."""

    code = "answer-refused"


class RecordRefused(CxrNodeError):
    """A record of a file of dialogues is malformed, or a file it needs is missing.

    ``record`` counts from 1 and is 0 where no record is meant; ``place`` is the field, as in
    ``content[3].stage``, and may be empty.
    """

    code = "record-refused"

    def __init__(self, problem: str, *, record: int = 0, place: str = "") -> None:
        where = [f"record {record}"] if record else []
        where += [place] if place else []
        super().__init__(f"{', '.join(where)}: {problem}" if where else problem)
        self.problem = problem
        self.record = record
        self.place = place


class TrainingRefused(CxrNodeError):
    """A training run cannot start, or go on, as asked; the message names what is wrong."""

    code = "training-refused"


class QuestionRefused(CxrNodeError):
    """A person's follow-up question cannot be put to the model; the message says why."""

    code = "question-refused"


class UnknownStudy(CxrNodeError):
    """The node has never seen this study, or holds no image of it."""

    code = "unknown-study"


class AmendmentRefused(CxrNodeError):
    """A correction or assessment cannot be used as it is; the message says why.

    No message repeats what was sent.
    """

    code = "amendment-refused"


class AmendmentConflict(AmendmentRefused):
    """The study is not, or no longer, in the state that was corrected or assessed."""

    code = "amendment-conflict"


class StudyTaken(AmendmentConflict):
    """Another reader holds the study; the message says who, and until when."""

    code = "claimed"


class NothingToAcknowledge(AmendmentConflict):
    """The study has no flag that waits for an acknowledgement."""

    code = "nothing-to-acknowledge"


class PriorUnavailable(CxrNodeError):
    """An archive does not answer, refuses, or takes longer than a reading may wait."""

    code = "prior-unavailable"


class Undeliverable(CxrNodeError):
    """A destination did not take an object.

    ``permanent`` says whether another try could help; ``status`` is the DIMSE
    status where one was received.
    """

    code = "undeliverable"

    def __init__(self, message: str, *, permanent: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.status = status


class ClassNotTaken(Undeliverable):
    """A destination takes no object of this SOP class; the same in another class may do."""

    code = "class-not-taken"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message, permanent=True, status=status)


class MessageRefused(CxrNodeError):
    """A received HL7 message cannot be used.

    ``answer`` is AE or AR (HL7 table 0008), ``condition`` the error code (table 0357) and
    ``place`` segment and field. The message holds nothing of what was received.
    """

    code = "message-refused"

    def __init__(self, answer: str, condition: int, place: str, words: str) -> None:
        super().__init__(words)
        self.answer = answer
        self.condition = condition
        self.place = place


class ConfigurationError(CxrNodeError):
    """The configuration cannot be used as written."""

    code = "configuration"
