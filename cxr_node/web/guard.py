"""The outermost layer of every answer: security headers, HEAD, and the log line.

The log line has method, status and seconds; a path would name a study.
"""

from __future__ import annotations

import time
from enum import StrEnum

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxr_node.domain.events import Event, emit

_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self'; style-src 'self'; script-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class _Method(StrEnum):
    """A method name comes from the client, so only known ones reach the log."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"
    OTHER = "OTHER"


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, scope["method"])
        inner = {**scope, "method": "GET"} if answer.head_only else scope
        try:
            await self._app(inner, receive, answer.send)
        finally:
            answer.log()


class _Answer:
    """One answer on its way out."""

    def __init__(self, send: Send, method: str) -> None:
        self._send = send
        self._method = _Method(method) if method in set(_Method) else _Method.OTHER
        self._started = time.monotonic()
        self._status = 500
        self.head_only = method == "HEAD"

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        elif self.head_only and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def log(self) -> None:
        emit(
            Event.HTTP_REQUEST,
            method=self._method,
            status=self._status,
            seconds=round(time.monotonic() - self._started, 4),
        )
