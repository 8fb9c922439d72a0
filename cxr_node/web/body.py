"""Reads the body of a request within limits of length and time."""

from __future__ import annotations

import asyncio

from fastapi import Request

_SECONDS = 15.0


class TooLong(ValueError):
    """More was sent than may be."""


class TooSlow(ValueError):
    """It did not come in time."""


async def bounded_body(request: Request, longest: int, seconds: float = _SECONDS) -> bytes:
    """The body, of which no more than ``longest`` bytes are kept.

    Raises :class:`TooLong`, :class:`TooSlow`.
    """
    found = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                found += part
                if len(found) > longest:
                    raise TooLong
    except TimeoutError as error:
        raise TooSlow from error
    return bytes(found)
