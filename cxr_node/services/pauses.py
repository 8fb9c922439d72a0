"""Pauses between two attempts: growing, bounded, and not the same for all."""

from __future__ import annotations

import zlib

from cxr_node.config import DeliverySection


def grown_seconds(attempts: int, first: float, longest: float, spread: int) -> float:
    """Doubled each time up to ``longest``, less up to a quarter.

    ``spread`` is any number of the work's own: it takes apart what failed together, so that
    it does not all come back at one moment.
    """
    doubled = first * 2.0 ** min(max(attempts - 1, 0), 20)
    share = zlib.crc32(f"{spread}/{attempts}".encode()) / 2**32
    return min(doubled, longest) * (1.0 - share / 4.0)


def pause_seconds(attempts: int, spread: int, limits: DeliverySection) -> float:
    """Until the next attempt of a delivery that was not taken for now."""
    return grown_seconds(attempts, limits.first_retry_seconds, limits.longest_retry_seconds, spread)
