"""Hears every event that the node logs and passes on those that belong into the audit trail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from cxr_node.audit.messages import KINDS
from cxr_node.domain.events import Event

Hear = Callable[[Event, datetime, Mapping[str, Any]], None]
_AUDITED = {event.value: event for event in KINDS}
_NODE = "cxr_node"


class TrailHandler(logging.Handler):
    """Calls ``hear`` with event, moment and fields; formats and prints nothing."""

    def __init__(self, hear: Hear) -> None:
        super().__init__(logging.INFO)
        self._hear = hear
        self._levels: list[tuple[logging.Logger | logging.Handler, int]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "event_fields", None)
        event = _AUDITED.get(str(record.msg))
        if event is not None and isinstance(fields, Mapping):
            self._hear(event, datetime.fromtimestamp(record.created, UTC), fields)

    def attach(self) -> None:
        """Begin to listen; what the log prints stays bounded by the level it has."""
        root, node = logging.getLogger(), logging.getLogger(_NODE)
        self._levels = [(node, node.level), *((found, found.level) for found in root.handlers)]
        for printing in root.handlers:
            printing.setLevel(max(printing.level, node.getEffectiveLevel()))
        node.setLevel(min(node.getEffectiveLevel(), logging.INFO))
        node.addHandler(self)

    def detach(self) -> None:
        """Listen no longer, and leave every level as it was."""
        logging.getLogger(_NODE).removeHandler(self)
        for found, level in self._levels:
            found.setLevel(level)
        self._levels = []
