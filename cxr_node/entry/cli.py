"""The command line. Every verb has help with an example; errors say what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cxr_node import __version__
from cxr_node.audit import log
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.findings import FindingKind
from cxr_node.entry import (
    access,
    audit_export,
    audit_verbs,
    canary_verbs,
    commission_verbs,
    delivery_verbs,
    dialogue_verbs,
    evaluate_verbs,
    housekeeping_verbs,
    model_verbs,
    phantom_verbs,
    policy_verbs,
    review_verbs,
    ris_verbs,
    support_bundle,
    switch_verbs,
    train_embedded,
    train_verbs,
)
from cxr_node.entry.options import ConfigOption, configuration, console, found
from cxr_node.reasoning.prompts import FollowUpPreset

app = typer.Typer(
    name="cxr-node",
    help="A chest X-ray reading node: DICOM in, Structured Reports and worklist flags out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.add_typer(model_verbs.app, name="model")
app.add_typer(phantom_verbs.app, name="phantom")
app.add_typer(audit_verbs.audit_app, name="audit")
app.add_typer(evaluate_verbs.app, name="evaluate")
app.add_typer(canary_verbs.app, name="canary")
app.add_typer(policy_verbs.app, name="policy")
app.add_typer(delivery_verbs.app, name="deliveries")
app.add_typer(dialogue_verbs.app, name="dialogues")
app.add_typer(ris_verbs.app, name="ris")
train_verbs.app.command(epilog=train_embedded.EXAMPLE)(train_embedded.embedded)
app.add_typer(train_verbs.app, name="train")
review_verbs.add_to(app)
commission_verbs.add_to(app)
switch_verbs.add_to(app)
app.command("support-bundle", epilog="Example: cxr-node support-bundle --log node.log")(
    support_bundle.support_bundle
)
housekeeping_verbs.add_to(app)


@app.command(epilog="Example: cxr-node up --config /etc/cxr-node.toml")
def up(config: ConfigOption = None) -> None:
    """Run the node: listener, page, dispatcher, reading workers, delivery."""
    from cxr_node.entry.embedded import EmbeddedNode, run_until_signalled

    chosen = configuration(config)
    log.configure(chosen.log.level, key=chosen.site_key.encode() or None)
    run_until_signalled(EmbeddedNode(chosen, found(config)))


@app.command(epilog="Example: cxr-node worker --config /etc/cxr-node.toml")
def worker(
    config: ConfigOption = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Read silently with the model of shadow.path.")
    ] = False,
    attached: Annotated[
        bool, typer.Option(help="A parent holds standard input and rings over it.", hidden=True)
    ] = False,
) -> None:
    """Run one more reading worker against the same database and spool.

    With --shadow it reads with the second model (shadow.path): what it says is stored and
    compared, never delivered.
    """
    from cxr_node.entry.worker import run_worker

    chosen = configuration(config)
    log.configure(chosen.log.level, key=chosen.site_key.encode() or None)
    run_worker(chosen, attached=attached, shadow=shadow)


@app.command(epilog="Example: cxr-node check --config /etc/cxr-node.toml")
def check(
    config: ConfigOption = None,
    security: Annotated[
        bool, typer.Option("--security", help="Only: list every door that stands open.")
    ] = False,
) -> None:
    """Explain the effective configuration and name every problem. Exit 1 if there is one."""
    from cxr_node.entry.check import explain
    from cxr_node.entry.security_check import show_open_doors

    if security:
        doors = show_open_doors(configuration(config), found(config), console)
        raise typer.Exit(1 if doors else 0)
    raise typer.Exit(1 if explain(configuration(config), found(config), console) else 0)


app.command(epilog="Example: cxr-node token --name 'ward 3' --role viewer")(access.token)
app.command("export-audit", epilog="Example: cxr-node export-audit --out audit.jsonl --verify")(
    audit_export.export_audit
)


@app.command(epilog="Example: cxr-node doctor --config /etc/cxr-node.toml")
def doctor(
    config: ConfigOption = None,
    seconds: Annotated[float, typer.Option(help="Longest wait for one step.")] = 60.0,
) -> None:
    """Send a phantom through the running node and name the first broken link. Exit 1 if any."""
    from cxr_node.entry.doctor import examine

    raise typer.Exit(0 if examine(configuration(config), console, seconds) else 1)


@app.command(epilog="Example: cxr-node demo --dicom ~/radiographs --exit")
def demo(
    dicom: Annotated[
        Path | None, typer.Option(help="Send these files (a file or a folder) instead.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("demo-out"),
    leave: Annotated[
        bool, typer.Option("--exit", help="End when all is read; exit 1 if a study was lost.")
    ] = False,
    any_age: Annotated[
        bool, typer.Option("--any-age", help="Also read images without age or birth date.")
    ] = False,
) -> None:
    """Start a node and a stand-in PACS, send studies by C-STORE, show what comes out."""
    from cxr_node.entry.demo import DemoOptions, run_demo

    options = DemoOptions(out=out, dicom=dicom, leave=leave, any_age=any_age)
    raise typer.Exit(0 if run_demo(options, console) else 1)


@app.command(epilog="Example: cxr-node dicomize films/ --out dicom/ --view PA --age 54 --sex F")
def dicomize(
    source: Annotated[Path, typer.Argument(help="PNG or JPEG file, or a folder of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the DICOM files.")],
    view: Annotated[str, typer.Option(help="Projection: PA, AP, LL or RL.")] = "PA",
    age: Annotated[float | None, typer.Option(help="Age in years, if known.")] = None,
    sex: Annotated[str, typer.Option(help="M, F, O or empty.")] = "",
    patient_id: Annotated[str | None, typer.Option(help="Else computed from the file.")] = None,
) -> None:
    """Wrap PNG or JPEG radiographs as DICOM DX images."""
    from cxr_node.imaging.dicomize import dicomize_path

    written = dicomize_path(source, out, view=view, age=age, sex=sex, patient_id=patient_id)
    for path in written:
        console.print(str(path), highlight=False, soft_wrap=True)


ModelOption = Annotated[
    str, typer.Option(help="Model folder or name, where another than the configured one read it.")
]


@app.command(
    epilog="Examples: cxr-node replay 1.2.840.113619.2.1 --config /etc/cxr-node.toml; "
    "cxr-node replay 1.2.840.113619.2.1 --verify"
)
def replay(
    study: Annotated[str, typer.Argument(help="Study Instance UID.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Change nothing: rebuild every prompt and compare.")
    ] = False,
    model: ModelOption = "",
    config: ConfigOption = None,
) -> None:
    """Try a parked study again, or with --verify rebuild its stored readings and compare.

    Without --verify the failed job or the refused deliveries of a parked study are tried
    again. With it nothing is queued or changed: exit 0 only if every stored prompt, picture
    and answer is rebuilt identically, else 1.
    """
    from cxr_node.entry.replay import replay_study, verify_stored

    chosen = configuration(config)
    if verify:
        raise typer.Exit(0 if verify_stored(chosen, study, model, console) else 1)
    if model:
        raise typer.BadParameter("--model belongs to --verify")
    console.print(replay_study(chosen, study))


@app.command(epilog="Example: cxr-node ask 1.2.840.113619.2.1 --preset differentials")
def ask(
    study: Annotated[str, typer.Argument(help="Study Instance UID of a study that was read.")],
    question: Annotated[str, typer.Argument(help="A question in your own words.")] = "",
    preset: Annotated[
        FollowUpPreset | None, typer.Option(help="A prepared question instead.")
    ] = None,
    finding: Annotated[
        FindingKind | None, typer.Option(help="The finding that the preset is about.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who asks; else the user of this machine.")] = "",
    model: ModelOption = "",
    config: ConfigOption = None,
) -> None:
    """Ask the model that read a study one more question. The answer is unverified AI text."""
    from cxr_node.entry.ask import Asking, ask_study

    wish = Asking(study, question, preset, finding, by, model)
    ask_study(configuration(config), wish, console)


@app.command(epilog="Example: cxr-node worklist --config /etc/cxr-node.toml")
def worklist(config: ConfigOption = None) -> None:
    """Print the reading worklist as the node would answer it now."""
    from cxr_node.entry.tables import worklist_table
    from cxr_node.entry.wiring import Node, open_bell

    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    console.print(worklist_table(node.worklist()))
    node.close()


@app.command(epilog="Example: cxr-node version")
def version() -> None:
    """Print the version."""
    console.print(__version__, highlight=False)


def main() -> None:
    """Entry point: an error of ours becomes one clear line and exit code 2."""
    try:
        app()
    except CxrNodeError as error:
        words = Text("cxr-node: ", style="red") + Text(str(error))
        Console(stderr=True).print(words, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
