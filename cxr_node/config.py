"""The configuration: one TOML file, checked whole; an unknown key refuses the start.

Every field's description is what ``cxr-node check`` prints beside its value.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, ValidationError, field_validator, model_validator

from cxr_node.config_housekeeping import RetentionSection
from cxr_node.config_messaging import MessagingTables
from cxr_node.config_priors import PriorsSection
from cxr_node.config_section import Section, private_url
from cxr_node.config_security import (
    AuditSection,
    TlsSection,
    TokenSection,
    WebSection,
    checked_networks,
)
from cxr_node.config_series import USUAL_SERIES, SeriesSection
from cxr_node.domain.errors import ConfigurationError, NotConformant
from cxr_node.domain.identifiers import AETitle
from cxr_node.domain.results import ResultKind
from cxr_node.secret_files import secret

SrProfile = Literal["viewer", "air", "ohif-native"]
"""Shape of the Structured Report: TID 1500 as viewers open it, as IHE AIR has it, or in the
form that OHIF itself writes."""


def _ae(title: str) -> str:
    try:
        return AETitle(title).text
    except NotConformant as error:
        raise ValueError(str(error)) from error


class NodeSection(Section):
    ae_title: str = Field("CXRNODE", description="application entity title of this node")
    data_dir: Path = Field(Path("cxr-node-data"), description="spool, embedded database, models")
    station_name: str = Field("CXR-NODE", description="name written into results")
    uid_key: str = Field("", description="site key; makes result UIDs unique to this site")
    uid_key_file: str = Field("", description="file with the site key, in place of uid_key")

    _check_ae = field_validator("ae_title")(_ae)


class PeerSection(Section):
    """One system that may associate, or that receives results, or both."""

    name: str = Field(description="how the operator calls it; used in logs and pages")
    ae_title: str = Field(description="its application entity title")
    host: str = Field("", description="its address; empty accepts any address")
    networks: tuple[str, ...] = Field(
        (), description="networks it may send from (10.1.0.0/16), besides host"
    )
    port: int = Field(0, ge=0, le=65535, description="its DICOM port, where results are sent to it")
    tls: bool = Field(False, description="results are sent to it over mutual TLS ([tls])")
    tls_subject: str = Field(
        "", description="name in its certificate; sending to it, empty means host"
    )
    may_send: bool = Field(True, description="may open associations to this node")
    receives_results: bool = Field(False, description="results are delivered to it by C-STORE")
    storage_commitment: bool = Field(
        False, description="results count as delivered when it has committed to keep them"
    )
    sr_profile: SrProfile | Literal["none"] = Field(
        "viewer", description="shape of the Structured Report it gets"
    )
    objects: tuple[ResultKind, ...] = Field(
        (ResultKind.PAGE,), description="what it gets besides: page, pdf, key-object, gsps, seg"
    )
    series: SeriesSection = Field(
        USUAL_SERIES, description="Series Descriptions of what it gets ([peer.series])"
    )

    _check_ae = field_validator("ae_title")(_ae)
    _check_networks = field_validator("networks")(checked_networks)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.receives_results and not (self.host and self.port):
            raise ValueError("a peer that receives results needs host and port")
        return self


class ListenerSection(Section):
    host: str = Field("127.0.0.1", description="address the DICOM listener binds")
    tls: bool = Field(False, description="mutual TLS ([tls]) and nothing else on this port")
    port: int = Field(11112, ge=0, le=65535, description="DICOM port; 0 picks a free one")
    max_pdu_bytes: int = Field(131_072, ge=16_384, le=1_048_576, description="longest PDU accepted")
    pdu_seconds: float = Field(15.0, gt=0, description="longest time one PDU may take")
    idle_seconds: float = Field(30.0, gt=0, description="silence after which a peer is dropped")
    max_message_bytes: int = Field(268_435_456, gt=0, description="largest C-STORE data set")
    max_associations: int = Field(16, ge=1, description="associations open at once")
    max_associations_per_address: int = Field(8, ge=1, description="of them from one address")


class SpoolSection(Section):
    reserve_bytes: int = Field(
        1_073_741_824, ge=0, description="free space below which 0xA700 is answered"
    )


class DatabaseSection(Section):
    url: str = Field("", description="SQLAlchemy URL; empty means SQLite inside data_dir")
    password_file: str = Field("", description="file with the password that the URL leaves out")


class AssemblySection(Section):
    quiet_seconds: float = Field(10.0, gt=0, description="silence that closes a study")
    max_seconds: float = Field(120.0, gt=0, description="longest a study stays open")


class JobsSection(Section):
    lease_seconds: float = Field(
        10.0, gt=0, le=600, description="how long a claim lasts without a beat"
    )
    beat_seconds: float = Field(2.0, gt=0, description="how often a working claim is renewed")
    stall_seconds: float = Field(120.0, gt=0, description="no progress for this long ends the beat")
    max_attempts: int = Field(3, ge=1, description="attempts before a study is parked")
    retry_seconds: float = Field(
        1.0, ge=0, description="pause after a failed attempt; doubled each time, up to 60"
    )
    batch: int = Field(1, ge=1, le=64, description="studies a worker claims at once")
    poll_seconds: float = Field(0.5, gt=0, description="how often to look without a bell")
    workers: int = Field(1, ge=0, description="reading workers that `cxr-node up` starts")


class DoorbellSection(Section):
    kind: Literal["local", "celery"] = Field("local", description="how workers are woken")
    broker_url: str = Field("", description="Celery broker (redis:// or amqp://)")
    broker_password_file: str = Field("", description="file with the password it leaves out")

    @model_validator(mode="after")
    def _broker(self) -> Self:
        if self.kind == "celery" and not self.broker_url:
            raise ValueError("doorbell.kind = celery needs doorbell.broker_url")
        return self


class ModelSection(Section):
    path: str = Field(
        "", description="model folder, or name given to `model add`; empty is the embedded one"
    )
    threads: int = Field(0, ge=0, description="CPU threads for the model; 0 lets torch decide")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the model runs")


class EngineSection(Section):
    """An OpenAI-style inference server that holds the weights."""

    url: str = Field("", description="base address such as http://127.0.0.1:8000/v1; empty is none")
    token_file: str = Field("", description="file with the bearer token of the server")
    ca_file: str = Field("", description="certificates to trust for https; empty is the system's")
    cache_salt: str = Field("", description="keeps this site's prefix cache apart from others'")
    connect_seconds: float = Field(5.0, gt=0, description="limit for a connection")
    answer_seconds: float = Field(60.0, gt=0, description="limit for one answer, retries included")
    retries: int = Field(2, ge=0, le=10, description="further attempts after a temporary failure")

    @field_validator("url")
    @classmethod
    def _private(cls, url: str) -> str:
        """Pictures of patients travel encrypted, or not over a network at all."""
        return private_url(url, "http://127.0.0.1:8000/v1") if url else url


class ShadowSection(Section):
    """A second model that reads the same studies silently."""

    path: str = Field("", description="model folder or name; empty is no shadow reading")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where it runs")


class CanarySection(Section):
    """A phantom that is read again and again and must be answered alike."""

    every_hours: float = Field(0.0, ge=0, description="hours between two readings; 0 is off")
    seed: int = Field(67, ge=0, description="seed of the phantom that is read")
    tolerance: float = Field(0.05, gt=0, le=1, description="how far a probability may move")
    answer_minutes: float = Field(60.0, gt=0, description="no answer for this long is an alarm")


class EligibilitySection(Section):
    minimum_age_years: float = Field(18.0, ge=0, description="younger patients are not read")
    accept_unknown_age: bool = Field(False, description="read images without age or birth date")
    accept_unknown_body_part: bool = Field(True, description="read images without a body part")


class ImagingSection(Section):
    max_pixels: int = Field(64_000_000, gt=0, description="largest image that is decoded")
    memory_bytes: int = Field(1_073_741_824, gt=0, description="memory limit of the decoder")
    seconds: float = Field(20.0, gt=0, description="time limit of one decode")


class DeliverySection(Section):
    first_retry_seconds: float = Field(5.0, gt=0, description="first back-off after a refusal")
    longest_retry_seconds: float = Field(3600.0, gt=0, description="longest back-off")
    max_hours: float = Field(72.0, gt=0, description="after this a delivery is parked")
    max_attempts: int = Field(200, ge=1, description="attempts before a delivery is parked")
    timeout_seconds: float = Field(30.0, gt=0, description="network limit of one attempt")
    commitment_seconds: float = Field(
        3600.0, gt=0, description="without an answer for this long, commitment is asked for again"
    )
    sr_class: Literal["comprehensive-3d", "comprehensive"] = Field(
        "comprehensive-3d", description="SR SOP class that is written"
    )


class TemplatesSection(Section):
    path: str = Field("", description="site overrides of sr_templates; empty uses the shipped ones")
    language: str = Field(
        "en",
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="language of the results: en, de, or that of a site's own wording file",
    )


class LogSection(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level")


class Configuration(MessagingTables):
    """The whole file. Empty is a working embedded node that knows no peer."""

    node: NodeSection = NodeSection()
    peer: tuple[PeerSection, ...] = ()
    listener: ListenerSection = ListenerSection()
    tls: TlsSection = TlsSection()
    spool: SpoolSection = SpoolSection()
    database: DatabaseSection = DatabaseSection()
    assembly: AssemblySection = AssemblySection()
    jobs: JobsSection = JobsSection()
    doorbell: DoorbellSection = DoorbellSection()
    model: ModelSection = ModelSection()
    engine: EngineSection = EngineSection()
    shadow: ShadowSection = ShadowSection()
    canary: CanarySection = CanarySection()
    priors: PriorsSection = PriorsSection()
    eligibility: EligibilitySection = EligibilitySection()
    imaging: ImagingSection = ImagingSection()
    delivery: DeliverySection = DeliverySection()
    retention: RetentionSection = RetentionSection()
    web: WebSection = WebSection()
    token: tuple[TokenSection, ...] = ()
    audit: AuditSection = AuditSection()
    templates: TemplatesSection = TemplatesSection()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [*(peer.name for peer in self.peer), *(told.name for told in self.told)]
        if len(names) != len(set(names)):
            raise ValueError("two peers share one name")
        wants_tls = self.listener.tls or self.audit.host or any(peer.tls for peer in self.peer)
        if wants_tls and not self.tls.complete:
            raise ValueError("TLS needs tls.certificate_file, tls.key_file and tls.ca_file")
        if unknown := {s.peer for s in self.priors.source if s.peer} - {p.name for p in self.peer}:
            raise ValueError(f"priors.source: no peer is called {min(unknown)}")
        if self.jobs.beat_seconds * 2 > self.jobs.lease_seconds:
            raise ValueError("jobs.beat_seconds must be at most half of jobs.lease_seconds")
        if self.jobs.batch > 1 and self.jobs.max_attempts < 2:
            raise ValueError("jobs.batch above 1 needs jobs.max_attempts of 2 or more")
        if self.engine.url and self.engine.answer_seconds >= self.jobs.stall_seconds:
            raise ValueError("engine.answer_seconds must be less than jobs.stall_seconds")
        return self

    @property
    def database_url(self) -> str:
        if self.database.url:
            return _with_password(
                self.database.url, self.database.password_file, "database.password"
            )
        return f"sqlite:///{(self.node.data_dir / 'cxr-node.sqlite3').absolute()}"

    @property
    def broker_url(self) -> str:
        """Address of the broker with its password."""
        bell = self.doorbell
        return _with_password(
            bell.broker_url, bell.broker_password_file, "doorbell.broker_password"
        )

    @property
    def site_key(self) -> str:
        """The secret behind result UIDs and digests; empty where the site has none."""
        return secret(self.node.uid_key, self.node.uid_key_file, "node.uid_key")

    @property
    def spool_dir(self) -> Path:
        return self.node.data_dir / "spool"

    @property
    def models_dir(self) -> Path:
        """The site's models, each in a folder of its name."""
        return self.node.data_dir / "models"

    @property
    def destinations(self) -> tuple[PeerSection, ...]:
        return tuple(peer for peer in self.peer if peer.receives_results)


def _with_password(url: str, file: str, key: str) -> str:
    """The address with the password of ``file`` after its user name."""
    password = secret("", file, key)
    if not password:
        return url
    head, _, rest = url.partition("://")
    user, at, place = rest.partition("@")
    if not at or ":" in user:
        raise ConfigurationError(f"{key}_file: the address must name a user and no password")
    return f"{head}://{user}:{quote(password, safe='')}@{place}"


def parse(text: str, source: str = "configuration") -> Configuration:
    """Read TOML. Raises :class:`ConfigurationError` naming key, problem and source."""
    try:
        return Configuration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(_explain(error, source)) from error


def load(path: Path) -> Configuration:
    """Read the file at ``path``; relative ``data_dir`` is taken from the file's folder."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    found = parse(text, str(path))
    folder = path.parent / found.node.data_dir
    return found.model_copy(update={"node": found.node.model_copy(update={"data_dir": folder})})


def _explain(error: ValidationError, source: str) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"]) or "file"
        known = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
        lines.append(f"{source}: {key}: {known}")
    return "\n".join(lines)
