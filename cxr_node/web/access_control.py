"""Lets a request pass or answers it at once: who is it, may they, and is it really their wish.

A browser adds cookies, the word of a proxy and the place on this machine by itself, so a request
that changes something must come from a page of this node; one with a token in its header cannot
have been made by a foreign page.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cxr_node.domain.access import Principal, Role, SignIn
from cxr_node.domain.events import Event, emit
from cxr_node.web.access import Access, Caller
from cxr_node.web.access_rules import rule_for
from cxr_node.web.documents import Problem
from cxr_node.web.layout import render

COOKIE = "cxr_session"
RETRY_SECONDS = "60"
_URL_SECRETS = frozenset({"token", "access_token", "api_key"})
_CHANGES_NOTHING = ("GET", "HEAD")
_REFUSALS = {
    "token-in-url": (400, "A token belongs into the Authorization header, never into an address."),
    "too-many": (429, "Too many failed attempts from this address; wait a minute."),
    "token": (401, "The token is missing or wrong."),
    "sign-in": (401, "Sign in first."),
    "this-machine-only": (403, "Without a configured token the node serves its own machine only."),
    "cross-site": (403, "The request was sent from another site."),
    "role": (403, "Your role may not do this."),
    "method": (405, "This address can only be read."),
}


class Refused(Exception):
    """The request goes no further; ``reason`` is a key of the table."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def caller_of(request: Request) -> Caller:
    """The plain facts of a request."""
    address = request.client.host if request.client else ""
    return Caller(address, dict(request.headers), request.cookies.get(COOKIE, ""))


def principal_of(request: Request) -> Principal | None:
    """Who was let in; None where the application runs without a door, as in tests."""
    found = request.scope.get("principal")
    return found if isinstance(found, Principal) else None


def signed_in(request: Request) -> bool:
    """Whether a page knows who looks at it without being told a token."""
    principal = principal_of(request)
    return principal is not None and principal.by is not SignIn.THIS_MACHINE


def may(request: Request, role: Role) -> bool:
    """Whether who asks has that role."""
    principal = principal_of(request)
    return principal is not None and role in principal.roles


def user_of(request: Request) -> str:
    """What the audit calls whoever asks."""
    principal = principal_of(request)
    return principal.name if principal else ""


class AccessControl:
    """ASGI middleware around everything that is routed."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            principal = self._admitted(request)
        except Refused as refused:
            emit(
                Event.ACCESS_REFUSED,
                reason=refused.reason,
                address=request.client.host if request.client else "",
            )
            await _answer(request, refused.reason, self._access)(scope, receive, send)
            return
        await self._app({**scope, "principal": principal}, receive, send)

    def _admitted(self, request: Request) -> Principal | None:
        rule = rule_for(request.method, request.url.path)
        if rule is None:
            raise Refused("method")
        if _URL_SECRETS & set(request.query_params):
            raise Refused("token-in-url")
        if rule.roles is None:
            return None
        principal = self._known(caller_of(request))
        if not principal.roles & rule.roles:
            raise Refused("role")
        if request.method not in _CHANGES_NOTHING and principal.by is not SignIn.TOKEN:
            require_own_page(request, needs_origin=principal.by is SignIn.SESSION)
        return principal

    def _known(self, caller: Caller) -> Principal:
        token = caller.token
        if token is None:
            if found := self._access.recognised(caller):
                return found
            raise Refused("this-machine-only" if self._access.open_to_this_machine else "sign-in")
        return checked_token(self._access, token, caller)


def checked_token(access: Access, token: str, caller: Caller) -> Principal:
    """The holder of the token. Raises :class:`Refused`; counts failures."""
    if access.attempts.too_many(caller.address):
        raise Refused("too-many")
    found = access.by_token(token)
    if found is None:
        access.attempts.failed(caller.address)
        raise Refused("token")
    return found


def require_own_page(request: Request, *, needs_origin: bool) -> None:
    """Refuse what another site made a browser send. Raises :class:`Refused`."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        raise Refused("cross-site")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise Refused("cross-site")
    if needs_origin and site is None and origin is None:
        raise Refused("cross-site")


def _answer(request: Request, reason: str, access: Access) -> Response:
    status, message = _REFUSALS[reason]
    if reason == "sign-in" and access.tokens and _wants_page(request):
        return RedirectResponse("/login", 303)
    headers = {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 429:
        headers["retry-after"] = RETRY_SECONDS
    problem = Problem(code=reason, message=message)
    if request.url.path.startswith("/api/") or not _wants_page(request):
        return JSONResponse(problem.model_dump(), status, headers)
    return render("problem.html", {"problem": problem, "status": status}, status, headers)


def _wants_page(request: Request) -> bool:
    return request.method in _CHANGES_NOTHING and "text/html" in request.headers.get("accept", "")
