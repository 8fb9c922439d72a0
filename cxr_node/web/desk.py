"""What readers do with a line of the worklist: take it, give it back, acknowledge its flag."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from cxr_node.domain.amendment import Person
from cxr_node.domain.identifiers import Uid
from cxr_node.web.documents import Problem
from cxr_node.web.orders import Order, PersonOrder
from cxr_node.web.reading_documents import Document
from cxr_node.web.writing import Writing, answered, described_body


class ReadersDesk(Protocol):
    """See :class:`cxr_node.services.reading_desk.ReadingDesk`."""

    def claim(self, study_uid: Uid, person: Person) -> datetime: ...

    def release(self, study_uid: Uid, person: Person, *, read: bool) -> None: ...

    def acknowledge(self, study_uid: Uid, person: Person) -> None: ...


class ByPerson(Order):
    """Who does it."""

    person: PersonOrder


class ReleaseOrder(ByPerson):
    """A study given back."""

    read: bool = Field(False, description="it was read: it leaves the open list")


class Claimed(Document):
    """The study is this reader's."""

    until: datetime = Field(description="when the claim ends unless it is made again")


class Done(Document):
    """It is recorded."""

    done: bool = True


def routes(writing: Writing | None, desk: ReadersDesk | None) -> APIRouter:
    """Three addresses; ``writing`` says who may use them, without it nobody."""
    router = APIRouter(prefix="/api/v1/studies", tags=["worklist"])
    taken = {"model": Problem, "description": "another reader holds it, or nothing is waiting"}
    refused = {"model": Problem, "description": "the message says why"}

    def options(order: type[Order], answer: type[Document]) -> dict[str, Any]:
        return {
            "response_model": answer,
            "openapi_extra": described_body(order),
            "responses": dict.fromkeys((401, 403, 404, 422), refused) | {409: taken},
        }

    @router.post("/{study_uid}/claim", summary="Take a study", **options(ByPerson, Claimed))
    async def claim(study_uid: str, request: Request) -> Response:
        def take(study: Uid, order: ByPerson) -> Claimed:
            return Claimed(until=_there(desk).claim(study, order.person.person()))

        return await answered(writing, study_uid, request, ByPerson, take, status=200)

    @router.post("/{study_uid}/release", summary="Give it back", **options(ReleaseOrder, Done))
    async def release(study_uid: str, request: Request) -> Response:
        def take(study: Uid, order: ReleaseOrder) -> Done:
            _there(desk).release(study, order.person.person(), read=order.read)
            return Done()

        return await answered(writing, study_uid, request, ReleaseOrder, take, status=200)

    @router.post(
        "/{study_uid}/acknowledgement",
        summary="Answer for a time-critical flag",
        **options(ByPerson, Done),
    )
    async def acknowledge(study_uid: str, request: Request) -> Response:
        def take(study: Uid, order: ByPerson) -> Done:
            _there(desk).acknowledge(study, order.person.person())
            return Done()

        return await answered(writing, study_uid, request, ByPerson, take, status=200)

    return router


def _there(desk: ReadersDesk | None) -> ReadersDesk:
    assert desk is not None  # without a desk nothing was permitted
    return desk
