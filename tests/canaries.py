"""Patient data of the builders in the part of canaries: no event and no node's log may hold one.

Every test of the suite feeds them (:mod:`tests.builders` gives them to every image), so the whole
suite is one search for leaks. Loaded as a plugin by ``tests/conftest.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_node.domain import events

CANARIES = ("DOE^", "JANE", "Doe, Jane", "PAT1", "ZZCANARY")
_leaks: list[str] = []


def leaked(text: str) -> list[str]:
    """The canaries that a text holds."""
    return [canary for canary in CANARIES if canary in text]


def assert_none_in(log: Path) -> None:
    """Fail if the log of a node names a patient."""
    if log.exists():
        assert leaked(log.read_text(encoding="utf-8", errors="replace")) == []


@pytest.fixture(scope="session", autouse=True)
def _watch_events() -> Iterator[None]:
    """Look at the fields of every event of this process, whatever the level of the log."""
    logger = events._LOGGER
    write = logger.log

    def watched(level: int, message: str, *args: Any, **more: Any) -> None:
        said = f"{message} {args} {more.get('extra', '')}"
        if found := leaked(said):
            _leaks.append(f"{message}: {found}")
        write(level, message, *args, **more)

    logger.log = watched  # type: ignore[method-assign]
    yield
    del logger.log  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _no_patient_data_in_events(
    request: pytest.FixtureRequest, _watch_events: None
) -> Iterator[None]:
    """The test in which an event held patient data fails.

    A module that gives such values to the log on purpose says so by ``FEEDS_THE_LOG``.
    """
    yield
    found, _leaks[:] = list(_leaks), []
    on_purpose = getattr(request.module, "FEEDS_THE_LOG", False)
    assert on_purpose or found == [], "an event holds patient data"
