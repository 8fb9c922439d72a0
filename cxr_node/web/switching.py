"""The switches by API and by form; who may use them is decided at the door."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from cxr_node.domain.switches import Part, Suspension
from cxr_node.web.access_control import user_of
from cxr_node.web.body import TooLong, TooSlow, bounded_body
from cxr_node.web.documents import Problem

_LONGEST = 4_096


class SwitchBoard(Protocol):
    """See :class:`cxr_node.services.switches.Switches`."""

    def turn(self, part: Part, *, suspended: bool, by: str, reason: str = "") -> bool: ...

    def suspensions(self) -> Sequence[Suspension]: ...


class SwitchDocument(BaseModel):
    """One part of the node."""

    part: Part
    suspended: bool
    by: str = ""
    reason: str = ""
    since: datetime | None = None


class SwitchOrder(BaseModel):
    """What shall be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suspended: bool
    reason: str = Field("", max_length=200)


def routes(board: SwitchBoard) -> APIRouter:
    """``/api/v1/switches`` and the form behind the page."""
    router = APIRouter(tags=["operation"])

    @router.get("/api/v1/switches", summary="Which parts of the node are suspended")
    def read() -> list[SwitchDocument]:
        return _documents(board)

    @router.put(
        "/api/v1/switches/{part}",
        summary="Suspend or resume intake, reading or delivery",
        responses={422: {"model": Problem, "description": "cannot be used"}},
        response_model=list[SwitchDocument],
    )
    async def turn(part: str, request: Request) -> Response:
        try:
            order = SwitchOrder.model_validate_json(await bounded_body(request, _LONGEST))
        except (TooLong, TooSlow, ValidationError):
            problem = Problem(code="order", message='send {"suspended": true, "reason": "…"}')
            return JSONResponse(problem.model_dump(), 422)
        await _turn(board, part, order, request)
        shown = await run_in_threadpool(_documents, board)
        return JSONResponse([document.model_dump(mode="json") for document in shown])

    @router.post("/switches/{part}", include_in_schema=False)
    async def turn_by_form(part: str, request: Request) -> Response:
        try:
            fields = parse_qs((await bounded_body(request, _LONGEST)).decode(), max_num_fields=4)
            order = SwitchOrder(
                suspended=fields.get("suspended", [""])[0] == "yes",
                reason=fields.get("reason", [""])[0],
            )
        except ValueError as error:  # also what bounded_body and pydantic raise
            raise HTTPException(400) from error
        await _turn(board, part, order, request)
        return RedirectResponse("/", 303)

    return router


async def _turn(board: SwitchBoard, part: str, order: SwitchOrder, request: Request) -> None:
    if part not in set(Part):
        raise HTTPException(404)
    by = user_of(request) or "unknown"
    await run_in_threadpool(
        lambda: board.turn(Part(part), suspended=order.suspended, by=by, reason=order.reason)
    )


def _documents(board: SwitchBoard) -> list[SwitchDocument]:
    known = {found.part: found for found in board.suspensions()}
    return [
        SwitchDocument(
            part=part, suspended=True, by=known[part].by, reason=known[part].reason,
            since=known[part].at,
        )
        if part in known
        else SwitchDocument(part=part, suspended=False)
        for part in Part
    ]  # fmt: skip
