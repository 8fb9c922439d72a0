"""``cxr-node check --security``: every door that stands open, with the key that shuts it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from cxr_node.config import Configuration, PeerSection
from cxr_node.config_section import is_loopback
from cxr_node.config_security import ANY_SUBJECT
from cxr_node.domain.errors import ConfigurationError
from cxr_node.secret_files import OTHERS, readable_by_others, secret
from cxr_node.transport_security import certificate_ends

_SOON = timedelta(days=30)
_GUESSED = frozenset({"", "guest", "postgres", "password", "secret", "changeme", "admin", "cxr"})
_VERIFIED_MODES = ("verify-ca", "verify-full")
_ENCRYPTED_BROKERS = ("rediss", "amqps")
_PUBLIC_FILES = ("certificate_file", "ca_file", "client_ca_file", "crl_file")


def show_open_doors(config: Configuration, path: Path | None, console: Console) -> list[str]:
    """Print and return what stands open; nothing means that nothing known does."""
    doors = list(open_doors(config, path))
    for door in doors:
        console.print(Text("open: ", style="red") + Text(door), soft_wrap=True)
    if not doors:
        console.print("no open door found")
    return doors


def open_doors(config: Configuration, path: Path | None = None) -> Iterator[str]:
    """Each open door in words; ``path`` is the configuration file, if there is one."""
    yield from _dicom(config)
    for peer in config.peer:
        yield from _peer(config, peer)
    yield from _pages(config)
    yield from _database(config)
    yield from _broker(config)
    yield from _files(config, path)
    yield from _certificates(config)
    yield from _switches(config)


def _dicom(config: Configuration) -> Iterator[str]:
    listener = config.listener
    if not listener.tls and not is_loopback(listener.host):
        yield f"listener.host = {listener.host}: images arrive in plain text; set listener.tls"


def _peer(config: Configuration, peer: PeerSection) -> Iterator[str]:
    beyond = not is_loopback(config.listener.host)
    if peer.may_send and beyond:
        if not peer.host and not peer.networks:
            yield f"peer {peer.name}: any address may use its AE title; set host or networks"
        if any(ip_network(net).prefixlen == 0 for net in peer.networks):
            yield f"peer {peer.name}: its networks hold every address; name the ones it has"
    if peer.may_send and config.listener.tls and peer.tls_subject in ("", ANY_SUBJECT):
        yield f"peer {peer.name}: any certificate may use its AE title; set tls_subject"
    if peer.receives_results and not peer.tls and not is_loopback(peer.host):
        yield f"peer {peer.name}: results travel in plain text to {peer.host}; set tls"
    if peer.receives_results and peer.tls and peer.tls_subject == ANY_SUBJECT:
        yield f"peer {peer.name}: results go to whoever holds a certificate; set tls_subject"


def _pages(config: Configuration) -> Iterator[str]:
    web = config.web
    if is_loopback(web.host):
        return
    if not web.certificate_file and not web.trusted_proxies:
        yield (
            f"web.host = {web.host}: patient data and tokens travel in plain text; "
            "set web.certificate_file and web.key_file, or put a proxy with TLS before it"
        )
    if any(ip_network(net).prefixlen == 0 for net in web.trusted_proxies):
        yield "web.trusted_proxies: every address may say who somebody is; name the proxy"


def _database(config: Configuration) -> Iterator[str]:
    parts = urlsplit(config.database.url)
    if not config.database.url or parts.scheme.startswith("sqlite"):
        return
    if not _is_local(parts) and _ssl_mode(parts) not in _VERIFIED_MODES:
        yield (
            "database.url: rows with patient data travel unprotected; add "
            "?sslmode=verify-full&sslrootcert=FILE"
        )
    yield from _password(parts, "database.url", "database.password_file")


def _broker(config: Configuration) -> Iterator[str]:
    parts = urlsplit(config.doorbell.broker_url)
    if not config.doorbell.broker_url:
        return
    if not _is_local(parts) and parts.scheme not in _ENCRYPTED_BROKERS:
        yield f"doorbell.broker_url: {parts.scheme} is in plain text; use rediss or amqps"
    if not config.doorbell.broker_password_file and not parts.password:
        yield "doorbell.broker_url: the broker asks for no password; whoever rings it wastes work"
    yield from _password(parts, "doorbell.broker_url", "doorbell.broker_password_file")


def _is_local(parts: SplitResult) -> bool:
    return not parts.hostname or is_loopback(parts.hostname)


def _ssl_mode(parts: SplitResult) -> str:
    return parse_qs(parts.query).get("sslmode", [""])[0]


def _password(parts: SplitResult, key: str, cure: str) -> Iterator[str]:
    if parts.password is None:
        return
    yield f"{key}: the password stands in the configuration; use {cure}"
    if parts.password.lower() in _GUESSED or parts.password == parts.username:
        yield f"{key}: the password is one that everybody tries first"


def _files(config: Configuration, path: Path | None) -> Iterator[str]:
    secrets_in_file = bool(config.node.uid_key or config.engine.cache_salt)
    if path and secrets_in_file and readable_by_others(str(path)):
        yield f"{path}: holds secrets, and everybody on this machine may read it (chmod o-rwx)"
    for key, file in _secret_files(config):
        if readable_by_others(file):
            yield f"{key}: {file}: everybody on this machine may read it (chmod o-rwx)"
    folder = config.node.data_dir
    if folder.exists() and folder.stat().st_mode & OTHERS:
        yield f"node.data_dir: {folder}: everybody on this machine may look into it (chmod 0700)"


def _secret_files(config: Configuration) -> Iterator[tuple[str, str]]:
    """Key and file of every secret that is kept in a file, in whatever table."""
    for table in type(config).model_fields:
        found = getattr(config, table)
        for section in found if isinstance(found, tuple) else (found,):
            yield from _secrets_of(table, section)


def _secrets_of(table: str, section: BaseModel) -> Iterator[tuple[str, str]]:
    for key in type(section).model_fields:
        value = getattr(section, key)
        if key.endswith("_file") and key not in _PUBLIC_FILES and value:
            yield f"{table}.{key}", str(value)


def _certificates(config: Configuration) -> Iterator[str]:
    for table, certificate, key, password in (
        ("tls", config.tls.certificate_file, config.tls.key_file, config.tls.key_password_file),
        ("web", config.web.certificate_file, config.web.key_file, config.web.key_password_file),
    ):
        if not certificate:
            continue
        try:
            opened = secret("", password, f"{table}.key_password")
            left = certificate_ends(certificate, key, opened) - datetime.now(UTC)
        except ConfigurationError as error:
            yield f"{table}: {error}"
            continue
        if left < _SOON:
            yield f"{table}.certificate_file: {certificate} ends in {left.days} days; renew it"


def _switches(config: Configuration) -> Iterator[str]:
    if config.log.level == "debug":
        yield "log.level = debug: for looking for a fault, not for running"
    if config.model.path.endswith(".script.json"):
        yield "model.path: a script of answers stands in for a model"
    if not config.site_key:
        yield "node.uid_key_file: without a site key UIDs and digests can be computed by anybody"
    if len(config.site_key) in range(1, 16):
        yield "node.uid_key_file: fewer than 16 signs"
