"""Tables of the configuration that say who may come in, and what is kept of it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cxr_node.config_section import Section
from cxr_node.domain.access import Role

ANY_SUBJECT = "*"
"""``tls_subject`` that fits every certificate of the trusted authorities."""


def checked_networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    """The networks as given. Raises ValueError for one that is no network."""
    for network in networks:
        ip_network(network)
    return networks


class TlsSection(Section):
    """What this node proves itself with on DICOM associations, and whom it believes."""

    certificate_file: str = Field("", description="its certificate, then the chain (PEM)")
    key_file: str = Field("", description="private key of that certificate (PEM)")
    key_password_file: str = Field("", description="file with the password of the key, if any")
    ca_file: str = Field("", description="authorities whose certificates peers must show (PEM)")
    crl_file: str = Field("", description="revoked certificates of these authorities (PEM)")
    minimum: Literal["1.2", "1.3"] = Field("1.2", description="least version of TLS")
    handshake_seconds: float = Field(5.0, gt=0, le=30, description="limit for one handshake")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("certificate_file and key_file belong together")
        return self

    @property
    def complete(self) -> bool:
        """Whether both sides of a mutual handshake can be served."""
        return bool(self.certificate_file and self.ca_file)


class TokenSection(Section):
    """Somebody who may use pages and API with a token; the node keeps its digest alone."""

    name: str = Field(min_length=1, max_length=64, description="who or what uses it; for the audit")
    role: Role = Field(description="viewer, reader, operator or archive")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the token; see `cxr-node token`"
    )


class WebSection(Section):
    host: str = Field("127.0.0.1", description="address of the page and the API")
    port: int = Field(8042, ge=0, le=65535, description="HTTP port; 0 picks a free one")
    certificate_file: str = Field("", description="certificate for HTTPS, then the chain (PEM)")
    key_file: str = Field("", description="private key of that certificate (PEM)")
    key_password_file: str = Field("", description="file with the password of the key, if any")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="networks of the proxies whose headers say who somebody is"
    )
    user_header: str = Field("x-forwarded-user", description="header with the name, by the proxy")
    groups_header: str = Field(
        "x-forwarded-groups", description="header with groups between commas, by the proxy"
    )
    viewer_groups: tuple[str, ...] = Field((), description="groups that may look")
    reader_groups: tuple[str, ...] = Field((), description="groups that may correct and assess")
    operator_groups: tuple[str, ...] = Field((), description="groups that may run the node")
    own_token_file: str = Field(
        "", description="file with a token for the commands of this machine"
    )
    write_token_file: str = Field(
        "", description="file with the token for corrections over HTTP; empty: none are taken"
    )

    _check_proxies = field_validator("trusted_proxies")(checked_networks)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("certificate_file and key_file belong together")
        return self


class AuditSection(Section):
    """The repository that is told of what happens, over syslog inside mutual TLS ([tls])."""

    host: str = Field("", description="audit repository; empty keeps the trail on this node")
    port: int = Field(6514, ge=1, le=65535, description="its port for syslog over TLS")
    tls_subject: str = Field("", description="name in its certificate; empty means host")
    source: str = Field("", description="name of this node as source; empty is node.ae_title")
    timeout_seconds: float = Field(10.0, gt=0, le=120, description="limit of each network wait")
