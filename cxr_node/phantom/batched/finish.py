"""What is laid over the exposed picture: collimation and lead letters."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.case import Case

_LETTERS = {View.PA: "R", View.AP: "R  AP", View.LATERAL: "L"}


def finished(images: torch.Tensor, cases: list[Case]) -> torch.Tensor:
    """Collimated and marked, in place."""
    for image, case in zip(images, cases, strict=True):
        size = image.shape[-1]
        left, top, right, bottom = edges(case, size)
        image[:top] = image[bottom:] = 0
        image[:, :left] = image[:, right:] = 0
        letters = torch.as_tensor(_letters(_LETTERS[case.view], round(size * 0.05)))
        letters = letters.to(image.device)
        x = left + round(size * case.exposure.marker[0])
        y = top + round(size * case.exposure.marker[1])
        tall, wide = letters.shape
        area = image[y : y + tall, x : x + wide]
        image[y : y + tall, x : x + wide] = torch.maximum(area, 0.97 * letters)
    return images


def edges(case: Case, size: int) -> tuple[int, int, int, int]:
    """First column, first row, column after the last, row after the last of the lit field."""
    left, top, right, bottom = (round(size * share) for share in case.exposure.collimation)
    return left, top, size - right, size - bottom


@lru_cache(maxsize=32)
def _letters(text: str, height: int) -> NDArray[np.float32]:
    font = ImageFont.load_default(size=max(8, height))
    box = font.getbbox(text)
    stamp = Image.new("L", (int(box[2]) + 2, int(box[3]) + 2), 0)
    ImageDraw.Draw(stamp).text((0, 0), text, fill=255, font=font)
    return np.asarray(stamp, dtype=np.float32) / np.float32(255)
