"""The vocabulary of findings and the result of reading one study."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cxr_node.domain.amendment import Amendment
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.stages import StageKey, Turn


class FindingKind(StrEnum):
    """The CheXpert labels (less No Finding, which is their absence) and six devices."""

    ATELECTASIS = "atelectasis"
    CARDIOMEGALY = "cardiomegaly"
    CONSOLIDATION = "consolidation"
    EDEMA = "edema"
    ENLARGED_CARDIOMEDIASTINUM = "enlarged_cardiomediastinum"
    FRACTURE = "fracture"
    LUNG_LESION = "lung_lesion"
    LUNG_OPACITY = "lung_opacity"
    PLEURAL_EFFUSION = "pleural_effusion"
    PLEURAL_OTHER = "pleural_other"
    PNEUMONIA = "pneumonia"
    PNEUMOTHORAX = "pneumothorax"
    ENDOTRACHEAL_TUBE = "endotracheal_tube"
    ENTERIC_TUBE = "enteric_tube"
    CENTRAL_VENOUS_CATHETER = "central_venous_catheter"
    PORT = "port"
    CHEST_TUBE = "chest_tube"
    PACEMAKER = "pacemaker"

    @property
    def is_device(self) -> bool:
        """Devices together make the label Support Devices and do not exclude No Finding."""
        return self in DEVICES

    @property
    def has_side(self) -> bool:
        """Whether right or left can be said of it at all."""
        return self not in MIDLINE


MIDLINE = frozenset(
    {
        FindingKind.CARDIOMEGALY,
        FindingKind.ENLARGED_CARDIOMEDIASTINUM,
        FindingKind.ENDOTRACHEAL_TUBE,
        FindingKind.ENTERIC_TUBE,
    }
)

DEVICES = frozenset(
    {
        FindingKind.ENDOTRACHEAL_TUBE,
        FindingKind.ENTERIC_TUBE,
        FindingKind.CENTRAL_VENOUS_CATHETER,
        FindingKind.PORT,
        FindingKind.CHEST_TUBE,
        FindingKind.PACEMAKER,
    }
)


class Presence(StrEnum):
    """Presence of property (PS3.16 CID 240), plus: the model was not asked or not understood."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    NOT_ASSESSED = "not_assessed"


class Laterality(StrEnum):
    """Side of a finding (PS3.16 CID 244)."""

    RIGHT = "right"
    LEFT = "left"
    BILATERAL = "bilateral"


class Zone(StrEnum):
    """Where on a frontal radiograph; zones, not lobes (PS3.16 CID 6171)."""

    UPPER = "upper"
    MIDDLE = "middle"
    LOWER = "lower"
    APEX = "apex"
    MEDIASTINUM = "mediastinum"
    HEART = "heart"
    CHEST_WALL = "chest_wall"


class Severity(StrEnum):
    """Severity (PS3.16 CID 3716)."""

    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class DevicePosition(StrEnum):
    """Where a device's tip lies."""

    CORRECT = "correct"
    TOO_HIGH = "too_high"
    TOO_LOW = "too_low"
    MALPOSITIONED = "malpositioned"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in original image pixels: columns x, rows y, origin at the top left corner."""

    sop_instance_uid: Uid
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement about one finding. ``probability`` is 0 to 1, None if not assessed."""

    kind: FindingKind
    presence: Presence
    probability: float | None
    threshold: float
    """The operating point: present at or above it."""
    calibrated: bool = False
    uncertainty: float | None = None
    """Entropy of the calibrated answer over present, absent and uncertain, as a share of the
    highest possible: 0 is sure, 1 knows nothing."""
    confidence: float | None = None
    """1 minus ``uncertainty``, lowered by every contradiction that touches the finding."""
    laterality: Laterality | None = None
    zone: Zone | None = None
    severity: Severity | None = None
    position: DevicePosition | None = None
    box: Box | None = None
    description: str = ""
    by_person: bool = False
    """Whether a person said so; the model's probability is then of no account."""

    @property
    def present(self) -> bool:
        return self.presence is Presence.PRESENT


@dataclass(frozen=True, slots=True)
class CardiothoracicRatio:
    """Widest heart over widest thorax; ``heart`` and ``thorax`` are the boxes it came from."""

    value: float
    heart: Box
    thorax: Box


@dataclass(frozen=True, slots=True)
class Advice:
    """Stage 7: ACR actionable category 1 to 3 (RADLEX RID49480-2) or None, and the next step."""

    acr_category: int | None
    next_step: str


class Clash(StrEnum):
    """Kinds of contradiction between two statements of one reading."""

    HEADER = "projection against the header"
    NO_FINDING = "no finding against a finding"
    OVERALL = "overall verdict against the findings"
    TRACE = "reasoning against the answer"
    REPORT = "report against the answers"
    SIDE = "side against side"
    ANATOMY = "finding and anatomy"
    RELATION = "relation"
    CHANGE = "change against presence"
    BOX = "box against side or zone"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements that cannot both be true. ``findings`` are those it casts doubt on."""

    clash: Clash
    words: str
    findings: tuple[FindingKind, ...] = ()


class TraceSection(StrEnum):
    """Parts of a reasoning trace, in the order a radiologist dictates (arXiv 2510.23968)."""

    QUALITY = "image quality and projection"
    DEVICES = "devices"
    AIRWAYS = "central airways"
    RIGHT_UPPER = "right upper lobe"
    RIGHT_LOWER = "right middle and lower lobes"
    LEFT_UPPER = "left upper lobe"
    LEFT_LOWER = "left lower lobe"
    PLEURA = "pleura"
    MEDIASTINUM = "mediastinum"
    HILA = "hila and vasculature"
    HEART = "heart"
    ABDOMEN = "upper abdomen"
    BONES = "bones"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class TracePart:
    """One part of a reasoning trace and the findings it speaks of; unverified text."""

    section: TraceSection
    text: str
    findings: tuple[FindingKind, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image that was read, in the size it arrived in."""

    sop_instance_uid: Uid
    sop_class_uid: Uid
    series_uid: Uid
    rows: int
    columns: int
    view: str


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """The earlier study that was compared with, and its image; ``date`` is DICOM DA or empty."""

    study_uid: Uid
    image: ImageReference
    date: str = ""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model spoke; ``device_uid`` changes whenever the weights or the profile do."""

    name: str
    version: str
    digest: str
    family: str
    device_uid: Uid
    manufacturer: str
    intended_use: str
    statement: str
    """What every object says of the model, for example that it is untrained."""


class ReadingKind(StrEnum):
    """How much was asked."""

    TRIAGE = "triage"
    READ = "read"


@dataclass(frozen=True, slots=True)
class SkippedStage:
    """A stage that was not walked, and why."""

    stage: StageKey
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one pass over a study said: the domain result every object is built from."""

    kind: ReadingKind
    model: ModelIdentity
    images: tuple[ImageReference, ...]
    projection: str | None
    quality: dict[str, str]
    """Quality dimension (positioning, inspiration, …) to adequate, limited or inadequate."""
    abnormal: float | None
    """Probability that the study is abnormal; None if not assessed."""
    findings: tuple[Finding, ...]
    ratio: CardiothoracicRatio | None = None
    relations: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    trend: str = ""
    advice: Advice | None = None
    findings_text: str = ""
    impression: str = ""
    skipped: tuple[SkippedStage, ...] = ()
    dropped_terms: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    outside_intended_use: str = ""
    """Why the model should not be relied on for this study; empty when within its use."""
    turns: tuple[Turn, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    """Also part of ``warnings``, in words."""
    trace: tuple[TracePart, ...] = ()
    prior: PriorStudy | None = None
    """The study that stage 5 compared with; None when no picture of one was shown."""
    pictures: tuple[str, ...] = ()
    """Size and SHA-256 of every picture as the model saw it, in the order shown."""
    amendment: Amendment | None = None
    """The person's correction that this reading came of; None for a model's own reading."""

    @property
    def review(self) -> bool:
        """Whether a person should look at the reading itself: it contradicts itself."""
        return bool(self.contradictions)

    @property
    def present(self) -> tuple[Finding, ...]:
        """The findings held to be present, pathologies before devices as asked."""
        return tuple(f for f in self.findings if f.present)

    @property
    def no_finding(self) -> bool | None:
        """CheXpert's No Finding: no pathology present; None when some are uncertain or unknown."""
        pathologies = [f for f in self.findings if not f.kind.is_device]
        if any(f.present for f in pathologies):
            return False
        unknown = any(f.presence is not Presence.ABSENT for f in pathologies)
        return None if unknown or not pathologies else True
