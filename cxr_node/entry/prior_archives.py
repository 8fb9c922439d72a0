"""Builds the archives that earlier studies are fetched from, as the configuration names them."""

from __future__ import annotations

import ssl

from cxr_node.config import Configuration
from cxr_node.config_priors import PriorSource
from cxr_node.dicom.calling import calling_options
from cxr_node.dicom.query_retrieve import QueryRetrieve
from cxr_node.dicom.query_retrieve_web import WebArchive
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.prior_search import PriorArchive
from cxr_node.secret_files import secret


def prior_archives(config: Configuration) -> list[PriorArchive]:
    """In the order of the file. Raises :class:`ConfigurationError`."""
    return [_archive(config, source) for source in config.priors.source]


def _archive(config: Configuration, source: PriorSource) -> PriorArchive:
    most = config.listener.max_message_bytes
    if source.way == "dicomweb":
        token = secret("", source.token_file, "priors.source.token")
        return WebArchive(source.url, token=token, tls=_trusted(source), most_bytes=most)
    peer = next(peer for peer in config.peer if peer.name == source.peer)
    return QueryRetrieve(
        config.node.ae_title,
        peer,
        move=source.way == "c-move",
        most_bytes=most,
        options=lambda peer, seconds: calling_options(peer, config.tls, seconds),
    )


def _trusted(source: PriorSource) -> ssl.SSLContext | None:
    """Raises :class:`ConfigurationError` where the file holds no certificates."""
    if not source.ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=source.ca_file)
    except (OSError, ssl.SSLError) as error:
        words = f"priors.source.ca_file: {source.ca_file}: holds no certificates (PEM)"
        raise ConfigurationError(words) from error
