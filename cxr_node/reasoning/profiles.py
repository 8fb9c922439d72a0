"""A model folder's manifest: what the model is, what it needs, and the digest of every file.

Nothing here imports torch, so a process that only receives images can know which model
the node runs. A folder that does not match its manifest, byte for byte, is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.findings import FindingKind, ModelIdentity
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.ports import ImagePolicy, SizePolicy, VisionModel
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.chat import Chat, ChatName
from cxr_node.reasoning.prompts import PROMPTS_VERSION, Wording

MANIFEST = "manifest.json"
ACKNOWLEDGEMENT = "acknowledgement.json"
"""Who accepted the licence; not part of the model, so that its identity is the same everywhere."""
PHANTOMS = "phantoms"
"""Intended use of a model that must not be relied on for a patient."""

_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".jinja", ".md"})
_OUTSIDE = frozenset({MANIFEST, ACKNOWLEDGEMENT})
_KERNELS = frozenset({"attn_implementation", "experts_implementation"})
BLOCK = 1 << 20
"""Bytes that are read at once when a file is hashed."""

Hashed = Callable[[int], None]
"""Told how many more bytes were hashed."""


def _unwatched(_: int) -> None:
    """Nobody watches."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fit(_Frozen):
    """How a calibration was found and how well it holds, so that a reader can judge it."""

    method: str = Field(min_length=1)
    data: str = Field(min_length=1)
    """Name and version of the data it was fitted on, and of the data it was judged on."""
    positives: int = Field(ge=0)
    """Like all that follows, counted on the data it was judged on."""
    negatives: int = Field(ge=0)
    log_loss: float = Field(ge=0)
    """Mean negative log-likelihood of present against absent, natural logarithm."""
    calibration_error: float = Field(ge=0, le=1)
    """Expected calibration error, ten bins of equal width."""


class Calibration(_Frozen):
    """Turns option log-probabilities into probabilities: softmax((score + bias) / temperature)."""

    temperature: float = Field(1.0, gt=0)
    bias: dict[str, float] = {}
    """Option key to an additive correction, natural logarithm."""
    fit: Fit | None = None


class Limits(_Frozen):
    """How long answers and readings may become."""

    new_tokens: dict[str, int] = {}
    """Question key to the longest generated answer, in tokens."""
    default_new_tokens: int = Field(64, ge=1)
    thought_tokens: int = Field(512, ge=1)
    """Longest reasoning before one answer, for families that reason aloud at every question."""
    text_characters: int = Field(600, ge=1)
    described_findings: int = Field(6, ge=0)
    """At most so many findings are described in stage 3 (most probable first)."""
    pairs: int = Field(3, ge=0)


class Opening(_Frozen):
    """A question put before all others, at which the model reasons aloud over the whole image."""

    prompt: str = Field(min_length=1)
    new_tokens: int = Field(2048, ge=1)


class MannerKind(StrEnum):
    """How a closed question is put; see ``reasoning/manners.py``."""

    SCORED = "scored"
    LETTERED = "lettered"


class BoxFormat(StrEnum):
    """The numbers in which a family writes boxes."""

    PERCENT = "percent"
    """0 to 100 of the picture's width and height."""
    THOUSANDTHS = "thousandths"
    """0 to 1000 of the picture's width and height (Qwen2-VL, Qwen3-VL)."""
    PIXELS = "pixels"
    """Pixels of the picture as the model saw it (Qwen2.5-VL)."""


class PictureOrder(StrEnum):
    """Which picture comes first when a prior study is shown too."""

    CURRENT_FIRST = "current first"
    REFERENCE_FIRST = "reference first"


class Profile(_Frozen):
    """All that the staged reader needs to know of a model."""

    wording: Wording = Wording.PLAIN
    thresholds: dict[FindingKind, float] = {}
    default_threshold: float = Field(0.5, ge=0, le=1)
    not_assessed: tuple[FindingKind, ...] = ()
    """Findings that the model cannot tell: asked in their place, because later answers rest on
    the whole row of questions, but never called present or absent."""
    untaught: tuple[StageKey, ...] = ()
    """Stages that the model was not taught: skipped, and the result says so."""
    calibration: dict[str, Calibration] = {}
    """``presence:<finding>`` or a question key; absent means as the model says."""
    limits: Limits = Limits()
    pictures: int = Field(1, ge=1)
    """How many pictures the model can look at together, the prior study's included."""
    order: PictureOrder = PictureOrder.CURRENT_FIRST
    manner: MannerKind = MannerKind.SCORED
    opening: Opening | None = None
    boxes: BoxFormat = BoxFormat.PERCENT

    def threshold(self, kind: FindingKind) -> float:
        """Operating point: present at or above it."""
        return self.thresholds.get(kind, self.default_threshold)

    def calibration_of(self, question: str, subject: str = "") -> Calibration | None:
        """The calibration of one question about one subject; the subject's own comes first."""
        own = self.calibration.get(f"{question}:{subject}")
        return own or self.calibration.get(question)


class Architecture(StrEnum):
    """The network that the weights belong to, as transformers names it."""

    QWEN2_VL = "qwen2_vl"
    QWEN2_5_VL = "qwen2_5_vl"
    QWEN3_VL = "qwen3_vl"


class Family(StrEnum):
    """What the weights were taught: one profile each, see ``reasoning/families.py``."""

    EMBEDDED = "embedded"
    NV_REASON_CXR = "nv-reason-cxr"
    CHESTX_REASONER = "chestx-reasoner"
    INSTRUCT = "qwen-vl-instruct"


class EngineModel(_Frozen):
    """A model whose weights an inference server holds; the folder then has none."""

    served_name: str = Field(min_length=1)
    versions: str = Field("", description="server versions that were tried, as in >=0.10,<0.15")


class Lineage(_Frozen):
    """Where weights came from that were taught further here, so that it can be done again."""

    method: str = Field(min_length=1)
    base: str
    """Name and version of the model that was taught."""
    base_digest: str
    """Its identity, which covers every file."""
    data: dict[str, str]
    """File name of every file of dialogues, or a name of generated data, with its SHA-256."""
    command: str
    """What was asked for, with the names of files alone."""
    figures: dict[str, float] = {}
    """Counts of what was taught and the last figures of the run."""


class PictureSize(_Frozen):
    """The image policy as the manifest writes it."""

    size: SizePolicy
    side: int = Field(0, ge=0)
    max_pixels: int = Field(0, ge=0)
    multiple: int = Field(28, ge=1)


class Manifest(_Frozen):
    """``manifest.json`` of a model folder."""

    format_version: Literal[1] = 1
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    family: Family = Family.EMBEDDED
    architecture: Architecture = Architecture.QWEN2_5_VL
    engine: EngineModel | None = None
    manufacturer: str
    licence: str
    intended_use: str
    statement: str
    trained: bool
    prompts_version: str = PROMPTS_VERSION
    chat: ChatName = ChatName.QWEN
    picture: PictureSize
    profile: Profile
    stop_tokens: tuple[str, ...]
    accelerator_dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    files: dict[str, str]
    """Every other file of the folder, by name, with its SHA-256 (hex)."""
    lineage: Lineage | None = None
    """For weights that were taught further by a site."""

    @property
    def scaffolding(self) -> Chat:
        return self.chat.scaffolding

    @property
    def image_policy(self) -> ImagePolicy:
        p = self.picture
        return ImagePolicy(p.size, p.side, p.max_pixels, p.multiple)


@runtime_checkable
class ProfiledModel(VisionModel, Protocol):
    """A vision model that brings its own profile."""

    @property
    def profile(self) -> Profile: ...


def load_manifest(folder: Path) -> Manifest:
    """Read and check ``manifest.json``. Raises :class:`ModelRefused` saying what is wrong."""
    path = folder / MANIFEST
    try:
        found = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelRefused(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"])) or "file"
        raise ModelRefused(f"{path}: {key}: {first['msg']}") from error
    if found.prompts_version != PROMPTS_VERSION:
        raise ModelRefused(
            f"{path}: made for prompts {found.prompts_version}, this node asks {PROMPTS_VERSION}; "
            "add the model again from its source"
        )
    return found


def verify(folder: Path, manifest: Manifest, hashed: Hashed = _unwatched) -> None:
    """Compare the folder with its manifest. Raises :class:`ModelRefused` naming the first fault.

    Only weights without code (safetensors) and plain data are allowed: a pickled weight
    file or a configuration that names remote code can run programs when it is loaded.
    """
    present = {p.relative_to(folder).as_posix(): p for p in _files(folder)}
    present = {name: path for name, path in present.items() if name not in _OUTSIDE}
    if unlisted := sorted(present.keys() - manifest.files.keys()):
        raise ModelRefused(f"{folder}: {unlisted[0]} is not listed in {MANIFEST}")
    if missing := sorted(manifest.files.keys() - present.keys()):
        raise ModelRefused(f"{folder}: {missing[0]} is listed in {MANIFEST} but missing")
    for name, path in sorted(present.items()):
        _check_file(path, name, manifest.files[name], hashed)


def _files(folder: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise ModelRefused(f"{path}: a model folder may not hold links")
        if path.is_file():
            found.append(path)
    return found


def _check_file(path: Path, name: str, expected: str, hashed: Hashed) -> None:
    if path.suffix not in _SUFFIXES:
        raise ModelRefused(f"{path}: only safetensors, JSON and text files are loaded")
    if (actual := sha256_of(path, hashed)) != expected:
        raise ModelRefused(f"{path}: SHA-256 is {actual}, the manifest says {expected}")
    if path.suffix == ".json":
        _refuse_remote_code(path, name)


def _refuse_remote_code(path: Path, name: str) -> None:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelRefused(f"{path}: {name} is not JSON") from error
    if names_remote_code(content):
        raise ModelRefused(f"{path}: names remote code (auto_map or a kernel)")


def names_remote_code(content: object) -> bool:
    """Whether settings name code that a library would fetch: own classes, or a kernel's address."""
    if isinstance(content, dict):
        if "auto_map" in content:
            return True
        named = (str(value) for key, value in content.items() if key.lstrip("_") in _KERNELS)
        return any("/" in text for text in named) or any(map(names_remote_code, content.values()))
    return isinstance(content, list) and any(map(names_remote_code, content))


def sha256_of(path: Path, hashed: Hashed = _unwatched) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            hashed(len(block))
    return digest.hexdigest()


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write ``manifest.json`` with the digest of every other file that is in ``folder`` now."""
    files = {
        p.relative_to(folder).as_posix(): sha256_of(p)
        for p in sorted(_files(folder))
        if p.relative_to(folder).as_posix() not in _OUTSIDE
    }
    sealed = manifest.model_copy(update={"files": files})
    write_manifest(folder, sealed)
    return sealed


def write_manifest(folder: Path, sealed: Manifest) -> None:
    """Write ``manifest.json`` as it is."""
    (folder / MANIFEST).write_text(sealed.model_dump_json(indent=1) + "\n", encoding="utf-8")


def identity(manifest: Manifest) -> ModelIdentity:
    """Who speaks. The digest covers the manifest, which covers every file."""
    absent = None if manifest.lineage else {"lineage"}  # older models keep their identity
    told = manifest.model_dump(mode="json", exclude=absent)
    canonical = json.dumps(told, sort_keys=True).encode("utf-8")
    digest = hashlib.sha256(canonical).hexdigest()
    return ModelIdentity(
        name=manifest.name,
        version=manifest.version,
        digest=digest,
        family=manifest.family,
        device_uid=result_uid("model", digest),
        manufacturer=manifest.manufacturer,
        intended_use=manifest.intended_use,
        statement=manifest.statement,
    )
