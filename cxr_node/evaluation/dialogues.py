"""Dialogue records with predictions, graded: any model's answers to CXRTrek-style questions.

A prediction stands in its turn's field ``prediction``. Options are compared exactly, boxes by
overlap, texts by their words; reasoning, where reference or prediction has it, by RadRScore.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import Presence
from cxr_node.domain.stages import StageKey
from cxr_node.evaluation.cases import AnswerCase, BoxCase, Case, LabelCase, TextCase
from cxr_node.reasoning.boxes import PercentBox
from cxr_node.reasoning.prose.terms import named_terms
from cxr_node.reasoning.tags import has_tags
from cxr_node.training.record_boxes import boxes_in
from cxr_node.training.record_files import read_records
from cxr_node.training.records import Record, RecordTurn

PREDICTION = "prediction"
_SUFFIXES = (".json", ".jsonl")
_REPORT = StageKey.REPORT.number
_LETTER = re.compile(r"\(?([A-Za-z])(?:[).:]+\s*(.*))?\Z", re.DOTALL)
_YES_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_TARGET = re.compile(r"(?:abnormality|foreign_body)_\[(.+)\]\Z")
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_THOUGHTS = re.compile(r"<think(?:ing)?>(.*?)</think(?:ing)?>", re.DOTALL)
_CALLS = {"yes": Presence.PRESENT, "no": Presence.ABSENT}


def dialogue_cases(path: Path) -> Iterator[Case]:
    """The records of a file, or of every JSON file below a folder, graded one by one.

    Raises :class:`ConfigurationError` where there is no file, and :class:`RecordRefused`.
    """
    files = [path] if path.is_file() else sorted(_files(path))
    if not files:
        raise ConfigurationError(f"{path}: no {' or '.join(_SUFFIXES)} file of dialogues")
    for file in files:
        for number, record in enumerate(read_records(file), start=1):
            yield graded(record, f"{file.stem}/{number}")


def _files(folder: Path) -> Iterable[Path]:
    return (p for p in folder.rglob("*") if p.suffix in _SUFFIXES and p.is_file())


def graded(record: Record, key: str) -> Case:
    """The case of one record. Turns without a prediction are not graded."""
    turns = [turn for turn in record.turns if isinstance(turn.document.get(PREDICTION), str)]
    report = " ".join(t.answer for t in record.turns if t.stage == _REPORT)
    answers = [answer for turn in turns if (answer := _closed(turn)) is not None]
    boxes = [box for turn in turns for box in _box(turn)]
    refused = sum(not a.given for a in answers) + sum(b.said is None for b in boxes)
    return Case(
        key=f"{key} {record.study or ''}".strip(),
        groups={"source": record.source} if record.source else {},
        labels=tuple(_labels(turns)),
        answers=tuple(answers),
        boxes=tuple(boxes),
        texts=tuple(text for turn in turns for text in _texts(turn, report)),
        asked=len(turns),
        refused=refused,
    )


def _said(turn: RecordTurn) -> str:
    return str(turn.document[PREDICTION])


def _closed(turn: RecordTurn) -> AnswerCase | None:
    """A turn with options, or one to be answered by yes or no."""
    options = ("yes", "no") if turn.qtype == "yes_no" else turn.options
    if not options or turn.qtype in ("captioning", "detection"):
        return None
    several = turn.qtype.startswith("multi-choice")
    expected = _option(_answer_part(turn.answer), options, several=several)
    given = _option(_answer_part(_said(turn)), options, several=several)
    return AnswerCase(
        stage=turn.stage,
        question=turn.task_type,
        subject=turn.target,
        expected=expected or turn.answer.strip(),
        given=given,
    )


def _answer_part(text: str) -> str:
    """What stands in the one pair of answer tags; all of a text without tags, else nothing."""
    if not has_tags(text):
        return text
    found = _ANSWER.findall(text)
    return str(found[0]) if len(found) == 1 else ""


def _option(text: str, options: Sequence[str], *, several: bool) -> str:
    """The option meant, of several all of them in order; empty when one of them is none."""
    if tuple(options) == ("yes", "no"):
        found = _YES_NO.match(text)
        return found[1].lower() if found else ""
    terms = re.split(r"[;,\n]", text) if several else [text]
    chosen = {_one_option(term, options) for term in terms if term.strip()}
    if not chosen or None in chosen:
        return _one_option(text, options) or ""
    return ", ".join(option for option in options if option in chosen)


def _one_option(text: str, options: Sequence[str]) -> str | None:
    """By its words, or by its letter, alone or before its words."""
    said = _plain(text)
    by_words = {_plain(option): option for option in options}
    if said in by_words:
        return by_words[said]
    found = _LETTER.match(text.strip())
    if found is None or (place := ord(found[1].lower()) - ord("a")) >= len(options):
        return None
    words = _plain(found[2] or "")
    return options[place] if words in ("", _plain(options[place])) else None


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".").casefold()


def _box(turn: RecordTurn) -> Iterator[BoxCase]:
    if turn.qtype != "detection":
        return
    true = tuple(named.box for named in boxes_in(turn.answer) if named.sound)
    if true:
        yield BoxCase(subject=turn.target or "box", truth=true, said=_one_box(_said(turn)))


def _one_box(text: str) -> PercentBox | None:
    """The one sound box of an answer; several or none are no answer."""
    found = boxes_in(text)
    return found[0].box if len(found) == 1 and found[0].sound else None


def _labels(turns: Sequence[RecordTurn]) -> Iterator[LabelCase]:
    """Findings asked for by yes or no; the first question about each counts."""
    seen: set[str] = set()
    for turn in turns:
        target = _TARGET.match(turn.target)
        true = _option(turn.answer, ("yes", "no"), several=False)
        if turn.stage != StageKey.FINDINGS.number or target is None or not true:
            continue
        known = named_terms(target[1]).known
        given = _option(_answer_part(_said(turn)), ("yes", "no"), several=False)
        for kind in known[:1]:
            if kind not in seen:
                seen.add(kind)
                yield LabelCase(
                    label=kind.value,
                    truth=true == "yes",
                    called=_CALLS.get(given, Presence.NOT_ASSESSED),
                )


def _texts(turn: RecordTurn, report: str) -> Iterator[TextCase]:
    reference, said = _THOUGHTS.findall(turn.answer), _THOUGHTS.findall(_said(turn))
    if reference:
        yield TextCase(
            stage=turn.stage,
            question=f"{turn.task_type}, reasoning",
            reference=" ".join(reference),
            said=" ".join(said),
            report=report or " ".join(reference),
            chain=True,
        )
    if turn.qtype == "captioning":
        yield TextCase(
            stage=turn.stage,
            question=turn.task_type,
            reference=_answer_part(turn.answer),
            said=_answer_part(_said(turn)),
            report=report,
            chain=turn.stage == _REPORT,
        )
