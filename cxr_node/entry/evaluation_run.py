"""One evaluation from the command line: read with a bar, write metrics and report, show figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cxr_node.config import Configuration
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import ModelIdentity, ReadingKind
from cxr_node.domain.ports import SystemClock, VisionModel
from cxr_node.entry.options import console
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.context import Context, ContextModel
from cxr_node.evaluation.items import Item
from cxr_node.evaluation.report import figure, interval, render
from cxr_node.evaluation.resampling import Estimate
from cxr_node.evaluation.run import CaseStore, Evaluator
from cxr_node.evaluation.summary import About, Evaluation, as_json, evaluate
from cxr_node.reasoning.assemble import OUTSIDE_PHANTOMS
from cxr_node.reasoning.open_model import open_model, read_identity
from cxr_node.reasoning.profiles import PHANTOMS, ProfiledModel


class EvaluationRun:
    """One evaluation with one model into one folder."""

    def __init__(
        self,
        config: Configuration,
        out: Path,
        kind: ReadingKind,
        batch: int,
        resamples: int,
        context: Context = Context.OWN,
    ) -> None:
        self._context = context
        self._config = config
        self._out = out
        self._kind = kind
        self._batch = batch
        self._resamples = resamples

    def read(
        self,
        items: Sequence[Item],
        words: str,
        *,
        notes: Sequence[str] = (),
        real: bool = False,
    ) -> None:
        """Read what is not read yet, then write metrics and report; ``real``: no phantoms."""
        chosen = self._config.model
        who = read_identity(chosen.path, cache=self._config.models_dir)
        run = {"source": words, "asked": self._kind.value, "digest": who.digest}
        if self._context is not Context.OWN:
            run["context"] = self._context.value
            words = f"{words}; context of a question: {self._context.value}"
        store = CaseStore(self._out, run)
        model = open_model(
            chosen.path,
            threads=chosen.threads,
            device=chosen.device,
            cache=self._config.models_dir,
            engine=self._config.engine,
        )
        shown = model if self._context is Context.OWN else _in_context(model, self._context)
        evaluator = Evaluator(shown, SystemClock(), self._batch)
        columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress("{task.description}", *columns, console=console, transient=True) as bar:
            known = sum(item.key in store.cases for item in items)
            task = bar.add_task("read", total=len(items), completed=known)
            cases = evaluator.run(items, store, lambda _: bar.advance(task))
        told = tuple(note for note in notes if note)
        finish(cases, _about(who, words, told, real=real), self._out, self._resamples)


def _in_context(model: VisionModel, context: Context) -> ContextModel:
    """Raises :class:`ConfigurationError` for a model without a profile of its own."""
    if not isinstance(model, ProfiledModel):
        raise ConfigurationError("this model has no profile: its context cannot be changed")
    return ContextModel(model, context)


def _about(who: ModelIdentity, words: str, notes: tuple[str, ...], *, real: bool) -> About:
    outside = OUTSIDE_PHANTOMS if real and who.intended_use == PHANTOMS else ""
    return About(
        words,
        who.name,
        who.version,
        who.digest,
        who.intended_use,
        who.statement,
        f"{outside[:1].upper()}{outside[1:]}." if outside else "",
        notes,
    )


def finish(cases: Sequence[Case], about: About, out: Path, resamples: int) -> None:
    """Write both files and show the figures that matter."""
    if all(case.failed for case in cases):
        raise ConfigurationError("no study could be read; see cases.jsonl for why")
    found = evaluate(cases, about, resamples=resamples)
    page = render(found, cases)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "metrics.json").write_text(as_json(found) + "\n", encoding="utf-8")
        (out / "report.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{out}: cannot be written: {error.strerror}") from error
    _show(found)
    console.print(Text(f"written: {out / 'metrics.json'}, {out / 'report.html'}"), soft_wrap=True)


def _show(found: Evaluation) -> None:
    if found.about.outside:
        console.print(Text(f"outside intended use: {found.about.outside}", style="bold red"))
    table = Table("figure", "value", "95 % interval", "n")
    rows: list[tuple[str, Estimate]] = [
        ("macro AUROC", found.labels.macro_auroc),
        ("macro F1", found.labels.macro_f1),
        ("Jaccard of labels", found.labels.jaccard),
    ]
    if found.flag is not None:
        rows.append(("time-critical flag, sensitivity", found.flag.recall))
        rows.append(("time-critical flag, specificity", found.flag.specificity))
    rows += [("calibration error", c.error) for c in found.calibration[:1]]
    rows += [
        (f"exact answers of stage {a.stage}{': ' if a.question else ''}{a.question}", a.exact)
        for a in found.answers
        if not a.subject
    ]
    rows += [("overlap of boxes", g.iou) for g in found.grounding[:1]]
    rows += [("overlap >= 0.5", g.enough) for g in found.grounding[:1]]
    rows += [("cardiothoracic ratio, error", found.ratio.error)] if found.ratio else []
    rows += [("RadRScore", found.reasoning.mean)] if found.reasoning else []
    rows += [("answers refused", found.parsing.share)]
    for name, value in rows:
        table.add_row(name, figure(value), interval(value), str(value.n))
    console.print(table)
