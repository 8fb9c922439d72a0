"""``cxr-node dialogues chains``: reasoning mined from the reports of a file of dialogues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from cxr_node.config import Configuration
from cxr_node.domain.errors import ConfigurationError
from cxr_node.training.chain_prompts import TextModel
from cxr_node.training.chain_records import mined_records
from cxr_node.training.chain_rules import RuleModel
from cxr_node.training.chain_tasks import Sampling
from cxr_node.training.chains import Dropped
from cxr_node.training.record_files import write_records


@dataclass(frozen=True, slots=True)
class ChainWish:
    """What the operator asked for; ``model`` and ``engine`` empty are the rules that ship."""

    source: Path
    out: Path
    model: Path | None
    engine: str
    rules: Sampling


def mine_file(config: Configuration, wish: ChainWish, console: Console) -> int:
    """Mine, write, and print what was dropped and why; returns how many chains there are."""
    dropped = Dropped()
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        _text_model(config, wish) as model,
        Progress(
            "{task.description}", *columns, console=console, disable=not console.is_terminal
        ) as bar,
    ):
        task = bar.add_task("questions", total=None)
        records = mined_records(
            wish.source,
            model,
            wish.rules,
            dropped,
            drawn=lambda total: bar.update(task, total=total),
            done=lambda tried: bar.update(task, completed=tried),
        )
        count = write_records(wish.out, records)
    if dropped.chains or dropped.steps:
        console.print(_table(dropped))
    return count


def _table(dropped: Dropped) -> Table:
    table = Table("dropped", "why", "count")
    for what, found in (("chain", dropped.chains), ("step", dropped.steps)):
        for reason, count in found.most_common():
            table.add_row(what, reason, str(count))
    return table


@contextmanager
def _text_model(config: Configuration, wish: ChainWish) -> Iterator[TextModel]:
    if wish.model and wish.engine:
        raise ConfigurationError("name either a folder (--model) or a served model (--engine)")
    if wish.model:
        from cxr_node.training.chain_models import LocalText

        yield LocalText(wish.model)
    elif wish.engine:
        yield from _served(config, wish.engine)
    else:
        yield RuleModel()


def _served(config: Configuration, name: str) -> Iterator[TextModel]:
    from cxr_node.reasoning.engine_client import EngineClient
    from cxr_node.training.chain_models import EngineText

    if not config.engine.url:
        raise ConfigurationError("engine.url names no inference server")
    client = EngineClient(config.engine)
    try:
        yield EngineText(client, name)
    finally:
        client.close()
