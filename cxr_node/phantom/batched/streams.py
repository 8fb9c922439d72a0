"""Random numbers by name: one counter-based stream per seed and purpose, on the CPU.

A picture therefore depends on its seed alone, not on its neighbours in a batch, the order of
drawing or the device that renders it.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What the numbers are for. Values are part of the drawing: never reuse or renumber."""

    PATIENT = 1
    VIEW = 2
    EXPOSURE = 3
    CHOICE = 4
    VESSELS = 5
    GRAIN = 6
    TEXTURE = 7
    WORDS = 8
    PRIOR = 9
    DISTRACTORS = 10
    VENDOR = 11
    FAULTS = 12
    SIGN = 100
    """Plus the number of the sign."""


def stream(seed: int, purpose: Purpose, number: int = 0) -> np.random.Generator:
    """The stream of ``seed`` (0 or more) for ``purpose``; ``number`` tells several apart."""
    key = np.array([seed, int(purpose) + (number << 16)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
