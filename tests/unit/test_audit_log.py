"""The log says what happened and never to whom."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxr_node.audit import log
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.study import VisibleState

FEEDS_THE_LOG = True  # what the log does with values that must not reach it is what is tested

KEY = b"site key"
NAME = "CANARY^JANE"
PATIENT = "CANARY-4711"
BORN = "CANARY19530421"
STUDY = Uid("1.2.840.113619.2.5.1762583153.215519.978957063.78")
CANARIES = ("CANARY", "4711", "19530421", STUDY.text)
LIBRARIES = ("pynetdicom.assoc", "pydicom", "uvicorn.access", "sqlalchemy.engine.Engine", "theirs")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """A stream that the log of this process goes to; everything global is put back after."""
    silenced = {*log.QUIET_LIBRARIES, *LIBRARIES, "pydicom", "pynetdicom", "uvicorn"}
    root, quiet = logging.getLogger(), [logging.getLogger(name) for name in sorted(silenced)]
    states = [(logger, logger.level, logger.propagate) for logger in (root, *quiet)]
    handlers, raising = list(root.handlers), logging.raiseExceptions
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    stream = io.StringIO()
    for logger in quiet:  # other packages silence some of them for good
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    log.configure("info", stream, KEY)
    yield stream
    logging.captureWarnings(False)
    logging.raiseExceptions = raising
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    root.handlers[:] = handlers
    for logger, level, propagate in states:
        logger.setLevel(level)
        logger.propagate = propagate


def said(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_with_time_level_and_fields(lines: io.StringIO) -> None:
    emit(Event.INSTANCE_STORED, study=STUDY, bytes=12, seconds=0.5, peer="PACS_1", first=True)

    (line,) = said(lines)
    assert list(line)[:3] == ["ts", "level", "event"]
    assert line["ts"].endswith("+00:00")
    assert (line["level"], line["event"]) == ("info", "instance-stored")
    assert line["study"] == log.digest(STUDY.text, KEY)
    expected = {"bytes": 12, "seconds": 0.5, "peer": "PACS_1", "first": True}
    assert {name: line[name] for name in expected} == expected


def test_a_digest_depends_on_the_key_and_hides_the_uid() -> None:
    mine, other = log.digest(STUDY.text, KEY), log.digest(STUDY.text, b"other")
    assert mine != other
    assert len(mine) == 16 and int(mine, 16) >= 0


def test_without_a_key_two_starts_do_not_agree(lines: io.StringIO) -> None:
    for _ in range(2):
        log.configure("info", lines)
        emit(Event.JOB_FINISHED, study=STUDY)
    first, second = said(lines)
    assert first["study"] != second["study"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (VisibleState.READ, "read, nothing flagged"),
        ("127.0.0.1:11112", "127.0.0.1:11112"),
        (NAME, "redacted"),
        ("two words", "redacted"),
        ("line\nbreak", "redacted"),
        ("\u202egnp", "redacted"),
        ("a" * 65, "redacted"),
        (STUDY.text, log.digest(STUDY.text, KEY)),
        (float("nan"), None),
        (float("inf"), None),
        (None, None),
        ([NAME], "redacted"),
        (b"bytes", "redacted"),
        (Path("/spool") / NAME, "redacted"),
    ],
)
def test_what_a_field_may_say(lines: io.StringIO, value: Any, expected: object) -> None:
    emit(Event.JOB_FAILED, field=value)
    assert said(lines)[0]["field"] == expected


def test_a_field_cannot_forge_time_level_or_event(lines: io.StringIO) -> None:
    emit(Event.JOB_FAILED, **{"ts": "then", NAME: 1})
    (line,) = said(lines)
    assert line["event"] == "job-failed" and line["ts"] != "then"
    assert line["redacted"] == 1


def test_no_patient_data_through_any_route(lines: io.StringIO) -> None:
    everything = f"{NAME} {PATIENT} {BORN} {STUDY}"
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.warning(everything)
        library.error("%s", everything)
        library.error("too few %s %s", everything)
        library.error(everything, stack_info=True, extra={"patient": NAME})
        library.log(logging.ERROR, ValueError(everything))
        _raise_and_log(library, everything)
    logging.getLogger(NAME).error(everything)
    logging.getLogger("cxr_node").error(Event.JOB_FAILED.value + NAME)
    logging.getLogger("cxr_node").error(Event.JOB_FAILED.value, extra={"event_fields": NAME})
    warnings.warn(everything, stacklevel=1)
    emit(Event.JOB_FAILED, study=STUDY, uid=STUDY.text, name=NAME, born=everything)
    _fail_in_a_thread(everything)
    sys.excepthook(ValueError, ValueError(everything), None)

    text = lines.getvalue()
    assert [canary for canary in CANARIES if canary in text] == []
    assert len(said(lines)) == 7 * len(LIBRARIES) + 7


def _raise_and_log(library: logging.Logger, text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        library.exception(text)
        emit_failure(Event.LOOP_FAILED, error)


def _fail_in_a_thread(text: str) -> None:
    def fail() -> None:
        raise RuntimeError(text)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def test_a_failure_is_its_class_and_place(lines: io.StringIO) -> None:
    try:
        raise KeyError(PATIENT)
    except KeyError as error:
        emit_failure(Event.LOOP_FAILED, error, study=STUDY)
        logging.getLogger("theirs").exception(PATIENT)

    ours, theirs = said(lines)
    assert (ours["event"], ours["error"]) == ("loop-failed", "KeyError")
    assert ours["place"].startswith("test_a_failure_is_its_class_and_place:")
    assert (theirs["event"], theirs["logger"], theirs["error"]) == ("library", "theirs", "KeyError")
    assert theirs["place"].startswith("test_audit_log.py:")


def test_talkative_libraries_are_heard_only_from_warning_up(lines: io.StringIO) -> None:
    for name in log.QUIET_LIBRARIES:
        logging.getLogger(f"{name}.part").info("chatter")
    assert said(lines) == []
    logging.getLogger("pynetdicom.part").warning("trouble")
    assert [line["logger"] for line in said(lines)] == ["pynetdicom.part"]


def test_a_library_with_its_own_handler_loses_it(lines: io.StringIO) -> None:
    aside, uvicorn = io.StringIO(), logging.getLogger("uvicorn")
    uvicorn.addHandler(logging.StreamHandler(aside))
    uvicorn.propagate = False
    log.configure("info", lines, KEY)
    uvicorn.error(NAME)
    assert aside.getvalue() == ""
    assert len(said(lines)) == 1


def test_configured_twice_each_event_is_still_one_line(lines: io.StringIO) -> None:
    log.configure("warning", lines, KEY)
    emit(Event.NODE_STARTED)
    emit(Event.JOB_FAILED, level=logging.WARNING)
    assert [line["event"] for line in said(lines)] == ["job-failed"]


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text() | st.from_regex(r"[^\x00-\x1f]*[\r\n\x1b\u202e\u2028][a-z]*"))
def test_any_text_gives_one_line_of_plain_ascii(lines: io.StringIO, text: str) -> None:
    lines.seek(0)
    lines.truncate()
    emit(Event.ASSOCIATION_REFUSED, calling=text, text=text)
    logging.getLogger("theirs").error("%s", text)

    written = lines.getvalue()
    assert written.count("\n") == len(said(lines)) == 2
    assert all(" " <= letter <= "~" for letter in written.replace("\n", ""))
