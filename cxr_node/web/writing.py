"""The two requests that change something: a correction and an assessment.

They are taken from readers whom :mod:`cxr_node.web.access_control` let in, or with the site's
token in the Authorization header. No browser adds that by itself, so a foreign page cannot make
one write; what a browser marks as sent from another site is refused besides. Nothing that was
sent stands in an answer or in the log.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from cxr_node.domain.access import Role
from cxr_node.domain.amendment import Person
from cxr_node.domain.assessment import Opinion
from cxr_node.domain.errors import (
    AmendmentConflict,
    AmendmentRefused,
    MalformedUid,
    UnknownStudy,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.services.amend import AmendmentWish
from cxr_node.web.access_control import principal_of, signed_in
from cxr_node.web.body import TooLong, TooSlow, bounded_body
from cxr_node.web.documents import Problem
from cxr_node.web.orders import AmendmentOrder, AssessmentOrder, Order, Taken

LONGEST_BODY = 131_072
"""Bytes; forty corrections of the greatest length fit."""
_ELSEWHERE = ("cross-site", "same-site")


class ReviewDesk(Protocol):
    """Takes what persons say of readings; see :class:`cxr_node.services.amend.Amendments`."""

    def amend(self, study_uid: Uid, wish: AmendmentWish) -> int: ...

    def assess(
        self,
        study_uid: Uid,
        opinions: Sequence[Opinion],
        person: Person,
        revision: int | None = None,
    ) -> int: ...


@dataclass(frozen=True, slots=True)
class Writing:
    """Where orders go, and the token that they must carry."""

    desk: ReviewDesk
    token: str


_AnyOrder = TypeVar("_AnyOrder", bound=Order)


class _Refusal(Exception):
    """A request that is answered at once."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(code=code, message=message)


def routes(writing: Writing | None) -> APIRouter:
    """The two addresses; without ``writing`` they answer that nothing is taken."""
    router = APIRouter(prefix="/api/v1/studies", tags=["review"])
    described = {
        401: {"model": Problem, "description": "no token, or a wrong one"},
        403: {"model": Problem, "description": "corrections are off, or sent from another site"},
        404: {"model": Problem, "description": "no such study"},
        409: {"model": Problem, "description": "the reading is not, or no longer, the newest"},
        422: {"model": Problem, "description": "cannot be used; the message says why"},
    }
    options: dict[str, Any] = {"status_code": 202, "response_model": Taken, "responses": described}

    @router.post(
        "/{study_uid}/amendments",
        summary="Correct answers, verify, set the priority",
        openapi_extra=described_body(AmendmentOrder),
        **options,
    )
    async def amend(study_uid: str, request: Request) -> Response:
        def take(study: Uid, order: AmendmentOrder) -> Taken:
            return Taken(revision=_desk(writing).amend(study, order.wish()))

        return await answered(writing, study_uid, request, AmendmentOrder, take)

    @router.post(
        "/{study_uid}/assessments",
        summary="Accept, reject or supplement findings",
        openapi_extra=described_body(AssessmentOrder),
        **options,
    )
    async def assess(study_uid: str, request: Request) -> Response:
        def take(study: Uid, order: AssessmentOrder) -> Taken:
            opinions = [one.opinion() for one in order.findings]
            person = order.person.person()
            return Taken(revision=_desk(writing).assess(study, opinions, person, order.revision))

        return await answered(writing, study_uid, request, AssessmentOrder, take)

    return router


def described_body(order: type[Order]) -> dict[str, Any]:
    """What the description of the API says of an order's body."""
    schema = order.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "security": [{"token": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


async def answered(
    writing: Writing | None,
    study_uid: str,
    request: Request,
    kind: type[_AnyOrder],
    take: Callable[[Uid, _AnyOrder], BaseModel],
    status: int = 202,
) -> Response:
    """Check who sends it and what was sent, let ``take`` do it, and say what came of it."""
    try:
        _check_permitted(writing, request)
        order = _parsed(kind, await _body_of(request))
        done = await run_in_threadpool(take, _study(study_uid), order)
    except _Refusal as refusal:
        challenge = {"www-authenticate": "Bearer"} if refusal.status == 401 else None
        return JSONResponse(refusal.problem.model_dump(), refusal.status, challenge)
    except (AmendmentRefused, UnknownStudy) as error:
        problem = Problem(code=error.code, message=str(error))
        return JSONResponse(problem.model_dump(), _status(error))
    return JSONResponse(done.model_dump(mode="json"), status)


def _status(error: AmendmentRefused | UnknownStudy) -> int:
    if isinstance(error, UnknownStudy):
        return 404
    return 409 if isinstance(error, AmendmentConflict) else 422


def _desk(writing: Writing | None) -> ReviewDesk:
    assert writing is not None  # nothing is permitted without
    return writing.desk


def _check_permitted(writing: Writing | None, request: Request) -> None:
    if writing is None:
        words = "corrections over HTTP are off; the operator sets a token or web.write_token_file"
        raise _Refusal(403, "writing-off", words)
    if request.headers.get("sec-fetch-site") in _ELSEWHERE:
        raise _Refusal(403, "cross-site", "the request was sent from another site")
    if not _is_known(writing, request):
        raise _Refusal(401, "token", "the token is missing or wrong")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise _Refusal(415, "content-type", "send application/json")


def _is_known(writing: Writing, request: Request) -> bool:
    """Whether the door has let a reader in, or the token of this site is shown."""
    principal = principal_of(request)
    if principal is not None and signed_in(request):
        return Role.READER in principal.roles
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return (
        bool(writing.token)
        and scheme.lower() == "bearer"
        and hmac.compare_digest(
            token.strip().encode("utf-8", "replace"), writing.token.encode("utf-8")
        )
    )


async def _body_of(request: Request) -> bytes:
    """The body, of which no more is read than may be sent."""
    try:
        return await bounded_body(request, LONGEST_BODY)
    except TooLong as error:
        words = f"the request is longer than {LONGEST_BODY} bytes"
        raise _Refusal(413, "too-long", words) from error
    except TooSlow as error:
        raise _Refusal(408, "too-slow", "the request did not come in time") from error


def _parsed(kind: type[_AnyOrder], body: bytes) -> _AnyOrder:
    """The order. What was sent is not repeated in the refusal."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        shown = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        named = "" if first["type"] == "extra_forbidden" else f"{place}: "
        words = f"{named}{shown}" if first["type"] != "json_invalid" else "the body is no JSON"
        raise _Refusal(422, "order", words) from error


def _study(text: str) -> Uid:
    try:
        return Uid(text)
    except MalformedUid:
        raise HTTPException(404) from None
