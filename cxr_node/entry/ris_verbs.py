"""``cxr-node ris``: a stand-in for a RIS, to try the interfaces without one."""

from __future__ import annotations

import threading
from typing import Annotated

import typer
from rich.text import Text

from cxr_node.config_messaging import OrdersSection
from cxr_node.domain.errors import ConfigurationError, NotConformant
from cxr_node.domain.ports import SystemClock
from cxr_node.entry.options import console
from cxr_node.messaging.hl7_sender import read_acknowledgement
from cxr_node.messaging.mllp import BrokenFrame, exchange
from cxr_node.messaging.mllp_server import MllpServer
from cxr_node.messaging.stand_in_ris import Ordered, ResultDesk, ResultHeard, order_message

app = typer.Typer(
    help="A stand-in for a RIS: sends orders, takes and prints results. For trials only.",
    epilog="Example: cxr-node ris listen --port 2576",
    no_args_is_help=True,
)
_SECONDS = 10.0


@app.command(epilog="Example: cxr-node ris listen --host 127.0.0.1 --port 2576")
def listen(
    port: Annotated[int, typer.Option(min=1, max=65535, help="MLLP port.")] = 2576,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
) -> None:
    """Take results (ORU^R01) until interrupted; acknowledge and print each."""
    section = OrdersSection(host=host, port=port)
    server = MllpServer(section, ResultDesk(SystemClock(), print_result).answer)
    try:
        server.start()
    except OSError as error:
        raise ConfigurationError(f"{host}:{port}: cannot be bound: {error.strerror}") from error
    console.print(f"taking results on {host}:{port}")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.stop()


def print_result(heard: ResultHeard) -> None:
    """One line per result, the flag first."""
    found = ", ".join(heard.present) or "nothing held present"
    line = (
        f"{heard.flag or '-':2} {heard.priority:7} {heard.status} "
        f"{heard.accession_number or heard.study_uid}: {found}"
    )
    console.print(Text(line), soft_wrap=True)


@app.command(epilog="Example: cxr-node ris order --accession A-1 --patient-id P-1 --priority S")
def order(
    accession: Annotated[str, typer.Option(help="Accession number.")],
    patient_id: Annotated[str, typer.Option(help="Patient identifier.")],
    to: Annotated[str, typer.Option(help="The node's order listener.")] = "127.0.0.1:2575",
    name: Annotated[str, typer.Option(help="Patient's name, family^given.")] = "",
    priority: Annotated[str, typer.Option(help="S, A or R (table 0485).")] = "R",
    patient_class: Annotated[str, typer.Option(help="E, I or O (table 0004).")] = "O",
    reason: Annotated[str, typer.Option(help="Reason for the exam.")] = "",
) -> None:
    """Send one order (ORM^O01) and print what the node answers."""
    host, _, port = to.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter("must look like 127.0.0.1:2575", param_hint="--to")
    wanted = Ordered(accession, patient_id, name, priority, patient_class, reason)
    message = order_message(wanted, SystemClock().now())
    try:
        said = read_acknowledgement(exchange((host, int(port)), message, seconds=_SECONDS))
    except (OSError, BrokenFrame, NotConformant) as error:
        raise ConfigurationError(f"{to}: no acknowledgement ({type(error).__name__})") from error
    console.print(Text(f"{said.code} {said.condition}".strip()))
    if said.code != "AA":
        raise typer.Exit(1)
