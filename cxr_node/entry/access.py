"""Who may use page and API, from the configuration; and ``cxr-node token``, which makes a token."""

from __future__ import annotations

import hashlib
import secrets
import ssl
from typing import Annotated

import typer

from cxr_node.config import Configuration
from cxr_node.config_security import WebSection
from cxr_node.domain.access import Role
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.ports import Clock
from cxr_node.entry.options import console
from cxr_node.secret_files import secret
from cxr_node.transport_security import CIPHERS, with_certificate
from cxr_node.web.access import Access

_SHORTEST_TOKEN = 16


def write_token(web: WebSection) -> str:
    """The token for corrections alone; empty where the site named none.

    Raises :class:`ConfigurationError` for one that cannot be read or is too short.
    """
    found = secret("", web.write_token_file, "web.write_token")
    if found and len(found) < _SHORTEST_TOKEN:
        words = f"web.write_token_file: {web.write_token_file}: fewer than {_SHORTEST_TOKEN} signs"
        raise ConfigurationError(words)
    return found


def access_of(config: Configuration, clock: Clock) -> Access:
    """The door of the pages. Raises :class:`ConfigurationError`."""
    return Access(config.web, config.token, clock, write_token(config.web))


def https_of(web: WebSection) -> ssl.SSLContext | None:
    """TLS of the pages; None for plain HTTP. Raises :class:`ConfigurationError`."""
    if not web.certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    password = secret("", web.key_password_file, "web.key_password")
    with_certificate(context, web.certificate_file, web.key_file, password, "web")
    return context


def own_token(config: Configuration) -> str:
    """What this machine's own commands show the page; empty where none is needed."""
    return secret("", config.web.own_token_file, "web.own_token")


def token(
    name: Annotated[str, typer.Option(help="Who or what will use it; stands in the audit.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
) -> None:
    """Make a token for page and API. It is shown once; the configuration keeps its digest."""
    made = secrets.token_urlsafe(32)
    digest = hashlib.sha256(made.encode()).hexdigest()
    console.print(f"Token, shown this once:\n\n{made}\n", soft_wrap=True, highlight=False)
    lines = f'[[token]]\nname = "{_toml(name)}"\nrole = "{role.value}"\nsha256 = "{digest}"'
    console.print(f"For the configuration file:\n\n{lines}", soft_wrap=True, highlight=False)


def _toml(text: str) -> str:
    """The text within a quoted TOML string."""
    return "".join(c for c in text if c.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
