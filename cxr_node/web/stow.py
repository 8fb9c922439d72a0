"""STOW-RS (PS3.18 §10.5): images by HTTP, for a PACS that sends no C-STORE.

Each object goes the way of a received C-STORE: a success says "your bytes are safe here" and
nothing else, and a refusal has the status that the listener would have answered.
"""

from __future__ import annotations

import asyncio
import mmap
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydicom.filereader import read_file_meta_info
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from cxr_node.dicom.contexts import IMAGE_CLASSES, RESULT_CLASSES
from cxr_node.dicom.multipart import boundary_of, parts
from cxr_node.dicom.part10 import read_frame
from cxr_node.dicom.reception import StoreCommand, write_head
from cxr_node.dicom.store_scp import SOP_CLASS_NOT_SUPPORTED, status_of
from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.errors import CxrNodeError, SpoolFull, Unreadable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.instance import Received
from cxr_node.web.access_control import principal_of
from cxr_node.web.documents import Problem

ADDRESS = "/dicom-web/studies"
_SILENCE_SECONDS = 30.0
_SENDER = "STOW-RS"
_CLASSES = frozenset((*IMAGE_CLASSES, *RESULT_CLASSES))


@dataclass(frozen=True, slots=True)
class Storing:
    """Where objects go: :meth:`cxr_node.services.intake.Intake.receive` and the spool."""

    receive: Callable[[Received], None]
    check_room: Callable[[], None]
    folder: Callable[[], Path]
    max_bytes: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """One object: its UIDs as the file meta has them, and the status, 0 for success."""

    sop_class_uid: str
    sop_instance_uid: str
    status: int


class _Refused(Exception):
    """The request as a whole is answered at once."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(code=code, message=message)


def routes(storing: Storing) -> APIRouter:
    """``POST /dicom-web/studies``."""
    router = APIRouter(tags=["images"])

    @router.post(
        ADDRESS,
        summary="Store instances (STOW-RS)",
        responses={
            202: {"description": "some objects were refused"},
            409: {"description": "every object was refused"},
            413: {"model": Problem, "description": "the body is too long"},
            415: {"model": Problem, "description": "no multipart/related of DICOM objects"},
            503: {"model": Problem, "description": "no room now; try again later"},
        },
    )
    async def store(request: Request) -> Response:
        try:
            return await _answered(storing, request)
        except _Refused as refused:
            emit(Event.INSTANCE_REFUSED, status=refused.status, code=refused.problem.code)
            headers = {"retry-after": "60"} if refused.status == 503 else None
            return JSONResponse(refused.problem.model_dump(), refused.status, headers)

    return router


async def _answered(storing: Storing, request: Request) -> Response:
    try:
        boundary = boundary_of(request.headers.get("content-type", ""))
        storing.check_room()
    except Unreadable as error:
        raise _Refused(415, error.code, str(error)) from None
    except SpoolFull as error:
        raise _Refused(503, error.code, "no room now, try again later") from None
    body = storing.folder() / secrets.token_hex(16)
    try:
        await _save(request, body, storing.max_bytes)
        stored = await run_in_threadpool(_store_parts, storing, body, boundary, _sender(request))
    except Unreadable as error:
        raise _Refused(400, error.code, str(error)) from None
    finally:
        body.unlink(missing_ok=True)
    return _told(stored)


def _sender(request: Request) -> tuple[str, str]:
    """How the sender is named where a C-STORE has an AE title, and its address."""
    principal = principal_of(request)
    name = principal.name[:16] if principal is not None else _SENDER
    return name, request.client.host if request.client else ""


async def _save(request: Request, path: Path, most: int) -> None:
    """Write the body as it comes. Raises :class:`_Refused` for too much or too slow."""
    stream, size = aiter(request.stream()), 0
    with path.open("xb") as file:
        while True:
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    part = await anext(stream, None)
            except TimeoutError:
                raise _Refused(408, "too-slow", "the body did not come in time") from None
            if part is None:
                return
            size += len(part)
            if size > most:
                raise _Refused(413, "too-long", "the body is longer than the node takes")
            file.write(part)


def _store_parts(
    storing: Storing, body: Path, boundary: bytes, sender: tuple[str, str]
) -> list[_Stored]:
    if not body.stat().st_size:
        raise Unreadable("the body is empty")
    with body.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return list(_each(storing, whole, boundary, sender))


def _each(
    storing: Storing, whole: mmap.mmap, boundary: bytes, sender: tuple[str, str]
) -> Iterator[_Stored]:
    for part in parts(whole, boundary):
        partial = storing.folder() / secrets.token_hex(16)
        try:
            partial.write_bytes(whole[part])
            yield _store(storing, partial, sender)
        finally:
            partial.unlink(missing_ok=True)


def _store(storing: Storing, partial: Path, sender: tuple[str, str]) -> _Stored:
    """One object, with the status of PS3.4 B.2.3 where it is refused."""
    try:
        command, start = _as_command(partial)
    except Unreadable as error:
        return _Stored("", "", _refused(error))
    named = (command.sop_class_uid, command.sop_instance_uid)
    if command.sop_class_uid not in _CLASSES:
        emit(Event.INSTANCE_REFUSED, status=SOP_CLASS_NOT_SUPPORTED, code="sop-class")
        return _Stored(*named, SOP_CLASS_NOT_SUPPORTED)
    try:
        _keep(storing, command, partial, start, sender)
    except CxrNodeError as error:
        return _Stored(*named, _refused(error))
    return _Stored(*named, 0)


def _refused(error: CxrNodeError) -> int:
    status = status_of(error)[0]
    emit(Event.INSTANCE_REFUSED, status=status, code=error.code)
    return status


def _as_command(partial: Path) -> tuple[StoreCommand, int]:
    """What the file meta says of the object, and where its data set starts."""
    try:
        with partial.open("rb") as stream:
            frame = read_frame(stream)
        meta = read_file_meta_info(partial)
        command = StoreCommand(
            sop_class_uid=str(meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
            transfer_syntax=frame.transfer_syntax.text,
        )
    except BROKEN_VALUE as error:
        raise Unreadable("the file meta information cannot be read") from error
    return command, frame.start


def _keep(
    storing: Storing, command: StoreCommand, partial: Path, start: int, sender: tuple[str, str]
) -> None:
    """Hand over the file that a C-STORE would have left, so that both ways make one digest."""
    received = storing.folder() / secrets.token_hex(16)
    try:
        with partial.open("rb") as source, received.open("xb") as target:
            write_head(target, command)
            source.seek(start)
            shutil.copyfileobj(source, target, 1_048_576)
        storing.receive(
            Received(
                partial=received,
                sop_class_uid=command.sop_class_uid,
                sop_instance_uid=command.sop_instance_uid,
                transfer_syntax=command.transfer_syntax,
                calling_ae=sender[0],
                address=sender[1],
            )
        )
    finally:
        received.unlink(missing_ok=True)


def _told(stored: list[_Stored]) -> Response:
    """The response of PS3.18 §10.5.3 as DICOM JSON."""
    failed = [_item(one) for one in stored if one.status]
    kept = [_item(one) for one in stored if not one.status]
    document: dict[str, Any] = {}
    if kept:
        document["00081199"] = {"vr": "SQ", "Value": kept}
    if failed:
        document["00081198"] = {"vr": "SQ", "Value": failed}
    status = 200 if not failed else 202 if kept else 409
    return JSONResponse(document, status, media_type="application/dicom+json")


def _item(one: _Stored) -> dict[str, Any]:
    item: dict[str, Any] = {
        "00081150": {"vr": "UI", "Value": [one.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [one.sop_instance_uid]},
    }
    if one.status:
        item["00081197"] = {"vr": "US", "Value": [one.status]}
    return item
