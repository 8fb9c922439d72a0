"""The pages of the reading room: the live worklist and one page per study."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from cxr_node.domain.access import Role
from cxr_node.domain.amendment import PersonRole
from cxr_node.domain.errors import MalformedUid
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import VisibleState
from cxr_node.domain.switches import Part
from cxr_node.web import study_view, words
from cxr_node.web.access_control import may, signed_in, user_of
from cxr_node.web.layout import render
from cxr_node.web.source import PageSource, StudyPage
from cxr_node.web.study_pictures import pictures


def parsed_uid(text: str) -> Uid:
    """A UID from a path; what is no UID names nothing, so it is a 404."""
    try:
        return Uid(text)
    except MalformedUid:
        raise HTTPException(404) from None


def routes(source: PageSource, clock: Clock, *, writable: bool = False) -> APIRouter:
    """Pages and pictures; ``writable`` pages have the forms of a correction."""
    router = APIRouter(include_in_schema=False)

    def worklist_values(request: Request) -> dict[str, Any]:
        now = clock.now()
        entries = source.worklist()
        waits = [words.waiting((now - entry.received_at).total_seconds()) for entry in entries]
        counts = source.counts().studies
        return {
            "rows": list(zip(entries, waits, strict=True)),
            "counts": [(state, counts.get(state, 0)) for state in VisibleState],
            "alarms": source.alarms(),
            "now": now,
            "address": source.address,
            "writable": writable,
            "signed_in": signed_in(request),
            "switchable": list(Part) if may(request, Role.OPERATOR) else [],
            "roles": list(PersonRole),
        }

    @router.get("/")
    def worklist_page(request: Request) -> HTMLResponse:
        return render("worklist.html", worklist_values(request))

    @router.get("/fragments/worklist")
    def worklist_fragment(request: Request) -> HTMLResponse:
        return render("worklist_live.html", worklist_values(request))

    @router.get("/studies/{study_uid}")
    def study_page(study_uid: str, request: Request) -> HTMLResponse:
        study = parsed_uid(study_uid)
        page = source.study(study)
        if page is None:
            raise HTTPException(404)
        emit(Event.STUDY_VIEWED, study=study, user=user_of(request))
        values = {**_study_values(page, clock), "writable": writable, "alarms": source.alarms()}
        return render("study.html", {**values, "signed_in": signed_in(request)})

    @router.get("/studies/{study_uid}/images/{sop_instance_uid}.png")
    def picture(study_uid: str, sop_instance_uid: str) -> Response:
        data = source.picture(parsed_uid(study_uid), parsed_uid(sop_instance_uid))
        if data is None:
            raise HTTPException(404)
        return Response(data, media_type="image/png")

    return router


def _study_values(page: StudyPage, clock: Clock) -> dict[str, Any]:
    reading = page.reading
    waited = (clock.now() - page.entry.received_at).total_seconds()
    return {
        "page": page,
        "entry": page.entry,
        "reading": reading,
        "waiting": words.waiting(waited),
        "pictures": pictures(page),
        "images": study_view.image_lines(page),
        "findings": study_view.finding_lines(reading, devices=False) if reading else (),
        "devices": study_view.finding_lines(reading, devices=True) if reading else (),
        "steps": study_view.steps(reading) if reading else (),
        "spans": study_view.spans(page.milestones),
        "roles": list(PersonRole),
        "priorities": list(Priority),
    }
