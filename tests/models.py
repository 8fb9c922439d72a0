"""Models and pictures for tests: the embedded model untrained, and grey pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cxr_node.domain.findings import ImageReference
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import PreparedImage
from tests.readings import sample_image

if TYPE_CHECKING:
    from cxr_node.reasoning.transformers_model import TransformersModel


@pytest.fixture(scope="session")
def untrained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the embedded model as it is built, without training."""
    from cxr_node.reasoning.embedded import build_embedded  # torch only where it is used

    folder = tmp_path_factory.mktemp("models") / "untrained"
    build_embedded(folder)
    return folder


@pytest.fixture(scope="session")
def untrained(untrained_folder: Path) -> TransformersModel:
    """That model, loaded."""
    from cxr_node.reasoning.transformers_model import load_model  # torch only where it is used

    return load_model(untrained_folder, threads=1, device="cpu")


def picture(seed: int = 0, *, width: int = 224, height: int = 224) -> PreparedImage:
    """A letterboxed picture of an original of 2000 columns and 2500 rows."""
    gray = np.random.default_rng(seed).integers(0, 256, width * height, dtype=np.uint8)
    content = round(width * 0.8)
    return PreparedImage(
        sop_instance_uid=Uid(f"1.2.3.{seed + 1}"),
        width=width,
        height=height,
        gray=gray.tobytes(),
        left=(width - content) // 2,
        top=0,
        content_width=content,
        content_height=height,
        original_columns=2000,
        original_rows=2500,
    )


def reference(image: PreparedImage, view: str = "PA") -> ImageReference:
    """What the study says of ``image``."""
    return replace(
        sample_image(),
        sop_instance_uid=image.sop_instance_uid,
        rows=image.original_rows,
        columns=image.original_columns,
        view=view,
    )
