"""Tables of the configuration that say who may come in, and what is kept of it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, model_validator

from cxr_node.config_section import Section

ANY_SUBJECT = "*"
"""``tls_subject`` that fits every certificate of the trusted authorities."""


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


def checked_networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    """The networks as given. Raises ValueError for one that is no network."""
    for network in networks:
        ip_network(network)
    return networks
