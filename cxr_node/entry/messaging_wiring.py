"""Builds what speaks to other systems than DICOM ones."""

from __future__ import annotations

from collections.abc import Mapping

from cxr_node.config import Configuration
from cxr_node.config_messaging import MessageDestination, WebhookSection
from cxr_node.domain.delivery import Destination
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.ports import Clock
from cxr_node.messaging.webhook import WebhookDestination
from cxr_node.secret_files import secret


def message_destinations(config: Configuration, clock: Clock) -> Mapping[str, Destination]:
    """Everybody who is told of results in messages, by name.

    Raises :class:`ConfigurationError` where a file of one of them cannot be used.
    """
    return {section.name: _destination(section, clock) for section in config.told}


def _destination(section: MessageDestination, clock: Clock) -> Destination:
    if isinstance(section, WebhookSection):
        found = secret("", section.secret_file, f"webhook {section.name}: secret")
        return WebhookDestination(section, found, clock)
    raise ConfigurationError(f"{section.name}: no such kind of destination")
