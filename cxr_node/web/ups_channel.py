"""The event channel of UPS-RS: a WebSocket on which a follower is told (PS3.18 §11.12, §11.13).

Events wait in the database while nobody listens; what is on the wire is forgotten.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.events import Event, emit
from cxr_node.services.workitem_channel import WorkitemChannel
from cxr_node.web.access import Access, Caller
from cxr_node.web.access_control import COOKIE, Refused, checked_token
from cxr_node.web.ups_routes import ROOT

_LOOK_SECONDS = 0.1
_MOST_CHANNELS = 32
_POLICY = 1008
_TRY_LATER = 1013


def routes(channel: WorkitemChannel, access: Access | None) -> APIRouter:
    """``ws …/dicom-web/subscribers/{AE title}``."""
    router = APIRouter()
    open_channels: set[WebSocket] = set()

    @router.websocket(f"{ROOT}/subscribers/{{receiver}}")
    async def listen(socket: WebSocket, receiver: str) -> None:
        if not _admitted(socket, access):
            emit(Event.ACCESS_REFUSED, reason="channel", address=_address(socket))
            await socket.close(_POLICY)
            return
        if len(open_channels) >= _MOST_CHANNELS:
            await socket.close(_TRY_LATER)
            return
        open_channels.add(socket)
        try:
            await socket.accept()
            await _serve(socket, receiver, channel)
        finally:
            open_channels.discard(socket)

    return router


async def _serve(socket: WebSocket, receiver: str, channel: WorkitemChannel) -> None:
    """Tell until the other side goes."""
    gone = asyncio.ensure_future(_until_gone(socket))
    try:
        while not gone.done():
            if not await _tell(socket, receiver, channel):
                await asyncio.wait([gone], timeout=_LOOK_SECONDS)
    except (WebSocketDisconnect, RuntimeError):
        return  # it went while it was being told
    finally:
        gone.cancel()


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _tell(socket: WebSocket, receiver: str, channel: WorkitemChannel) -> int:
    """Send what waits; how many events."""
    try:
        waiting = await run_in_threadpool(channel.waiting, receiver)
        for event in waiting:
            await socket.send_json(event.document)
            await run_in_threadpool(channel.sent, [event.key])
    except StoreUnavailable:
        return 0
    return len(waiting)


def _admitted(socket: WebSocket, access: Access | None) -> bool:
    """Whoever may look may listen; a page of another site may not."""
    origin = socket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != socket.headers.get("host", ""):
        return False
    if access is None:
        return True
    cookie = socket.cookies.get(COOKIE, "")
    caller = Caller(_address(socket), dict(socket.headers), cookie)
    if caller.token is None:
        return access.recognised(caller) is not None
    try:
        checked_token(access, caller.token, caller)
    except Refused:
        return False
    return True


def _address(socket: WebSocket) -> str:
    return socket.client.host if socket.client else ""
