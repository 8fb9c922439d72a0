"""TLS contexts of the node: mutual, TLS 1.2 or later, the ciphers of PS3.15 B.12 (BCP 195).

One place, so that the DICOM listener, the senders and the audit messages promise the same.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from cxr_node.config_security import ANY_SUBJECT, TlsSection
from cxr_node.domain.errors import ConfigurationError
from cxr_node.secret_files import secret

CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
"""TLS 1.2 suites with forward secrecy and authenticated encryption (RFC 9325 §4.2)."""

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_HANDSHAKE_ROUNDS = 10


class SubjectRefused(ssl.SSLCertVerificationError):
    """The certificate is good and belongs to somebody else."""


def accepting_context(section: TlsSection) -> ssl.SSLContext:
    """For a listener: every peer must show a certificate. Raises :class:`ConfigurationError`."""
    context = _hardened(ssl.PROTOCOL_TLS_SERVER, section)
    context.num_tickets = 0
    return context


def requesting_context(
    section: TlsSection, expected: str, failed: Callable[[Exception], None] = lambda _: None
) -> ssl.SSLContext:
    """For a client that goes on only with the holder of the subject ``expected``.

    ``expected`` is a common name, DNS name, address or whole subject; ``*`` is any. ``failed`` is
    told why a handshake came to nothing. Raises :class:`ConfigurationError`.
    """
    context = _hardened(ssl.PROTOCOL_TLS_CLIENT, section)

    class _Checked(ssl.SSLSocket):
        """Compares the subject at the end of the handshake, before a byte is sent."""

        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
                if not fits(expected, names_in(self.getpeercert() or {})):
                    raise SubjectRefused("the certificate names another subject")
            except OSError as error:
                failed(error)
                raise

    context.sslsocket_class = _Checked
    return context


def names_in(certificate: Mapping[str, Any]) -> frozenset[str]:
    """Every name that a certificate, as :meth:`ssl.SSLSocket.getpeercert` gives it, vouches for.

    Common names, DNS names, addresses, and the subject as ``CN=…,O=…`` in its own order; all in
    lower case.
    """
    subject = [pair for rdn in certificate.get("subject", ()) for pair in rdn]
    whole = ",".join(f"{_SHORT.get(key, key)}={value}" for key, value in subject)
    common = [value for key, value in subject if key == "commonName"]
    others = [value for key, value in certificate.get("subjectAltName", ()) if key in _ALTERNATIVES]
    return frozenset(_normal(name) for name in (whole, *common, *others) if name)


def fits(expected: str, names: frozenset[str]) -> bool:
    """Whether one of ``names`` is the expected one."""
    return expected == ANY_SUBJECT or _normal(expected) in names


_ALTERNATIVES = ("DNS", "IP Address")
_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "countryName": "C",
}


def _normal(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.strip().lower()


def _hardened(protocol: int, section: TlsSection) -> ssl.SSLContext:
    if not section.complete:
        raise ConfigurationError("tls: certificate_file, key_file and ca_file are needed for TLS")
    context = ssl.SSLContext(protocol)
    context.check_hostname = False  # DICOM peers are known by their subject, not by a host name
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = _MINIMUM[section.minimum]
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    with_certificate(context, section.certificate_file, section.key_file, _password(section), "tls")
    for key, file in (("tls.ca_file", section.ca_file), ("tls.crl_file", section.crl_file)):
        _load(context, key, file)
    if section.crl_file:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def _password(section: TlsSection) -> str:
    return secret("", section.key_password_file, "tls.key_password")


def with_certificate(
    context: ssl.SSLContext, certificate_file: str, key_file: str, password: str, table: str
) -> None:
    """Load certificate and key. Raises :class:`ConfigurationError` naming ``table``."""
    try:
        context.load_cert_chain(certificate_file, key_file, password)
    except (OSError, ssl.SSLError) as error:
        words = f"{table}: {certificate_file}, {key_file}: not a certificate with its key (PEM)"
        raise ConfigurationError(words) from error


def _load(context: ssl.SSLContext, key: str, file: str) -> None:
    if not file:
        return
    try:
        context.load_verify_locations(file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{key}: {file}: holds nothing that can be used (PEM)") from error


def certificate_ends(certificate_file: str, key_file: str, password: str = "") -> datetime:
    """When the node's own certificate expires (UTC); found by a handshake with itself.

    Raises :class:`ConfigurationError` where it cannot be used, or has expired already.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with_certificate(server, certificate_file, key_file, password, "certificate")
    try:
        shown = _shake_hands(only_this(certificate_file), server)
    except ssl.SSLCertVerificationError as error:
        words = f"certificate: {certificate_file}: {error.verify_message}"
        raise ConfigurationError(words) from error
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


def only_this(certificate_file: str) -> ssl.SSLContext:
    """For a client that believes this certificate and no other. Raises ConfigurationError."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _load(client, "certificate", certificate_file)
    return client


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> Mapping[str, Any]:
    """What the client sees of the server; both in memory."""
    upward, downward = ssl.MemoryBIO(), ssl.MemoryBIO()
    mine = client.wrap_bio(downward, upward)
    theirs = server.wrap_bio(upward, downward, server_side=True)
    for _ in range(_HANDSHAKE_ROUNDS):
        if all([_step(mine), _step(theirs)]):
            break
    return mine.getpeercert() or {}


def _step(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
