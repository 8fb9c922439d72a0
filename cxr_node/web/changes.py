"""Tells browsers that the worklist has changed: server-sent events, one look for all of them.

The database is asked while somebody listens, whoever changed it; nothing but "changed" is
sent, and the page fetches the list as it does without scripts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.web.documents import Problem

LOOK_SECONDS = 0.25
ALIVE_SECONDS = 10.0
"""A comment is sent this often, so that a listener that is gone is noticed."""
MOST_LISTENERS = 64
LONGEST_SECONDS = 600.0
"""Then the browser connects anew, and whether it still may is asked again."""

State = tuple[object, ...]
_AWAY: State = ("the database does not answer",)
"""A state as well: the page must ask, and then say that it is not live."""


class Changes:
    """Who listens, and the one task that looks for them."""

    def __init__(
        self, state: Callable[[], State], *, most: int = MOST_LISTENERS, look: float = LOOK_SECONDS
    ) -> None:
        self._state = state
        self._most = most
        self._look = look
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False

    def end(self) -> None:
        """From any thread: every stream ends in good order, because the server does."""
        self._ended = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        for bell in self._listeners:
            bell.set()

    @property
    def full(self) -> bool:
        """Whether no more connections are kept open."""
        return len(self._listeners) >= self._most

    async def lines(self, seconds: float = LONGEST_SECONDS) -> AsyncIterator[str]:
        """The stream of one listener: ``changed`` at once, and whenever something changed."""
        bell = asyncio.Event()
        bell.set()
        self._loop = asyncio.get_running_loop()
        self._listeners.add(bell)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        end = asyncio.get_running_loop().time() + seconds
        try:
            while asyncio.get_running_loop().time() < end:
                try:
                    await asyncio.wait_for(bell.wait(), ALIVE_SECONDS)
                except TimeoutError:
                    yield ": alive\n\n"
                    continue
                if self._ended:
                    return
                bell.clear()
                yield "event: changed\ndata: worklist\n\n"
        finally:
            self._listeners.discard(bell)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _watch(self) -> None:
        seen: State | None = None
        while True:
            try:
                now = await run_in_threadpool(self._state)
            except StoreUnavailable:
                now = _AWAY
            if seen is not None and now != seen:
                self._ring()
            seen = now
            await asyncio.sleep(self._look)


def routes(changes: Changes) -> APIRouter:
    """The stream. With too many listeners a browser asks every few seconds instead."""
    router = APIRouter(prefix="/api/v1", tags=["worklist"])

    @router.get(
        "/worklist/events",
        include_in_schema=False,  # it never ends; described in docs/worklist.md
    )
    async def events() -> Response:
        if changes.full:
            problem = Problem(
                code="listeners", message="Too many listen; ask for the list instead."
            )
            return JSONResponse(problem.model_dump(), 503, {"retry-after": "30"})
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(changes.lines(), media_type="text/event-stream", headers=headers)

    return router
