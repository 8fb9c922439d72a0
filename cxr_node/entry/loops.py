"""Background loops of the node: each does one thing, survives its errors and says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.events import Event, emit, emit_failure

_AFTER_FAILURE_SECONDS = 1.0


class Loop:
    """A named thread that calls ``step`` again and again.

    ``pause`` comes between steps that found nothing to do: seconds, cut short at the end, or
    something that sleeps briefly and returns early when there is a reason to look again.
    """

    def __init__(
        self, name: str, step: Callable[[], int | None], pause: float | Callable[[], object]
    ) -> None:
        self.name = name
        self._step = step
        self._closing = threading.Event()
        self._pause = pause if callable(pause) else partial(self._closing.wait, pause)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        """Ask the loop to end; :meth:`stop` waits for it."""
        self._closing.set()

    def stop(self, seconds: float = 10.0) -> None:
        """Ask the loop to end and wait for its present step."""
        self.end()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            if not self._guarded_step():
                self._pause()

    def _guarded_step(self) -> int | None:
        try:
            return self._step()
        except StoreUnavailable:
            emit(Event.LOOP_FAILED, kind=self.name, error=StoreUnavailable.__name__)
        except Exception as error:  # noqa: BLE001 - a loop must outlive any one bad row
            emit_failure(Event.LOOP_FAILED, error, kind=self.name)
        self._closing.wait(_AFTER_FAILURE_SECONDS)
        return None
