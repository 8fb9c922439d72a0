"""JSON-line logging that cannot carry patient data: one record, one line.

Only events of :func:`cxr_node.domain.events.emit` say anything; what a library or a
warning wanted to say is reduced to the fact that it spoke. An error is its class and
its place, never its message, because messages quote data sets.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import re
import secrets
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from cxr_node.domain.events import Event
from cxr_node.domain.identifiers import Uid

REDACTED = "redacted"
LIBRARY = "library"
QUIET_LIBRARIES = (
    *("pynetdicom", "pydicom", "highdicom", "PIL"),
    *("sqlalchemy", "alembic", "uvicorn", "asyncio", "celery", "kombu", "transformers"),
    *("httpx", "httpcore"),
)

_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]{0,64}")
_LIKE_A_UID = re.compile(r"(?=.{16})[0-9]+(?:\.[0-9]+){3,}")
_EVENTS = frozenset(event.value for event in Event)


def configure(level: str, stream: TextIO | None = None, key: bytes | None = None) -> None:
    """Make JSON lines on ``stream`` (standard error) the only log output of this process.

    ``level`` is a level name in any case. ``key`` keys the digests that stand for UIDs:
    give every process of a site the same one, or their digests differ.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_EventLines(key or secrets.token_bytes(32)))
    root = logging.getLogger()
    # Another handler would print the text that this one withholds.
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIET_LIBRARIES:
        _silence(logging.getLogger(name), root.level)
    # A record that cannot be written would otherwise be printed whole, arguments and all.
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    _log_uncaught_errors()


def digest(text: str, key: bytes) -> str:
    """What the log writes in place of a UID: 16 hexadecimal digits of HMAC-SHA256."""
    return hmac.new(key, text.encode("utf-8"), hashlib.sha256).hexdigest()[:16]


def _silence(library: logging.Logger, level: int) -> None:
    library.setLevel(max(level, logging.WARNING))
    library.propagate = True
    for handler in list(library.handlers):
        library.removeHandler(handler)


class _EventLines(structlog.stdlib.ProcessorFormatter):
    """Rebuilds each record from what may be said before anything renders it."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        super().__init__(
            processors=[self._line, structlog.processors.JSONRenderer(allow_nan=False)],
            use_get_message=False,
        )

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "event_fields", None)
        known = isinstance(fields, Mapping) and record.msg in _EVENTS
        kept = {
            "name": record.name,
            "levelno": record.levelno,
            "created": record.created,
            "msg": record.msg if known else LIBRARY,
            "event_fields": fields if known else _origin(record),
        }
        return super().format(logging.makeLogRecord(kept))

    def _line(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        record: Any = event["_record"]
        fields = {
            _plain(str(name)): safe_value(value, self._key)
            for name, value in record.event_fields.items()
        }
        head = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": logging.getLevelName(record.levelno).lower(),
            "event": record.msg,
        }
        return head | fields | head


def safe_value(value: object, key: bytes) -> object:
    """What may be written of a field: numbers, plain names, digests of UIDs; else a mark."""
    if isinstance(value, Uid):
        return digest(value.text, key)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return digest(value, key) if _LIKE_A_UID.fullmatch(value) else _plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int) else REDACTED


def _plain(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else REDACTED


def _origin(record: logging.LogRecord) -> dict[str, str]:
    """Who spoke and, for an error, its class and place."""
    found = {"logger": record.name}
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        found["error"] = record.exc_info[0].__name__
        found["place"] = _place(record.exc_info[2])
    return found


def _place(trace: TracebackType | None) -> str:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _log_uncaught_errors() -> None:
    """Python prints an uncaught error with its message; log its class and place instead."""
    logger = logging.getLogger("uncaught")

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            logger.critical(LIBRARY, exc_info=(kind, error, trace))

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        if args.exc_value is not None:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable
