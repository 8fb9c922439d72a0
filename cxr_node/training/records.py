"""Dialogues as records: one study, its pictures by name, and its questions and answers in order.

The format is that of CXRTrek (arXiv 2505.23143) as its authors' public sample shows it. A record
is a view of the JSON object it came from, so that nothing is lost: fields of other makers, the
order of keys and how a number was written stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cxr_node.domain.errors import RecordRefused

Ident = str | int | None
"""How a data set names a patient, a study or an earlier one; None where there is none."""

TURN_FIELDS = (
    "stage",
    "task_type",
    "qtype",
    "image_input_count",
    "question",
    "answer",
)
_NEEDED = ("study_id", "image", "content")
_LAST_STAGE = 8
_LISTS = ("option_list", "answer_list", "bbox_list")


@dataclass(frozen=True, slots=True)
class RecordTurn:
    """One question and its answer. ``document`` is the JSON object; never change it in place."""

    document: Mapping[str, Any]

    @property
    def stage(self) -> int:
        """1 to 8."""
        return int(self.document["stage"])

    @property
    def task_type(self) -> str:
        return str(self.document["task_type"])

    @property
    def qtype(self) -> str:
        return str(self.document["qtype"])

    @property
    def image_input_count(self) -> int:
        """How many of the study's pictures have been shown so far."""
        return int(self.document["image_input_count"])

    @property
    def question(self) -> str:
        return str(self.document["question"])

    @property
    def answer(self) -> str:
        return str(self.document["answer"])

    @property
    def options(self) -> tuple[str, ...]:
        """The answers offered; empty for an open question."""
        return tuple(str(option) for option in self.document.get("option_list") or ())

    @property
    def target(self) -> str:
        """What is asked about, as in ``abnormality_[edema]``; empty where nothing is named."""
        return str(self.document.get("target") or "")


@dataclass(frozen=True, slots=True)
class Record:
    """The dialogue over one study. ``document`` is the JSON object; never change it in place."""

    document: Mapping[str, Any]
    written: str = field(default="", compare=False, repr=False)
    """The record's own characters in the file it was read from; empty for a new record."""

    @property
    def source(self) -> str:
        return str(self.document.get("source") or "")

    @property
    def patient(self) -> Ident:
        return self._ident("pat_id")

    @property
    def study(self) -> Ident:
        return self._ident("study_id")

    @property
    def reference_study(self) -> Ident:
        """The earlier study that stage 5 compares with."""
        return self._ident("ref_study_id")

    @property
    def following_study(self) -> Ident:
        """The later study that stage 6 was answered from."""
        return self._ident("pos_study_id")

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the pictures: those of the study, then those of the earlier one."""
        return tuple(self.document["image"])

    @property
    def turns(self) -> tuple[RecordTurn, ...]:
        return tuple(RecordTurn(turn) for turn in self.document["content"])

    def _ident(self, name: str) -> Ident:
        found = self.document.get(name)
        return found if isinstance(found, str | int) and found != "" else None


def new_record(
    turns: Sequence[RecordTurn],
    *,
    source: str,
    patient: Ident,
    study: Ident,
    images: Sequence[str],
    reference_study: Ident = None,
    following_study: Ident = None,
    **more: object,
) -> Record:
    """A record with all the format's fields; ``more`` are further ones of the study."""
    document: dict[str, Any] = {
        "source": source,
        "pat_id": patient,
        "study_id": study,
        "ref_study_id": reference_study,
        "pos_study_id": following_study,
        "image": list(images),
    }
    content = [dict(turn.document) for turn in turns]
    return checked(document | more | {"content": content})


def checked(document: object, number: int = 0, written: str = "") -> Record:
    """``document`` as a record. Raises :class:`RecordRefused` naming record and field.

    The first problem ends the check; the generators below rely on it.
    """
    for place, problem in _problems(document):
        raise RecordRefused(problem, record=number, place=place)
    assert isinstance(document, dict)
    return Record(document, written)


def _problems(document: object) -> Iterator[tuple[str, str]]:
    """Where a record departs from the format, field by field."""
    if not isinstance(document, dict):
        yield "", "is not a JSON object"
        return
    yield from _study_problems(document)
    content = document["content"]
    if not isinstance(content, list):
        yield "content", "must be a list"
        return
    for at, turn in enumerate(content):
        for name, problem in _turn_problems(turn):
            yield f"content[{at}]{name and '.'}{name}", problem


def _study_problems(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _NEEDED:
        if name not in document:
            yield name, "is missing"
    for name in ("pat_id", "study_id", "ref_study_id", "pos_study_id"):
        if not _is_ident(document.get(name)):
            yield name, "must be a text, a whole number or null"
    if not isinstance(document.get("source", ""), str | None):
        yield "source", "must be a text"
    images = document["image"]
    if not isinstance(images, list) or not all(isinstance(name, str) for name in images):
        yield "image", "must be a list of texts"


def _turn_problems(turn: object) -> Iterator[tuple[str, str]]:
    if not isinstance(turn, dict):
        yield "", "is not a JSON object"
        return
    for name in TURN_FIELDS:
        if name not in turn:
            yield name, "is missing"
    if not _is_whole(turn["stage"]) or not 1 <= turn["stage"] <= _LAST_STAGE:
        yield "stage", f"must be a whole number from 1 to {_LAST_STAGE}"
    if not _is_whole(turn["image_input_count"]) or turn["image_input_count"] < 0:
        yield "image_input_count", "must be a whole number, 0 or more"
    for name in ("task_type", "qtype", "question", "answer"):
        if not isinstance(turn[name], str) or not turn[name].strip():
            yield name, "must be a text that is not empty"
    for name in _LISTS:
        if not isinstance(turn.get(name), list | None):
            yield name, "must be a list or null"


def _is_ident(value: object) -> bool:
    return isinstance(value, str | None) or _is_whole(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
