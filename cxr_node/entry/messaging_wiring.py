"""Builds what speaks to other systems than DICOM ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from cxr_node.config import Configuration
from cxr_node.config_messaging import (
    FhirSection,
    Hl7Section,
    MessageDestination,
    WebhookSection,
)
from cxr_node.domain.delivery import Destination
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.ports import Clock
from cxr_node.messaging.fhir_sender import FhirDestination
from cxr_node.messaging.hl7_sender import Hl7Destination
from cxr_node.messaging.mllp_server import MllpServer
from cxr_node.messaging.order_mapping import OrderMapping
from cxr_node.messaging.result_mapping import ResultMapping
from cxr_node.messaging.webhook import WebhookDestination
from cxr_node.reporting.templates import MESSAGES, load_file
from cxr_node.secret_files import secret
from cxr_node.services.orders import OrderDesk
from cxr_node.store.database import Database

Table = TypeVar("Table", bound=BaseModel)


def message_destinations(config: Configuration, clock: Clock) -> Mapping[str, Destination]:
    """Everybody who is told of results in messages, by name.

    Raises :class:`ConfigurationError` where a file of one of them cannot be used.
    """
    return {section.name: _destination(section, config, clock) for section in config.told}


def _destination(section: MessageDestination, config: Configuration, clock: Clock) -> Destination:
    if isinstance(section, WebhookSection):
        found = secret("", section.secret_file, f"webhook {section.name}: secret")
        return WebhookDestination(section, found, clock)
    if isinstance(section, Hl7Section):
        return Hl7Destination(section, _mapping(section.mapping, ResultMapping, config))
    if isinstance(section, FhirSection):
        found = secret("", section.token_file, f"fhir {section.name}: token")
        return FhirDestination(section, found, clock)
    raise ConfigurationError(f"{section.name}: no such kind of destination")


def order_listener(config: Configuration, db: Database, clock: Clock) -> MllpServer | None:
    """The listener for orders; None where the site has none.

    Raises :class:`ConfigurationError`.
    """
    if not config.orders.port:
        return None
    mapping = _mapping(config.orders.mapping, OrderMapping, config)
    return MllpServer(config.orders, OrderDesk(db, clock, mapping).answer)


def _mapping(name: str, model: type[Table], config: Configuration) -> Table:
    folder = config.templates.path
    return load_file(f"{MESSAGES}{name}", model, Path(folder) if folder else None)
