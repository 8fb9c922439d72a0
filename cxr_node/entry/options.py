"""What every group of verbs shares: the option that names the configuration, and the console."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cxr_node.config import Configuration, load

console = Console()

_DEFAULT_FILE = Path("cxr-node.toml")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file; without it ./cxr-node.toml, else defaults."),
]


def found(path: Path | None) -> Path | None:
    """The file that is meant: the named one, else the one in the working folder, else none."""
    return path or (_DEFAULT_FILE if _DEFAULT_FILE.exists() else None)


def with_model(config: Configuration, path: str) -> Configuration:
    """The configuration with another model; an empty path leaves it as it is."""
    if not path:
        return config
    named = config.model.model_copy(update={"path": path})
    return config.model_copy(update={"model": named})


def configuration(path: Path | None) -> Configuration:
    """The effective configuration. Raises :class:`cxr_node.domain.errors.ConfigurationError`."""
    named = found(path)
    return load(named) if named else Configuration()
