"""Files of dialogue records: a JSON array or one record after the other, read as a stream.

One record is in memory at a time. What is written is, record by record, what was read; only
the blanks between the records are ours.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from cxr_node.domain.errors import RecordRefused
from cxr_node.training.records import Record, checked

LONGEST_RECORD = 64 << 20
"""Characters of one record; a hundred long dialogues fit."""

_CHUNK = 1 << 18
_CUT = 16
"""An error this near to the end of what was read may only mean that more is to come."""
_BLANK = re.compile(r"[ \t\r\n]*")
_BREAK = re.compile(r"[ \t]*[\r\n][ \t\r\n]*")
"""No JSON text holds a line break inside a string, so dropping these changes nothing."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def read_records(path: Path) -> Iterator[Record]:
    """The records of ``path``, UTF-8, in order.

    Raises :class:`RecordRefused` naming the record, counted from 1, and the field.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from parse_records(file)
    except OSError as error:
        raise RecordRefused(f"{path}: cannot be read: {error.strerror}") from error


def parse_records(file: IO[str]) -> Iterator[Record]:
    """The records of an open file: a JSON array, JSON lines, or objects one after the other."""
    return _Reader(file).records()


class _Reader:
    """A window that moves over the file; it grows only while one record does not fit."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._ended = False
        self._number = 0

    def records(self) -> Iterator[Record]:
        array = self._next() == "["
        self._at += array
        first = True
        while character := self._next():
            if array and character == "]":
                self._end()
                return
            if array and not first:
                self._skip_comma(character)
            self._number += 1
            yield self._record()
            first = False
        if array:
            raise RecordRefused("the file ends within the array", record=self._number)

    def _skip_comma(self, character: str) -> None:
        if character != ",":
            raise RecordRefused("is not followed by a comma", record=self._number)
        self._at += 1
        if self._next() == "]":
            raise RecordRefused("is followed by a comma and nothing more", record=self._number)

    def _end(self) -> None:
        self._at += 1
        if self._next():
            raise RecordRefused("something stands behind the array", record=self._number)

    def _next(self) -> str:
        """The next character that is no blank; empty at the end of the file."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, at least as much as is held already, so that a long record costs no more."""
        if self._ended:
            return False
        self._text = self._text[self._at :]
        self._at = 0
        if len(self._text) > LONGEST_RECORD:
            raise RecordRefused(f"is longer than {LONGEST_RECORD} characters", record=self._number)
        try:
            found = self._file.read(max(_CHUNK, len(self._text)))
        except UnicodeDecodeError as error:
            raise RecordRefused("is not UTF-8", record=max(self._number, 1)) from error
        self._text += found
        self._ended = not found
        return bool(found)

    def _record(self) -> Record:
        self._next()
        while True:
            try:
                document, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_wrong(error) or not self._more():
                    raise self._broken(error) from error
            except (ValueError, RecursionError) as error:
                words = str(error) if isinstance(error, ValueError) else "is nested too deeply"
                raise RecordRefused(words, record=self._number) from error
            else:
                written, self._at = self._text[self._at : end], end
                return checked(document, self._number, _BREAK.sub("", written))

    def _is_wrong(self, error: json.JSONDecodeError) -> bool:
        """Whether more text could not mend it."""
        if self._ended:
            return True
        return error.pos < len(self._text) - _CUT and not error.msg.startswith("Unterminated")

    def _broken(self, error: json.JSONDecodeError) -> RecordRefused:
        """The error with what was being said there, but none of the dialogue's words."""
        at = error.pos - self._at
        return RecordRefused(
            f"is broken JSON, {error.msg} at its character {at + 1}", record=self._number
        )


def text_of(record: Record) -> str:
    """The record as one line of JSON: as it was read, or newly written."""
    if record.written:
        return record.written
    text = json.dumps(record.document, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair can only stand as an escape
        return json.dumps(record.document, allow_nan=False)
    return text


def write_records(
    path: Path,
    records: Iterable[Record],
    *,
    array: bool | None = None,
    counted: Callable[[int], None] = lambda _: None,
) -> int:
    """Write all or, if something is raised, nothing; returns how many were written.

    ``array`` None decides by the name: ``.json`` is one JSON array, anything else JSON lines.
    ``counted`` is called with the number of records after each.
    """
    whole = path.suffix == ".json" if array is None else array
    partial = path.with_name(f".{path.name}.partial")
    count = 0
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            for count, line in enumerate(_lines(records, whole), start=1):
                file.write(line)
                counted(count)
            file.write(_ending(count, whole))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise RecordRefused(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def _lines(records: Iterable[Record], array: bool) -> Iterator[str]:
    for number, record in enumerate(records):
        text = text_of(record)
        yield f"{',' if number else '['}\n{text}" if array else f"{text}\n"


def _ending(count: int, array: bool) -> str:
    if not array:
        return ""
    return "\n]\n" if count else "[]\n"
