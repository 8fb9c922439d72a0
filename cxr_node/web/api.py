"""The same as the pages, as JSON under ``/api/v1``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException

from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock
from cxr_node.web.access_control import user_of
from cxr_node.web.documents import Problem, StudyDocument, Worklist, WorklistItem
from cxr_node.web.pages import parsed_uid
from cxr_node.web.source import PageSource

_StudyUid = Annotated[str, Path(description="Study Instance UID (0020,000D)")]


def routes(source: PageSource, clock: Clock) -> APIRouter:
    """Worklist and study documents."""
    router = APIRouter(
        prefix="/api/v1",
        tags=["worklist"],
        responses={503: {"model": Problem, "description": "the database does not answer"}},
    )

    @router.get("/worklist", summary="The reading worklist, flagged first")
    def worklist() -> Worklist:
        counts = source.counts()
        return Worklist(
            at=clock.now(),
            counts=dict(counts.studies),
            queue=dict(counts.queue),
            studies=[WorklistItem.of(entry) for entry in source.worklist()],
        )

    @router.get(
        "/studies/{study_uid}",
        summary="One study with its reading, objects and deliveries",
        responses={404: {"model": Problem, "description": "no such study"}},
    )
    def study(study_uid: _StudyUid, request: Request) -> StudyDocument:
        uid = parsed_uid(study_uid)
        page = source.study(uid)
        if page is None:
            raise HTTPException(404)
        emit(Event.STUDY_VIEWED, study=uid, user=user_of(request))
        return StudyDocument.of(page)

    return router
