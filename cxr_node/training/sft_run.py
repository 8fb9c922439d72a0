"""One run of supervised fine-tuning from files to a sealed model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cxr_node.domain.errors import TrainingRefused
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.profiles import Lineage, Manifest, identity, load_manifest
from cxr_node.reasoning.transformers_model import load_model
from cxr_node.training.live_plot import read_figures
from cxr_node.training.record_files import read_records
from cxr_node.training.run_folder import RunFolder, checkpoint_bytes, data_digests, open_run
from cxr_node.training.sft import Settings, fine_tune
from cxr_node.training.sft_records import Context, Outline, RecordSamples
from cxr_node.training.supervision_pictures import NamedPictures, named_pictures
from cxr_node.training.taught_model import check_base, taught_manifest, write_taught
from cxr_node.training.trainer_parts import Watch

METHOD = "sft"


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be taught to which model, and how; ``settings.steps`` 0 counts ``epochs``."""

    model: Path
    """A sealed model folder."""
    dialogues: Sequence[Path]
    pictures: Path
    out: Path
    weights: Mapping[StageKey, float]
    """How much an answer of each stage counts; what is not named is context alone."""
    settings: Settings
    epochs: float = 1.0
    context: Context = Context.REFERENCE
    longest: int = 0
    name: str = ""
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of a run."""

    manifest: Manifest
    folder: Path
    outline: Outline


def run_sft(wish: Wish, *, watch: Watch = lambda *_: None, looked: Any = lambda _: None) -> Taught:
    """Look everything through, teach, and write ``out/model``.

    ``looked`` is told what the dialogues come to before the first step. Raises
    :class:`TrainingRefused`, :class:`RecordRefused` or :class:`ModelRefused` naming what is
    wrong; before the first step nothing but ``out/run.json`` is written.
    """
    base = load_manifest(wish.model)
    check_base(wish.model, base, wish.settings.device)
    digests = data_digests(wish.dialogues)
    model = load_model(wish.model, device="cpu")
    with named_pictures(wish.pictures, model.image_policy) as pictures:
        samples = _samples(wish, base, model, pictures)
        outline = samples.outline
        counted = dict(outline.left_out)
        steps = wish.settings.steps or _steps(wish, len(samples))
        settings = replace(wish.settings, steps=steps, report_every=max(1, steps // 100))
        lineage = _lineage(wish, base, digests, outline, settings)
        run = open_run(
            wish.out,
            _decides(wish, settings, digests, lineage.base_digest),
            resume=wish.resume,
            needed=checkpoint_bytes(model.engine.network),
        )
        looked(outline)
        network = fine_tune(
            model.engine.network,
            samples,
            model.engine.tokenizer,
            run,
            settings,
            title=f"{lineage.base}: supervised fine-tuning",
            watch=watch,
        )
    outline.left_out.clear()
    outline.left_out.update(counted)
    manifest = taught_manifest(
        base, _with_figures(lineage, run), name=wish.name, stages=tuple(outline.learned)
    )
    return Taught(write_taught(network, wish.model, run.model, manifest), run.model, outline)


def _samples(wish: Wish, base: Manifest, model: Any, pictures: NamedPictures) -> RecordSamples:
    samples = RecordSamples(model, base, pictures, wish.weights, wish.context)
    for path in wish.dialogues:
        for number, record in enumerate(read_records(path), start=1):
            try:
                samples.add(record, number, wish.longest)
            except TrainingRefused as error:
                raise TrainingRefused(f"{path}: {error}") from error
    if not len(samples):
        stages = ", ".join(str(stage.number) for stage in wish.weights)
        raise TrainingRefused(
            f"nothing is learned: no dialogue has an answer of stage {stages} that this model "
            f"can be taught; left out: {dict(samples.outline.left_out) or 'nothing'}"
        )
    return samples


def _steps(wish: Wish, samples: int) -> int:
    each = wish.settings.batch * wish.settings.accumulate
    return max(1, round(wish.epochs * samples / each))


def _decides(
    wish: Wish, settings: Settings, digests: Mapping[str, str], base: str
) -> dict[str, object]:
    """All that the result depends on, to compare when a run goes on."""
    return {
        "method": METHOD,
        "base": base,
        "data": dict(digests),
        "weights": {str(stage): weight for stage, weight in wish.weights.items()},
        "context": str(wish.context),
        "longest": wish.longest,
        **asdict(settings),
    }


def _lineage(
    wish: Wish,
    base: Manifest,
    digests: Mapping[str, str],
    outline: Outline,
    settings: Settings,
) -> Lineage:
    stages = ",".join(f"{stage.number}:{weight:g}" for stage, weight in wish.weights.items())
    told = [f"--dialogues {path.name}" for path in wish.dialogues]
    told += [f"--stages {stages}", f"--context {wish.context}", f"--steps {settings.steps}"]
    told += [f"--batch {settings.batch}", f"--accumulate {settings.accumulate}"]
    told += [f"--learning-rate {settings.rate:g}", f"--lora {settings.lora}"]
    told += [f"--seed {settings.seed}", f"--device {settings.device}"]
    if wish.longest:
        told.append(f"--longest {wish.longest}")
    counts = {"samples": len(outline.items), "pictures": len(outline.pictures)}
    counts |= {f"answers of stage {s.number}": n for s, n in outline.answers}
    return Lineage(
        method=METHOD,
        base=f"{base.name} {base.version}",
        base_digest=identity(base).digest,
        data=dict(digests),
        command=" ".join(["cxr-node train sft", *told]),
        figures={**counts, "learned tokens": outline.tokens},
    )


def _with_figures(lineage: Lineage, run: RunFolder) -> Lineage:
    last = [entry for entry in read_figures(run.figures) if "loss" in entry][-1:]
    ends = {f"last {k}": v for entry in last for k, v in entry.items() if k != "learning_rate"}
    return lineage.model_copy(update={"figures": {**lineage.figures, **ends}})
