"""Fixtures of an inference server over a tiny model, and the folder of the model it serves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr_node.config import EngineSection
from cxr_node.reasoning.profiles import EngineModel as ServedModel
from cxr_node.reasoning.profiles import load_manifest, seal

SERVED = "tiny"
VERSIONS = ">=0.11,<0.12"

OpenServer = Callable[..., "EngineServer"]  # noqa: F821 - torch only where it is used


def served_folder(weights: Path, target: Path, *, versions: str = VERSIONS) -> Path:
    """A folder without weights for the model that a server holds."""
    target.mkdir(parents=True)
    served = ServedModel(served_name=SERVED, versions=versions)
    seal(target, load_manifest(weights).model_copy(update={"engine": served, "files": {}}))
    return target


def section(url: str, **changes: object) -> EngineSection:
    """The configuration for a server, with short limits."""
    limits = {"connect_seconds": 2.0, "answer_seconds": 30.0, "retries": 2, "cache_salt": "site"}
    return EngineSection.model_validate({"url": url} | limits | changes)
