"""One bounded HTTP request to a receiver of results, and what its answer means for the outbox."""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Mapping
from datetime import datetime

import httpx

from cxr_node.domain.delivery import Outcome, Verdict
from cxr_node.domain.errors import ConfigurationError

_LONGEST_WAIT = 86_400.0
_MOST_READ = 262_144
_AGAIN = frozenset({408, 423, 425, 429})


def http_client(ca_file: str, timeout_seconds: float) -> httpx.Client:
    """A client that follows no redirect and reads no proxy or password from the environment.

    Raises :class:`ConfigurationError` where ``ca_file`` holds no certificates.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(f"ca_file: {ca_file}: holds no certificates (PEM)") from error
    return httpx.Client(
        verify=context, timeout=timeout_seconds, follow_redirects=False, trust_env=False
    )


def request(
    client: httpx.Client, method: str, url: str, body: bytes, headers: Mapping[str, str]
) -> httpx.Response | Outcome:
    """The answer with at most 256 KiB of its body, or what came of it where there is none.

    A body that trickles in is cut after the client's own limit.
    """
    until = time.monotonic() + (client.timeout.read or 0.0)
    try:
        with client.stream(method, url, content=body, headers=dict(headers)) as answer:
            content = b""
            for part in answer.iter_bytes():
                content += part
                if len(content) > _MOST_READ or time.monotonic() > until:
                    break
    except httpx.TimeoutException:
        return Outcome(Verdict.RETRY, "no answer in time")
    except httpx.TransportError as error:
        return Outcome(Verdict.RETRY, f"no connection ({type(error).__name__})")
    except (httpx.HTTPError, ValueError) as error:
        return Outcome(Verdict.RETRY, f"no usable answer ({type(error).__name__})")
    return httpx.Response(answer.status_code, headers=answer.headers, content=content[:_MOST_READ])


def outcome_of(answer: httpx.Response, now: datetime) -> Outcome:
    """2xx is done, 3xx and other 4xx are refused, 408, 423, 425, 429 and 5xx come again.

    A redirect is refused: whoever answers at another address was not configured.
    """
    status = answer.status_code
    if answer.is_success:
        return Outcome(Verdict.DONE, status=status)
    if status in _AGAIN or status >= 500:
        wait = asked_pause(answer.headers.get("Retry-After", ""), now)
        return Outcome(Verdict.RETRY, f"answered {status}", status, after_seconds=wait)
    words = "redirects; set its final address" if answer.is_redirect else "refused it"
    return Outcome(Verdict.REFUSED, f"answered {status}: {words}", status)


def asked_pause(said: str, now: datetime) -> float:
    """``Retry-After`` in seconds (RFC 9110 §10.2.3), a number or a date; a day at most."""
    said = said.strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), _LONGEST_WAIT)
    try:
        left = (email.utils.parsedate_to_datetime(said) - now).total_seconds()
    except (ValueError, TypeError):  # no date, or one without its zone
        return 0.0
    return min(max(left, 0.0), _LONGEST_WAIT)
