"""Recognises who sends a request: token, session, the word of a trusted proxy, or this machine.

Where nobody is configured only this machine is served, and only under its own name, so that no
page of the web can reach the node through a browser that runs here.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cxr_node.config_section import is_loopback
from cxr_node.config_security import TokenSection, WebSection
from cxr_node.domain.access import Principal, Role, SignIn
from cxr_node.domain.ports import Clock

SESSION_SECONDS = 43_200
_MOST_SESSIONS = 1_000
_FAILURES, _FAILURE_SECONDS, _MOST_ADDRESSES = 10, 60.0, 4_096
LOCAL = Principal("this machine", frozenset(Role), SignIn.THIS_MACHINE)


@dataclass(frozen=True, slots=True)
class Caller:
    """What is known of a request before anybody is believed; header names in lower case."""

    address: str
    headers: Mapping[str, str]
    session: str = ""

    @property
    def token(self) -> str | None:
        """The bearer token; None where no such header stands."""
        written = self.headers.get("authorization")
        if written is None:
            return None
        scheme, _, token = written.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


class Attempts:
    """Failed sign-ins for each address; remembers a bounded number of addresses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def too_many(self, address: str) -> bool:
        """Whether this address must wait before it is listened to again."""
        with self._lock:
            return len(self._recent(address)) >= _FAILURES

    def failed(self, address: str) -> None:
        """Count one."""
        with self._lock:
            self._failed[address] = [*self._recent(address), self._clock.monotonic()][-_FAILURES:]
            self._failed.move_to_end(address)
            while len(self._failed) > _MOST_ADDRESSES:
                self._failed.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        since = self._clock.monotonic() - _FAILURE_SECONDS
        return [moment for moment in self._failed.get(address, ()) if moment > since]


class Sessions:
    """Browsers that signed in; forgotten at a restart. Keys are digests of the cookies."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, principal: Principal) -> str:
        """The value of the cookie."""
        cookie = secrets.token_urlsafe(32)
        end = self._clock.monotonic() + SESSION_SECONDS
        holder = Principal(principal.name, principal.roles, SignIn.SESSION)
        with self._lock:
            self._open[_digest(cookie)] = (holder, end)
            while len(self._open) > _MOST_SESSIONS:
                self._open.popitem(last=False)
        return cookie

    def holder(self, cookie: str) -> Principal | None:
        """Who signed in with it, while it lasts."""
        with self._lock:
            found = self._open.get(_digest(cookie)) if cookie else None
        return found[0] if found and found[1] > self._clock.monotonic() else None

    def end(self, cookie: str) -> None:
        """Forget it."""
        with self._lock:
            self._open.pop(_digest(cookie), None)


@dataclass
class Access:
    """The door. ``write_token`` is the one of ``web.write_token_file``; it locks nobody out."""

    web: WebSection
    tokens: Sequence[TokenSection]
    clock: Clock
    write_token: str = ""
    attempts: Attempts = field(init=False)
    sessions: Sessions = field(init=False)

    def __post_init__(self) -> None:
        self.attempts, self.sessions = Attempts(self.clock), Sessions(self.clock)
        self._keys = [(token.sha256, _holder(token)) for token in self.tokens]
        if self.write_token:
            writer = Principal("web.write_token_file", frozenset({Role.READER}), SignIn.TOKEN)
            self._keys.append((_digest(self.write_token), writer))

    @property
    def open_to_this_machine(self) -> bool:
        """Whether nobody was given a way to sign in."""
        return not self.tokens and not self.web.trusted_proxies

    def by_token(self, token: str) -> Principal | None:
        """Who holds the token; takes as long for every wrong one."""
        offered, found = _digest(token), None
        for digest, holder in self._keys:
            if hmac.compare_digest(offered, digest):
                found = holder
        return found

    def recognised(self, caller: Caller) -> Principal | None:
        """Who calls without a token; None for a stranger."""
        if self.from_proxy(caller) and (name := caller.headers.get(self.web.user_header.lower())):
            return Principal(name[:64], self._roles(caller), SignIn.PROXY)
        if holder := self.sessions.holder(caller.session):
            return holder
        own_name = is_loopback(_host_of(caller.headers.get("host", "")))
        if self.open_to_this_machine and _is_here(caller.address) and own_name:
            return LOCAL
        return None

    def from_proxy(self, caller: Caller) -> bool:
        """Whether the connection comes from a proxy that is believed."""
        try:
            address = ipaddress.ip_address(caller.address)
        except ValueError:
            return False
        return any(address in ipaddress.ip_network(net) for net in self.web.trusted_proxies)

    def _roles(self, caller: Caller) -> frozenset[Role]:
        named = caller.headers.get(self.web.groups_header.lower(), "")
        groups = {group.strip() for group in named.split(",")}
        given = {
            Role.VIEWER: self.web.viewer_groups,
            Role.READER: self.web.reader_groups,
            Role.OPERATOR: self.web.operator_groups,
        }
        return frozenset(role for role, names in given.items() if groups & set(names))


def _holder(token: TokenSection) -> Principal:
    return Principal(token.name, frozenset({token.role}), SignIn.TOKEN)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _is_here(address: str) -> bool:
    return is_loopback(address.removeprefix("::ffff:"))


def _host_of(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
