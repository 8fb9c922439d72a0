"""Sizes, and the way back: a point found in the prepared picture names the original pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import ImagePolicy, PreparedImage, SizePolicy
from cxr_node.imaging.prepare import fit_picture, place, shrink_to

POLICIES = [
    ImagePolicy(SizePolicy.STRETCH, side=448),
    ImagePolicy(SizePolicy.LETTERBOX, side=448),
    ImagePolicy(SizePolicy.FIT, max_pixels=476 * 476),
]


def prepared(gray: np.ndarray, policy: ImagePolicy) -> PreparedImage:
    where, picture = fit_picture(gray, policy)
    return PreparedImage(
        sop_instance_uid=Uid("1.2"),
        width=where.width,
        height=where.height,
        gray=picture.tobytes(),
        left=where.left,
        top=where.top,
        content_width=where.content_width,
        content_height=where.content_height,
        original_columns=gray.shape[1],
        original_rows=gray.shape[0],
    )


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.size)
@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(60, 900),
    columns=st.integers(60, 900),
    u=st.floats(0.1, 0.9),
    v=st.floats(0.1, 0.9),
)
def test_a_mark_is_found_where_it_was(
    policy: ImagePolicy, rows: int, columns: int, u: float, v: float
) -> None:
    gray = np.zeros((rows, columns), np.uint8)
    half_r, half_c = max(2, rows // 40), max(2, columns // 40)
    row, column = round(v * rows), round(u * columns)
    gray[row - half_r : row + half_r, column - half_c : column + half_c] = 255
    image = prepared(gray, policy)
    picture = np.frombuffer(image.gray, np.uint8).reshape(image.height, image.width)
    weight = picture.astype(float)
    y = (weight.sum(1) * (np.arange(image.height) + 0.5)).sum() / weight.sum()
    x = (weight.sum(0) * (np.arange(image.width) + 0.5)).sum() / weight.sum()
    found_column, found_row = image.to_original(x, y)
    assert abs(found_column - column) <= 0.005 * columns
    assert abs(found_row - row) <= 0.005 * rows


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.size)
@given(
    rows=st.integers(1, 6000),
    columns=st.integers(1, 6000),
    u=st.floats(0, 1),
    v=st.floats(0, 1),
)
def test_there_and_back(policy: ImagePolicy, rows: int, columns: int, u: float, v: float) -> None:
    where = place(columns, rows, policy)
    image = PreparedImage(
        Uid("1.2"), where.width, where.height, b"", where.left, where.top,
        where.content_width, where.content_height, columns, rows,
    )  # fmt: skip
    column, row = image.to_original(*image.from_original(u * columns, v * rows))
    assert abs(column - u * columns) < 1e-6 * columns
    assert abs(row - v * rows) < 1e-6 * rows


@given(rows=st.integers(1, 9000), columns=st.integers(1, 9000))
def test_fit_keeps_its_promises(rows: int, columns: int) -> None:
    policy = ImagePolicy(SizePolicy.FIT, max_pixels=476 * 476, multiple=28)
    where = place(columns, rows, policy)
    assert where.width % 28 == where.height % 28 == 0
    assert 28 * 28 <= where.width * where.height <= 476 * 476


def test_letterbox_keeps_the_aspect_and_pads_with_black() -> None:
    gray = np.full((200, 100), 255, np.uint8)
    where, picture = fit_picture(gray, ImagePolicy(SizePolicy.LETTERBOX, side=64))
    assert (where.content_width, where.content_height, where.left) == (32, 64, 16)
    assert (picture[:, 16:48] == 255).all()
    assert picture.sum() == 255 * 32 * 64


def test_fit_of_a_2500_by_3000_radiograph() -> None:
    where = place(2500, 3000, ImagePolicy(SizePolicy.FIT, max_pixels=476 * 476))
    assert (where.width // 28) * (where.height // 28) <= 289
    assert abs(where.width / where.height - 2500 / 3000) < 0.06


def test_shrinking_never_enlarges() -> None:
    assert shrink_to(np.zeros((50, 40), np.uint8), 512).shape == (50, 40)
    assert shrink_to(np.zeros((1000, 500), np.uint8), 512).shape == (512, 256)
