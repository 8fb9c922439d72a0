"""The HTTP application: the reading room pages, the API, and what an operator watches."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

import cxr_node
from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.events import Event, emit_failure
from cxr_node.domain.ports import Clock, SystemClock
from cxr_node.web import (
    api,
    changes,
    deliveries,
    fhir,
    operations,
    pages,
    signing_in,
    stow,
    switching,
    ups_channel,
    ups_routes,
    writing,
)
from cxr_node.web import desk as desk_routes
from cxr_node.web.access import Access
from cxr_node.web.access_control import AccessControl
from cxr_node.web.desk import ReadersDesk
from cxr_node.web.documents import Problem
from cxr_node.web.guard import Guard
from cxr_node.web.layout import render
from cxr_node.web.source import PageSource
from cxr_node.web.stow import Storing
from cxr_node.web.switching import SwitchBoard
from cxr_node.web.ups_routes import WorkitemService
from cxr_node.web.writing import Writing

_STATIC = Path(__file__).parent / "static"
_RETRY_SECONDS = "5"
_MESSAGES = {
    404: ("not-found", "There is nothing under this address."),
    405: ("method-not-allowed", "This address can only be read."),
}


def create_app(
    source: PageSource,
    clock: Clock | None = None,
    review: Writing | None = None,
    access: Access | None = None,
    storing: Storing | None = None,
    desk: ReadersDesk | None = None,
    board: SwitchBoard | None = None,
    workitems: WorkitemService | None = None,
    results: fhir.Results | None = None,
    letters: deliveries.Letters | None = None,
) -> FastAPI:
    """Everything the node serves over HTTP, made from ``source``.

    All of it can only be read, but for what ``review`` takes: corrections and assessments.
    ``access`` decides who is served; without it everybody is, which only tests may want.
    ``storing`` takes images by STOW-RS; ``board`` holds the switches of the node's parts;
    ``results`` are served as FHIR.
    """
    app = FastAPI(
        title="CXR node",
        version=cxr_node.__version__,
        description="Reading worklist and readings of a chest X-ray reading node.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    timekeeper = clock or SystemClock()
    app.include_router(pages.routes(source, timekeeper, writable=review is not None))
    app.include_router(api.routes(source, timekeeper))
    app.include_router(writing.routes(review))
    app.include_router(desk_routes.routes(review, desk))
    told = changes.Changes(source.list_state)
    app.include_router(changes.routes(told))
    app.state.end_streams = told.end
    app.include_router(operations.routes(source))
    if letters is not None:
        app.include_router(deliveries.routes(letters))
    if workitems is not None:
        app.include_router(ups_routes.routes(workitems))
        app.include_router(ups_channel.routes(workitems.channel, access))
    if results is not None:
        app.include_router(fhir.routes(results))
    if board is not None:
        app.include_router(switching.routes(board))
    if storing is not None:
        app.include_router(stow.routes(storing))
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(StoreUnavailable, _store_unavailable)
    app.add_exception_handler(Exception, _failed)
    if access is not None:
        app.include_router(signing_in.routes(access))
        app.add_middleware(AccessControl, access=access)
    app.add_middleware(Guard)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    code, message = _MESSAGES.get(status, ("refused", "The request cannot be answered."))
    return _problem(request, status, Problem(code=code, message=message), headers)


async def _store_unavailable(request: Request, error: Exception) -> Response:
    message = "The database does not answer. Nothing is lost; try again in a few seconds."
    problem = Problem(code=StoreUnavailable.code, message=message)
    return _problem(request, 503, problem, {"retry-after": _RETRY_SECONDS})


async def _failed(request: Request, error: Exception) -> Response:
    emit_failure(Event.LOOP_FAILED, error)
    problem = Problem(code="failed", message="The node could not answer; its log says where.")
    return _problem(request, 500, problem, {})


def _problem(request: Request, status: int, problem: Problem, headers: dict[str, str]) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse(problem.model_dump(), status, headers)
    return render("problem.html", {"problem": problem, "status": status}, status, headers)
