"""The HTTP side of an inference server: one question out, one answer back, within limits.

The server speaks the OpenAI chat protocol with vLLM's additions (``engine_model`` names the
fields). Here is what every exchange has in common: the token, time limits, bounded retries,
the longest answer that is taken. Pictures of patients leave only for the configured address:
never through a proxy of the environment, never after a redirect.
"""

from __future__ import annotations

import email.utils
import math
import random
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from cxr_node.config import EngineSection
from cxr_node.domain.errors import ConfigurationError, CxrNodeError, EngineUnavailable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock, SystemClock

PARALLEL = 64
"""Requests under way at once; as many as ``jobs.batch`` allows."""

_MOST_BYTES = 8 << 20  # a long trace with 20 alternatives a token stays well under 2 MiB
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0  # seconds
_LOOK_AGAIN = 1.0  # seconds between two looks at a server that is away
_TOKEN_REFUSED = frozenset({401, 403})
_TEMPORARY = frozenset({429, 502, 503, 504})

_jitter = random.SystemRandom()


class Declined(CxrNodeError):
    """The server understood that it was asked, and will not answer this request (a 4xx)."""

    code = "engine-declined"

    def __init__(self, status: int) -> None:
        super().__init__(f"the inference server declined the request with status {status}")
        self.status = status


class _Passing(Exception):
    """A trouble that may pass; ``after_seconds`` is what the server asked for, if it did."""

    def __init__(self, words: str, after_seconds: float | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.after_seconds = after_seconds


class EngineClient:
    """One connection pool to one server; safe to use from several threads."""

    def __init__(
        self,
        section: EngineSection,
        *,
        clock: Clock | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open no connection yet. Raises :class:`ConfigurationError` for an unusable file."""
        self._section = section
        self._clock = clock or SystemClock()
        self._pause = pause
        self._base = section.url.rstrip("/")
        self._away = False
        self._gave_up_at = -math.inf
        headers = {"Accept-Encoding": "identity", "Accept": "application/json"}
        if section.token_file:
            headers["Authorization"] = f"Bearer {_token(Path(section.token_file))}"
        self._http = httpx.Client(
            headers=headers,
            verify=_trust(section),
            limits=httpx.Limits(max_connections=PARALLEL, max_keepalive_connections=PARALLEL),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    def address(self) -> str:
        """Where the server is, for messages."""
        return self._base

    def version(self) -> bytes:
        """``GET /version``, which stands beside ``/v1``."""
        return self._exchange("GET", f"{self._base.removesuffix('/v1')}/version", None)

    def models(self) -> bytes:
        """``GET /v1/models``."""
        return self._exchange("GET", f"{self._base}/models", None)

    def complete(self, body: bytes) -> bytes:
        """``POST /v1/chat/completions``; the JSON of the answer.

        Raises :class:`EngineUnavailable` when there is no answer within
        ``answer_seconds``, retries included, and :class:`Declined` for a 4xx.
        """
        return self._exchange("POST", f"{self._base}/chat/completions", body)

    def await_return(self) -> None:
        """After a failure, wait until the server answers again: half of ``answer_seconds``.

        A server takes minutes to start; without this wait every study in the queue would
        use up its attempts in seconds. Raises :class:`EngineUnavailable`, at once for those
        who come together with one that has waited in vain.
        """
        began = self._clock.monotonic()
        latest = began + self._section.answer_seconds / 2
        if began < self._gave_up_at + _LOOK_AGAIN:
            raise self._unavailable("is still away: start it, read its log")
        while self._away:
            try:
                self.models()
            except Declined:
                return  # it answers, and what it answers is for the next request to judge
            except EngineUnavailable:
                if self._clock.monotonic() + _LOOK_AGAIN >= latest:
                    self._gave_up_at = self._clock.monotonic()
                    raise
                self._pause(_LOOK_AGAIN)

    def close(self) -> None:
        self._http.close()

    def _exchange(self, method: str, url: str, body: bytes | None) -> bytes:
        deadline = self._clock.monotonic() + self._section.answer_seconds
        attempt = 0
        while True:
            try:
                content = self._once(method, url, body, deadline)
            except _Passing as trouble:
                wait = trouble.after_seconds
                wait = _back_off(attempt) if wait is None else wait
                attempt += 1
                too_late = self._clock.monotonic() + wait >= deadline
                if attempt > self._section.retries or too_late:
                    words = f"{trouble.words}: see that it runs, read its log"
                    raise self._unavailable(words) from trouble
                reason = trouble.words.replace(" ", "-")
                emit(Event.ENGINE_RETRY, attempt=attempt, reason=reason)
                self._pause(wait)
            else:
                self._away = False
                return content

    def _once(self, method: str, url: str, body: bytes | None, deadline: float) -> bytes:
        left = max(deadline - self._clock.monotonic(), 0.001)
        limits = httpx.Timeout(left, connect=min(self._section.connect_seconds, left))
        kind = {"Content-Type": "application/json"} if body is not None else None
        try:
            with self._http.stream(
                method, url, content=body, headers=kind, timeout=limits
            ) as answer:
                content = self._read(answer, deadline)
        except (httpx.ConnectTimeout, httpx.ConnectError, httpx.PoolTimeout) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise self._unavailable("is not trusted: mend engine.ca_file") from error
            raise _Passing("cannot be reached") from error
        except httpx.TimeoutException as error:
            raise self._late() from error
        except httpx.TransportError as error:
            raise _Passing("broke the connection") from error
        self._check_status(answer)
        return content

    def _read(self, answer: httpx.Response, deadline: float) -> bytes:
        content = bytearray()
        for part in answer.iter_raw():
            content += part
            if len(content) > _MOST_BYTES:
                raise self._unavailable(f"sent more than {_MOST_BYTES} bytes")
            if self._clock.monotonic() > deadline:
                raise self._late()
        return bytes(content)

    def _check_status(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status == httpx.codes.OK:
            return
        if status in _TEMPORARY:
            raise _Passing(f"answers {status}", self._asked_pause(answer))
        if status in _TOKEN_REFUSED:
            raise self._unavailable(f"refuses the token ({status}): mend engine.token_file")
        if 400 <= status < 500:
            raise Declined(status)
        raise self._unavailable(f"answers {status}: read its log")

    def _asked_pause(self, answer: httpx.Response) -> float | None:
        """``Retry-After`` in seconds (RFC 9110 §10.2.3), as a number or as a date."""
        said = answer.headers.get("Retry-After", "").strip()
        if said.isascii() and said.isdigit():
            return float(said[:9])
        try:
            left = email.utils.parsedate_to_datetime(said) - self._clock.now()
        except (ValueError, TypeError):  # no date, or one without its zone
            return None
        return max(left.total_seconds(), 0.0)

    def _late(self) -> EngineUnavailable:
        return self._unavailable(f"gave no answer within {self._section.answer_seconds:g} seconds")

    def _unavailable(self, words: str) -> EngineUnavailable:
        self._away = True
        return EngineUnavailable(f"the inference server at {self._base} {words}")


def _back_off(attempt: int) -> float:
    """Twice as long each time; at random between half and all of it, so that workers spread."""
    longest = min(_FIRST_PAUSE * 2.0**attempt, _LONGEST_PAUSE)
    return _jitter.uniform(longest / 2, longest)


def _token(path: Path) -> str:
    """The bearer token: one line of printable ASCII. Its text is in no message."""
    try:
        found = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"engine.token_file: {path} cannot be read") from error
    if not found or not found.isprintable() or " " in found:
        raise ConfigurationError(f"engine.token_file: {path} must hold one token and no more")
    return found


def _trust(section: EngineSection) -> ssl.SSLContext:
    """Whom to believe: the system's certificates, or those of the site's own authority."""
    try:
        return ssl.create_default_context(cafile=section.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"engine.ca_file: {section.ca_file} holds no certificates"
        ) from error
