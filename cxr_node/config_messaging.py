"""The tables of the configuration that name other systems than DICOM ones."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cxr_node.config_section import Section, private_url
from cxr_node.domain.notice import NoticeEvent

CharacterSet = Literal["ASCII", "8859/1", "UNICODE UTF-8", "ISO IR87"]
"""Values of MSH-18 (HL7 table 0211) that can be written."""

_EVERY = tuple(NoticeEvent)
_RESULTS = tuple(event for event in NoticeEvent if event is not NoticeEvent.ESCALATED)


class MessageDestination(Section):
    """A system that is told of results in messages."""

    name: str = Field(description="how the operator calls it; used in logs and pages")
    events: tuple[NoticeEvent, ...] = Field(
        _RESULTS, min_length=1, description="what it is told: flagged, reported, corrected"
    )
    timeout_seconds: float = Field(10.0, gt=0, description="network limit of one attempt")
    ca_file: str = Field("", description="certificates to trust; empty is the system's")


class WebhookSection(MessageDestination):
    """An address that is sent a signed JSON document."""

    events: tuple[NoticeEvent, ...] = Field(
        _EVERY,
        min_length=1,
        description="what it is told: flagged, reported, corrected, escalated",
    )
    url: str = Field(description="address that takes the document by POST")
    secret_file: str = Field(description="file with the secret that signs, whsec_ and base64")
    patient_data: bool = Field(False, description="send name, birth date and sex of the patient")

    @field_validator("url")
    @classmethod
    def _private(cls, url: str) -> str:
        return private_url(url, "https://receiver.example/cxr")


class Hl7Section(MessageDestination):
    """A system that takes ORU^R01 over MLLP."""

    host: str = Field(description="its address")
    port: int = Field(ge=1, le=65535, description="its MLLP port")
    tls: bool = Field(False, description="MLLP inside TLS")
    certificate_file: str = Field("", description="this node's certificate, where it is asked for")
    key_file: str = Field("", description="key of that certificate")
    application: str = Field("", description="MSH-5 Receiving Application")
    facility: str = Field("", description="MSH-6 Receiving Facility")
    character_set: CharacterSet = Field("UNICODE UTF-8", description="MSH-18 and the bytes")
    mapping: str = Field("oru.yaml", description="file of sr_templates/messages for the message")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if bool(self.certificate_file) is not bool(self.key_file):
            raise ValueError("certificate_file and key_file go together")
        return self


class FhirSection(MessageDestination):
    """A FHIR R4 server that is sent one transaction per result."""

    url: str = Field(description="base address of the server")
    token_file: str = Field("", description="file with its bearer token; empty sends none")

    @field_validator("url")
    @classmethod
    def _private(cls, url: str) -> str:
        return private_url(url, "https://fhir.example/r4").rstrip("/")


class OrdersSection(Section):
    """The MLLP listener that takes orders and patient changes."""

    host: str = Field("127.0.0.1", description="address the MLLP listener binds")
    port: int = Field(0, ge=0, le=65535, description="MLLP port, usually 2575; 0 takes no orders")
    senders: tuple[str, ...] = Field((), description="addresses that may connect; empty is any")
    certificate_file: str = Field("", description="certificate of the listener; turns TLS on")
    key_file: str = Field("", description="key of that certificate")
    client_ca_file: str = Field("", description="certificates that a sender's must come from")
    max_connections: int = Field(16, ge=1, description="connections open at once")
    max_message_bytes: int = Field(1_048_576, ge=1024, description="largest message")
    message_seconds: float = Field(15.0, gt=0, description="longest time one message may take")
    idle_seconds: float = Field(600.0, gt=0, description="silence after which a sender is dropped")
    mapping: str = Field("orders.yaml", description="file of sr_templates/messages for orders")

    @model_validator(mode="after")
    def _tls(self) -> Self:
        if bool(self.certificate_file) is not bool(self.key_file):
            raise ValueError("certificate_file and key_file go together")
        if self.client_ca_file and not self.certificate_file:
            raise ValueError("client_ca_file needs certificate_file")
        return self


class MessagingTables(Section):
    """The tables of this file, as part of the configuration."""

    webhook: tuple[WebhookSection, ...] = ()
    hl7: tuple[Hl7Section, ...] = ()
    fhir: tuple[FhirSection, ...] = ()
    orders: OrdersSection = OrdersSection()

    @property
    def told(self) -> tuple[MessageDestination, ...]:
        """Who is told of results in messages."""
        return (*self.webhook, *self.hl7, *self.fhir)
