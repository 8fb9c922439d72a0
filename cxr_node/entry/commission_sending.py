"""Sends the phantoms of a commissioning as a modality does, and says what to do when refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.progress import track

from cxr_node.config import Configuration, PeerSection
from cxr_node.config_security import ANY_SUBJECT, TlsSection
from cxr_node.dicom.modality import Modality, Sent
from cxr_node.domain.errors import ConfigurationError, CxrNodeError
from cxr_node.evaluation.commission.studies import PhantomStudy

_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
_TO = re.compile(r"(?P<host>[^:/\s]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})/(?P<ae>[^/]{1,16})")
_NO_ROOM = 0xA700


def reachable(host: str) -> str:
    """An address to connect to, where one is bound that may be any."""
    return "127.0.0.1" if host in _ANYWHERE else host


def receiver(config: Configuration, to: str) -> PeerSection:
    """Where the phantoms go: HOST:PORT/AET, else the node's own listener.

    Raises :class:`ConfigurationError` for what is no address, and for a port drawn by chance.
    """
    if not to:
        if not config.listener.port:
            raise ConfigurationError("listener.port is 0: say where the node listens with --to")
        host, port, title = reachable(config.listener.host), config.listener.port, ""
    else:
        found = _TO.fullmatch(to)
        if found is None or not 0 < int(found["port"]) < 65_536:
            raise ConfigurationError(f"--to {to}: not of the form HOST:PORT/AET")
        host, port, title = found["host"].strip("[]"), int(found["port"]), found["ae"]
    try:
        return PeerSection(
            name="receiver",
            ae_title=title or config.node.ae_title,
            host=host,
            port=port,
            tls=config.listener.tls and not to,
            tls_subject=ANY_SUBJECT,
        )
    except ValueError as error:
        raise ConfigurationError(f"--to {to}: not of the form HOST:PORT/AET") from error


def send(
    studies: Sequence[PhantomStudy],
    to: PeerSection,
    calling_ae: str,
    console: Console,
    tls: TlsSection | None = None,
) -> dict[str, str]:
    """Send each study over an association of its own; by study, what was not answered 0x0000.

    Raises :class:`CxrNodeError` when the very first is not taken: no other would be.
    """
    modality = Modality(calling_ae, to, tls=tls)
    refused: dict[str, str] = {}
    for number, study in enumerate(track(studies, "sending", console=console, transient=True)):
        bad = [sent for sent in modality.send(study.files) if not sent.taken]
        if bad and number == 0:
            raise CxrNodeError(_cure(bad[0], to, calling_ae))
        if bad:
            refused[study.study_uid] = _words(bad[0])
    return refused


def _cure(sent: Sent, to: PeerSection, calling_ae: str) -> str:
    where = f"{to.ae_title} at {to.host}:{to.port}"
    if sent.status is None:
        return (
            f"{where} takes nothing from {calling_ae}: {sent.words}. Name an AE title that may "
            "send with --from, look at address and called title (--to), and read the log "
            "(association-refused)"
        )
    if sent.status & 0xFF00 == _NO_ROOM:
        return (
            f"{where} has no room or no database (0x{sent.status:04X}): look at the free space "
            "(spool.reserve_bytes) and at /readyz"
        )
    return f"{where} refused the first phantom: {_words(sent)}; see the log (instance-refused)"


def _words(sent: Sent) -> str:
    return sent.words if sent.status is None else f"{sent.words} (0x{sent.status:04X})"
