"""What the verbs of ``cxr-node train`` share: where to compute, what must be there, the bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cxr_node.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from cxr_node.training.trainer_parts import Watch


class Device(StrEnum):
    """Where is computed."""

    CPU = "cpu"
    CUDA = "cuda"


def need_trainers() -> None:
    """Raises :class:`ConfigurationError` naming the first package that is missing."""
    for name in ("torch", "transformers", "trl", "peft", "accelerate", "datasets"):
        if find_spec(name) is None:
            raise ConfigurationError(
                f"training needs the package {name}; install cxr-node[model,train]"
            )


@contextmanager
def progress_bar(what: str) -> Iterator[Watch]:
    """A bar over the steps on standard error; off a terminal one line for every report."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    more = (TimeRemainingColumn(), TextColumn("{task.fields[figures]}"))
    quiet = not console.is_terminal
    with Progress(*columns, *more, console=console, disable=quiet) as bar:
        task = bar.add_task(what, total=None, figures="")

        def watch(step: int, total: int, figures: Mapping[str, float]) -> None:
            words = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
            bar.update(task, completed=step, total=total)
            if words:
                bar.update(task, figures=words)
            if quiet and words:
                console.print(f"{what} {step}/{total}  {words}", highlight=False, soft_wrap=True)

        yield watch
