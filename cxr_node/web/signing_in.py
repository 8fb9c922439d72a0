"""The page on which a person exchanges a token for a session, and the way out."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from cxr_node.domain.events import Event, emit
from cxr_node.web.access import SESSION_SECONDS, Access
from cxr_node.web.access_control import (
    COOKIE,
    Refused,
    caller_of,
    checked_token,
    require_own_page,
)
from cxr_node.web.body import TooLong, TooSlow, bounded_body
from cxr_node.web.layout import render

_LONGEST_FORM = 4_096
_WORDS = {
    "too-many": "Too many failed attempts from here; wait a minute.",
    "token": "That token is not known.",
    "cross-site": "The form was sent from another site.",
    "form": "The form could not be read.",
}
_STATUS = {"too-many": 429, "token": 401, "cross-site": 403, "form": 400}


def routes(access: Access) -> APIRouter:
    """``/login`` and ``/logout``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    def form() -> Response:
        return render("login.html", {"problem": ""})

    @router.post("/login")
    async def sign_in(request: Request) -> Response:
        try:
            require_own_page(request, needs_origin=False)
            holder = checked_token(access, await _token(request), caller_of(request))
        except Refused as refused:
            return _again(request, refused.reason)
        emit(Event.SIGNED_IN, user=holder.name)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            access.sessions.begin(holder),
            max_age=SESSION_SECONDS,
            secure=_encrypted(request, access),
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.post("/logout")
    def sign_out(request: Request) -> Response:
        access.sessions.end(caller_of(request).session)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return router


async def _token(request: Request) -> str:
    try:
        body = await bounded_body(request, _LONGEST_FORM)
        return parse_qs(body.decode("ascii"), max_num_fields=2, strict_parsing=True)["token"][0]
    except (TooLong, TooSlow, ValueError, KeyError) as error:
        raise Refused("form") from error


def _encrypted(request: Request, access: Access) -> bool:
    forwarded = request.headers.get("x-forwarded-proto") == "https"
    return request.url.scheme == "https" or (forwarded and access.from_proxy(caller_of(request)))


def _again(request: Request, reason: str) -> Response:
    address = request.client.host if request.client else ""
    emit(Event.ACCESS_REFUSED, reason=reason, address=address)
    return render("login.html", {"problem": _WORDS[reason]}, _STATUS[reason])
