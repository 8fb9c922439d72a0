"""A person's correction of a reading: which answers, who, why, and what else was decided.

A correction never changes the reading it speaks of: what follows it is read again, and the
result is a reading of its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cxr_node.domain.errors import AmendmentRefused
from cxr_node.domain.priority import Priority
from cxr_node.domain.stages import StageKey

LONGEST_NAME = 64
"""Characters of a name (PS3.5 §6.2, VR PN and LO)."""
LONGEST_REASON = 1000
MOST_CORRECTIONS = 40


class PersonRole(StrEnum):
    """What a person is in the organisation (PS3.16 CID 7452)."""

    CONSULTANT = "consultant"
    ATTENDING = "attending"
    PHYSICIAN = "physician"
    FELLOW = "fellow"
    RESIDENT = "resident"
    TECHNOLOGIST = "technologist"

    @property
    def may_verify(self) -> bool:
        """Whether this person may answer for a whole report (PS3.3 §C.17.2)."""
        return self in (PersonRole.CONSULTANT, PersonRole.ATTENDING, PersonRole.PHYSICIAN)


@dataclass(frozen=True, slots=True)
class Person:
    """Who corrects or assesses. ``name`` is a Person Name, ``Family^Given`` or plain.

    Raises :class:`AmendmentRefused` for a name or organisation that no object can carry.
    """

    name: str
    organisation: str
    role: PersonRole

    def __post_init__(self) -> None:
        scripts = self.name.split("=")
        for what, text in (
            *(("name", part) for part in scripts),
            ("organisation", self.organisation),
        ):
            if not 0 < len(text) <= LONGEST_NAME or text != text.strip():
                words = f"{what}: 1 to {LONGEST_NAME} characters, no blanks around them"
                raise AmendmentRefused(words)
            if "\\" in text or not text.isprintable():
                raise AmendmentRefused(f"{what}: no backslash and no control character")
        if len(scripts) > 3 or any(part.count("^") > 4 for part in scripts):
            raise AmendmentRefused("name: at most three scripts of five parts (PS3.5 §6.2, PN)")


CorrectionKey = tuple[StageKey, str, str]
"""Stage, key of the question, subject."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One answer given by a person. ``answer`` is as in :class:`cxr_node.domain.stages.Turn`."""

    stage: StageKey
    question: str
    subject: str
    answer: str

    @property
    def key(self) -> CorrectionKey:
        return self.stage, self.question, self.subject

    @property
    def place(self) -> str:
        """What is corrected, as a person writes it: ``findings.presence/pneumothorax``."""
        return f"{self.stage}.{self.question}{'/' if self.subject else ''}{self.subject}"


@dataclass(frozen=True, slots=True)
class Amendment:
    """What made a reading out of an earlier one."""

    base_revision: int
    corrections: tuple[Correction, ...]
    """Given now; none where a person only verifies, or only sets the priority."""
    person: Person
    reason: str
    at: datetime
    verified: bool = False
    """Whether the person answers for the whole report."""
    priority: Priority | None = None
    """Set by the person, higher or lower than before; None leaves it to the rules."""
    carried: tuple[Correction, ...] = ()
    """Given in the amendments before this one, and still in force."""

    @property
    def given(self) -> dict[CorrectionKey, str]:
        """Every answer that a person has given, the newest for each question."""
        return {c.key: c.answer for c in (*self.carried, *self.corrections)}


def in_force(corrections: Iterable[Correction]) -> tuple[Correction, ...]:
    """The last correction of each question, questions in the order they came."""
    return tuple({c.key: c for c in corrections}.values())


def plain_text(what: str, text: str, longest: int) -> str:
    """``text`` as one line, its words unchanged. Raises :class:`AmendmentRefused`.

    Line ends become blanks. Control characters, invisible ones and lone surrogates are
    refused rather than removed: what a person said is used as it was said.
    """
    if len(text) > longest:
        raise AmendmentRefused(f"{what}: longer than {longest} characters")
    line = " ".join(text.split())
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") for c in line):
        raise AmendmentRefused(f"{what}: holds control or invisible characters")
    return line
