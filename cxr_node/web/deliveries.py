"""Deliveries by API: what is on its way or was given up, and what an operator does about it.

Every role may look; sending again and writing off are for operators, who are named in the
record. Who is let in is decided at the door (``access_rules``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.exceptions import HTTPException

from cxr_node.store.dead_letters import STOPPED, Choice, Letter
from cxr_node.store.outbox import DeliveryState
from cxr_node.web.access_control import principal_of
from cxr_node.web.documents import Problem
from cxr_node.web.reading_documents import Document

_OPEN = (*STOPPED, DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.UNCONFIRMED)
_LOCAL = "somebody on this machine"
_Number = Annotated[int, Path(description="number of the delivery", ge=1)]


class Letters(Protocol):
    """See :class:`cxr_node.services.dead_letters.DeadLetters`."""

    def listed(self, states: tuple[DeliveryState, ...], choice: Choice) -> list[Letter]: ...

    def retry(self, choice: Choice) -> int: ...

    def drop(self, choice: Choice, by: str) -> int: ...


class LetterDocument(Document):
    """One delivery that is not at its destination yet."""

    number: int
    study_uid: str
    destination: str
    kind: str
    state: DeliveryState
    attempts: int
    last_status: int | None
    last_error: str
    created_at: datetime
    next_attempt_at: datetime


class Acted(Document):
    """How many deliveries that concerned."""

    deliveries: int = Field(ge=0)


def routes(letters: Letters) -> APIRouter:
    """Under ``/api/v1/deliveries``."""
    router = APIRouter(prefix="/api/v1/deliveries", tags=["operation"])
    unknown: dict[int | str, dict[str, Any]] = {
        404: {"model": Problem, "description": "no such delivery in that state"}
    }

    @router.get("", summary="What is not delivered yet, and what was given up")
    def listing(destination: str = "", study_uid: str = "") -> list[LetterDocument]:
        return _documents(letters.listed(_OPEN, Choice((), destination, study_uid)))

    @router.post("/{number}/retry", summary="Send it again at once", responses=unknown)
    def retry(number: _Number) -> Acted:
        return _acted(letters.retry(Choice(keys=(number,))))

    @router.post("/{number}/drop", summary="Write off what was given up", responses=unknown)
    def drop(number: _Number, request: Request) -> Acted:
        principal = principal_of(request)
        by = principal.name if principal and principal.name else _LOCAL
        return _acted(letters.drop(Choice(keys=(number,)), by))

    return router


def _documents(found: Sequence[Letter]) -> list[LetterDocument]:
    return [
        LetterDocument(
            number=one.delivery_pk,
            study_uid=one.study_uid,
            destination=one.destination,
            kind=one.kind,
            state=one.state,
            attempts=one.attempts,
            last_status=one.last_status,
            last_error=one.last_error,
            created_at=one.created_at,
            next_attempt_at=one.next_attempt_at,
        )
        for one in found
    ]


def _acted(count: int) -> Acted:
    if not count:
        raise HTTPException(404)
    return Acted(deliveries=count)
