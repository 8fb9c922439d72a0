"""Fixtures of an inference server over a tiny model, and the folder of the model it serves."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cxr_node.config import EngineSection
from cxr_node.domain.ports import Ask, Reply
from cxr_node.reasoning.profiles import EngineModel as ServedModel
from cxr_node.reasoning.profiles import load_manifest, seal
from tests.models import picture

if TYPE_CHECKING:
    from cxr_node.reasoning.engine_model import EngineModel
    from tests.engine_network import EngineNetwork
    from tests.engine_server import EngineServer

SERVED = "tiny"
VERSIONS = ">=0.11,<0.12"

Open = Callable[..., "EngineModel"]
CLOSED = Ask("effusion?", options=("present", "absent", "uncertain"))


def served_folder(weights: Path, target: Path, *, versions: str = VERSIONS) -> Path:
    """A folder without weights for the model that a server holds."""
    target.mkdir(parents=True)
    served = ServedModel(served_name=SERVED, versions=versions)
    seal(target, load_manifest(weights).model_copy(update={"engine": served, "files": {}}))
    return target


def section(url: str, **changes: object) -> EngineSection:
    """The configuration for a server, with short limits."""
    limits = {"connect_seconds": 5.0, "answer_seconds": 30.0, "retries": 2, "cache_salt": "site"}
    return EngineSection.model_validate({"url": url} | limits | changes)


def ask(model: EngineModel, question: Ask = CLOSED, *, seed: int = 0) -> Reply:
    """The reply to one question about one picture."""
    with model.begin([picture(seed)]) as talk:
        return model.answer([(talk, question)])[0]


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def engine_network(untrained_folder: Path) -> EngineNetwork:
    """The untrained embedded model behind the server."""
    from tests.engine_network import EngineNetwork  # torch only where it is used

    return EngineNetwork(untrained_folder)


@pytest.fixture(scope="session")
def engine_folder(untrained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the node has of that model: a manifest."""
    return served_folder(untrained_folder, tmp_path_factory.mktemp("served") / "tiny")


@pytest.fixture
def engine_server(engine_network: EngineNetwork) -> Iterator[EngineServer]:
    """A running server that serves it and does nothing wrong yet."""
    from tests.engine_server import EngineServer  # torch only where it is used

    with EngineServer(engine_network) as server:
        yield server


@pytest.fixture
def open_served(engine_server: EngineServer, engine_folder: Path) -> Iterator[Open]:
    """Opens the served model, with changes to the configuration; closes it at the end."""
    from cxr_node.reasoning.engine_start import open_engine

    with ExitStack() as at_end:

        def opened(**changes: object) -> EngineModel:
            model = open_engine(engine_folder, section(engine_server.url, **changes))
            at_end.callback(model.close)
            return model

        yield opened
