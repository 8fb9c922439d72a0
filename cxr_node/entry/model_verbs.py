"""``cxr-node model``: the site's models, added from its own downloads, never fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from cxr_node.config import Configuration
from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.ports import SystemClock
from cxr_node.entry.model_tables import OWN_LICENCE, ListedModel, model_table, models_table
from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.reasoning import registry
from cxr_node.reasoning.acknowledgement import acknowledgement
from cxr_node.reasoning.families import family_of
from cxr_node.reasoning.model_source import Source, inspect
from cxr_node.reasoning.open_model import locate
from cxr_node.reasoning.profiles import (
    MANIFEST,
    Architecture,
    EngineModel,
    Family,
    Hashed,
    Manifest,
    identity,
    load_manifest,
    verify,
)

app = typer.Typer(
    help="The models of this site: add, list, verify, show. Nothing is ever downloaded.",
    epilog="Example: cxr-node model list --config /etc/cxr-node.toml",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(help="Name or folder; empty: the configured one.")]


@app.command(
    epilog="Example: cxr-node model add /data/NV-Reason-CXR-3B --family nv-reason-cxr --name nv"
)
def add(
    source: Annotated[
        Path | None,
        typer.Argument(help="Folder with the weights, as the site downloaded or taught it."),
    ] = None,
    family: Annotated[
        Family | None, typer.Option(help="What the weights were taught; a taught model says so.")
    ] = None,
    name: Annotated[str, typer.Option(help="What to call it; else the folder's name.")] = "",
    accept_licence: Annotated[
        str, typer.Option(help="Name of the person who has read the licence and accepts it.")
    ] = "",
    engine: Annotated[
        str, typer.Option(help="Name under which an inference server serves the weights.")
    ] = "",
    engine_versions: Annotated[
        str, typer.Option(help="Server versions that were tried, as in '>=0.11,<0.15'.")
    ] = "",
    architecture: Annotated[
        Architecture | None, typer.Option(help="Network of the weights on that server.")
    ] = None,
    version: Annotated[str, typer.Option(help="Else a short digest of the weights.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of these weights, if another.")] = "",
    config: ConfigOption = None,
) -> None:
    """Copy, check and seal a model; its licence is shown and must be acknowledged.

    The folder may also be the `model` folder of a `cxr-node train` run: it is kept as sealed.
    """
    chosen = configuration(config)
    if source is not None and (source / MANIFEST).is_file():
        _add_taught(chosen, source, name, accept_licence)
        return
    if family is None:
        raise ModelRefused("say with --family what the weights were taught")
    wish = registry.Wish(
        name=name or (source.absolute().name.lower() if source else engine.lower()),
        family=family,
        source=_source(source, engine),
        served=EngineModel(served_name=engine, versions=engine_versions) if engine else None,
        architecture=architecture,
        version=version,
        licence=licence,
    )
    draft = registry.preview(chosen.models_dir, wish)
    person = _acknowledged(draft, registry.terms_of(wish), accept_licence)
    with _progress(wish.source.size if wish.source else 0, "copied") as copied:
        sealed = registry.add(
            chosen.models_dir,
            wish,
            person=person,
            clock=SystemClock(),
            reserve_bytes=chosen.spool.reserve_bytes,
            copied=copied,
        )
    _say(f"added {wish.name}, digest {identity(sealed).digest}")
    if wish.source and wish.source.left_out:
        _say(f"not needed and left out: {', '.join(wish.source.left_out)}")
    _say(f'to read with it: [model] path = "{wish.name}" in the configuration')


def _add_taught(config: Configuration, source: Path, name: str, accept_licence: str) -> None:
    manifest = registry.taught(source)
    named = name or source.absolute().parent.name.lower()
    person = _acknowledged(manifest, family_of(manifest.family).terms.notice, accept_licence)
    sealed = registry.add_taught(
        config.models_dir,
        source,
        named,
        person=person,
        clock=SystemClock(),
        reserve_bytes=config.spool.reserve_bytes,
    )
    _say(f"added {named}, digest {identity(sealed).digest}")
    _say(f'to read with it: [model] path = "{named}" in the configuration')


def _source(source: Path | None, engine: str) -> Source | None:
    if (source is None) == (not engine):
        raise ModelRefused("name either a folder with weights, or --engine and a served name")
    return inspect(source) if source is not None else None


def _acknowledged(draft: Manifest, terms: str, person: str) -> str:
    """Show the licence, and the name of the person who accepts it."""
    for what, value in (
        ("model", f"{draft.name} ({draft.family}, {draft.architecture})"),
        ("licence", draft.licence),
        ("terms", terms),
        ("intended use", draft.intended_use),
        ("statement", draft.statement),
    ):
        console.print(Text(f"{what}: ", style="bold") + Text(value), soft_wrap=True)
    if person:
        return person
    if not typer.confirm("Have you read the licence, and does your site accept it?"):
        raise ModelRefused("the licence was not acknowledged; nothing was added")
    return str(typer.prompt("Name of the person who accepts it"))


@app.command("list", epilog="Example: cxr-node model list --config /etc/cxr-node.toml")
def list_models(config: ConfigOption = None) -> None:
    """List the models of this site and which one reads."""
    chosen = configuration(config)
    console.print(models_table(list(_listed(chosen))))


def _listed(config: Configuration) -> Iterator[ListedModel]:
    base = config.models_dir
    used = {_folder(config.model.path, base): "reading"}
    if config.shadow.path:
        used.setdefault(_folder(config.shadow.path, base), "shadow")
    found = {_folder("", base): "embedded"}
    found |= {model.folder: model.name for model in registry.known_models(base)}
    found |= {folder: str(folder) for folder in used if folder not in found}
    for folder, name in found.items():
        if folder is not None:
            yield _row(registry.registered(folder, name), used.get(folder, ""))


def _folder(path: str, base: Path) -> Path | None:
    """The folder that a configured path means; None for a script, or where there is none."""
    try:
        return locate(path, base)
    except ModelRefused:
        return None


def _row(model: registry.Registered, used: str) -> ListedModel:
    accepted, problem = OWN_LICENCE, model.problem
    if model.manifest is not None:
        try:
            note = acknowledgement(model.folder, model.manifest)
            accepted = note.person if note else OWN_LICENCE
        except ModelRefused as error:
            problem = str(error)
    return ListedModel(model.name, model.manifest, accepted, model.size, used, problem)


@app.command("verify", epilog="Example: cxr-node model verify nv --config /etc/cxr-node.toml")
def verify_model(name: NameArgument = "", config: ConfigOption = None) -> None:
    """Hash every file again and compare with the manifest. Exit 1 naming the first fault."""
    chosen = configuration(config)
    folder = locate(name or chosen.model.path, chosen.models_dir)
    try:
        manifest = load_manifest(folder)
        acknowledgement(folder, manifest)
        with _progress(registry.registered(folder).size, "hashed") as hashed:
            verify(folder, manifest, hashed)
    except ModelRefused as error:
        console.print(Text("refused: ", style="red") + Text(str(error)), soft_wrap=True)
        raise typer.Exit(1) from error
    _say(f"{manifest.name}: {len(manifest.files)} files are as sealed")
    _say(f"digest {identity(manifest).digest}")


@app.command(epilog="Example: cxr-node model info nv --config /etc/cxr-node.toml")
def info(name: NameArgument = "", config: ConfigOption = None) -> None:
    """Show what one model is, what it is meant for, and how it will be asked."""
    chosen = configuration(config)
    folder = locate(name or chosen.model.path, chosen.models_dir)
    manifest = load_manifest(folder)
    console.print(model_table(manifest, acknowledgement(folder, manifest)))


@contextmanager
def _progress(total: int, what: str) -> Iterator[Hashed]:
    """A bar over bytes."""
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress("{task.description}", *columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def _say(words: str) -> None:
    console.print(Text(words), soft_wrap=True)


@app.command(epilog="Example: cxr-node model calibrate own/model --out calibration/ --count 1000")
def calibrate(
    folder: Annotated[Path, typer.Argument(help="Folder of the model; its manifest is rewritten.")],
    out: Annotated[Path, typer.Option(help="Folder for the cases; a run goes on where it stands.")],
    count: Annotated[int, typer.Option(min=100, help="Phantoms to fit on.")] = 1000,
    judge: Annotated[int, typer.Option(min=100, help="Other phantoms to judge on.")] = 1000,
    config: ConfigOption = None,
) -> None:
    """Fit probabilities and operating points on phantoms, for a model taught on phantoms.

    A model for patients is calibrated on patients: phantoms say nothing of it.
    """
    from cxr_node.entry.calibration import calibrate as calibrate_folder

    calibrate_folder(folder, out, (count, judge), configuration(config))
