"""Blank, constant and noise pictures are refused; drawings of a chest are not."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_node.domain.errors import NotReadable
from cxr_node.imaging.quality import LEAST_CONTRAST, LEAST_CORRELATION, check_quality, measure
from tests.builders import chest

RANDOM = np.random.default_rng(3)


def marked() -> np.ndarray:
    picture = np.full((1000, 900), 12, np.uint8)
    picture[20:60, 20:90] = 255
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1024, 1024), np.uint8),
        np.full((300, 200), 130, np.uint8),
        marked(),
        RANDOM.integers(0, 256, (1024, 1024), np.uint8),
        np.clip(RANDOM.normal(128, 30, (900, 800)), 0, 255).astype(np.uint8),
        (RANDOM.random((512, 512)) > 0.5).astype(np.uint8) * 255,
        RANDOM.integers(0, 256, (64, 64), np.uint8),
        np.tile(np.arange(10, dtype=np.uint8), (3, 1)),
    ],
    ids=["black", "gray", "mark", "white", "gauss", "salt", "small", "tiny"],
)
def test_nothing_to_see(picture: np.ndarray) -> None:
    with pytest.raises(NotReadable) as refusal:
        check_quality(picture)
    assert refusal.value.reason == "image-quality"


@pytest.mark.parametrize("lateral", [False, True])
def test_a_drawing_of_a_chest_passes_with_room(lateral: bool) -> None:
    found = check_quality((chest(lateral=lateral) >> 4).astype(np.uint8))
    assert found.contrast > 3 * LEAST_CONTRAST
    assert found.correlation > (1 + LEAST_CORRELATION) / 2


def test_a_noisy_chest_still_passes() -> None:
    noisy = (chest(1024, 900) >> 4).astype(float) + RANDOM.normal(0, 25, (1024, 900))
    check_quality(np.clip(noisy, 0, 255).astype(np.uint8))


def test_the_measure_of_noise_is_near_zero() -> None:
    assert abs(measure(RANDOM.integers(0, 256, (700, 700), np.uint8)).correlation) < 0.1
