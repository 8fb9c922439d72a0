"""The model families that the node can read with: what each was taught, as data.

One record a family, one profile a record. Weights are never brought along: a site gets
them from their publisher under the publisher's terms, and this file says what the site
must know of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.ports import SizePolicy
from cxr_node.reasoning.chat import ChatName
from cxr_node.reasoning.embedded import embedded_manifest
from cxr_node.reasoning.profiles import (
    Architecture,
    BoxFormat,
    EngineModel,
    Family,
    Limits,
    Manifest,
    MannerKind,
    Opening,
    PictureOrder,
    PictureSize,
    Profile,
)
from cxr_node.reasoning.prompts import Wording

_A = Architecture

NATIVE_BOXES = {
    _A.QWEN2_VL: BoxFormat.THOUSANDTHS,
    _A.QWEN2_5_VL: BoxFormat.PIXELS,
    _A.QWEN3_VL: BoxFormat.THOUSANDTHS,
}
"""The unit in which each architecture was taught to write boxes (arXiv 2409.12191, 2502.13923)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms weights are had: a short name, and what a site acknowledges."""

    name: str
    notice: str


@dataclass(frozen=True, slots=True)
class FamilyRecord:
    """All that the node knows of a family before it has seen a weight file."""

    family: Family
    title: str
    manufacturer: str
    pictures: Mapping[Architecture, PictureSize]
    """The architectures that weights of this family may have, and the picture each wants."""
    chat: ChatName
    profile: Profile
    stop_tokens: tuple[str, ...]
    terms: Terms
    intended_use: str
    statement: str
    """What every object made with the model says of it."""
    sources: tuple[str, ...] = ()
    """Where the protocol was published."""
    accelerator_dtype: str = "bfloat16"
    boxes: Mapping[Architecture, BoxFormat] = field(default_factory=lambda: NATIVE_BOXES)

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """Allowed architectures; the first is the one the family was published in."""
        return tuple(self.pictures)

    def profile_of(self, architecture: Architecture) -> Profile:
        """The profile, with boxes in the architecture's own unit."""
        return self.profile.model_copy(update={"boxes": self.boxes[architecture]})


def family_of(family: Family) -> FamilyRecord:
    """The record of a family."""
    return _RECORDS[family]


def manifest_for(
    family: Family,
    architecture: Architecture,
    *,
    name: str,
    version: str,
    licence: str = "",
    manufacturer: str = "",
    engine: EngineModel | None = None,
) -> Manifest:
    """A manifest of weights of ``family``, without file digests (:func:`profiles.seal` adds them).

    Raises :class:`ModelRefused` when the family does not come in ``architecture``.
    """
    record = family_of(family)
    if architecture not in record.pictures:
        known = ", ".join(record.architectures)
        raise ModelRefused(f"{record.title} comes as {known}, these weights are {architecture}")
    return Manifest.model_validate(
        {
            "name": name,
            "version": version,
            "family": family,
            "architecture": architecture,
            "engine": engine,
            "manufacturer": manufacturer or record.manufacturer,
            "licence": licence or record.terms.name,
            "intended_use": record.intended_use,
            "statement": record.statement,
            "trained": True,
            "chat": record.chat,
            "picture": record.pictures[architecture],
            "profile": record.profile_of(architecture),
            "stop_tokens": record.stop_tokens,
            "accelerator_dtype": record.accelerator_dtype,
            "files": {},
        }
    )


_CHATML_STOPS = ("<|im_end|>", "<|endoftext|>")


def _embedded() -> FamilyRecord:
    made = embedded_manifest()
    return FamilyRecord(
        family=Family.EMBEDDED,
        title="cxr-node embedded",
        manufacturer=made.manufacturer,
        pictures={made.architecture: made.picture},
        chat=made.chat,
        profile=made.profile,
        stop_tokens=made.stop_tokens,
        terms=Terms(made.licence, "Part of this project, under the project's own licence."),
        intended_use=made.intended_use,
        statement=made.statement,
        accelerator_dtype=made.accelerator_dtype,
        boxes={made.architecture: made.profile.boxes},
    )


_NV_REASON = FamilyRecord(
    family=Family.NV_REASON_CXR,
    title="NV-Reason-CXR-3B",
    manufacturer="NVIDIA",
    pictures={
        _A.QWEN2_5_VL: PictureSize(size=SizePolicy.FIT, max_pixels=476 * 476, multiple=28),
    },
    chat=ChatName.QWEN_DEFAULT,
    profile=Profile(
        wording=Wording.PLAIN,
        pictures=1,
        opening=Opening(prompt="Find abnormalities and support devices.", new_tokens=2048),
    ),
    stop_tokens=_CHATML_STOPS,
    terms=Terms(
        "NVIDIA OneWay Noncommercial",
        "The weights are under the NVIDIA OneWay Noncommercial licence: research only, no "
        "commercial use, not for clinical use. Read and keep the licence that came with them.",
    ),
    intended_use="research, not for clinical use",
    statement=(
        "NV-Reason-CXR: research only, not for clinical use; the label list was published with "
        "figures, every other answer was not measured"
    ),
    sources=("arXiv 2510.23968",),
)

_CHESTX = FamilyRecord(
    family=Family.CHESTX_REASONER,
    title="ChestX-Reasoner-7B",
    manufacturer="MAGIC-AI4Med",
    pictures={_A.QWEN2_VL: PictureSize(size=SizePolicy.STRETCH, side=448, multiple=28)},
    chat=ChatName.QWEN_DEFAULT,
    profile=Profile(
        wording=Wording.CHESTX,
        pictures=2,
        order=PictureOrder.REFERENCE_FIRST,
        manner=MannerKind.LETTERED,
        limits=Limits(thought_tokens=512),
    ),
    stop_tokens=_CHATML_STOPS,
    terms=Terms(
        "not stated",
        "No licence is stated for the weights (the code is Apache-2.0). They were trained on "
        "MIMIC-CXR and CheXpert, whose terms of use bind those who work with the data. Ask the "
        "publisher before any use.",
    ),
    intended_use="research",
    statement=(
        "ChestX-Reasoner: research model; about a third of the observations in its published "
        "reasoning were judged not to agree with the report"
    ),
    sources=("arXiv 2504.20930",),
)

_INSTRUCT = FamilyRecord(
    family=Family.INSTRUCT,
    title="Qwen-VL instruct",
    manufacturer="as its publisher says",
    pictures={
        _A.QWEN2_5_VL: PictureSize(size=SizePolicy.FIT, max_pixels=1008 * 1008, multiple=28),
        _A.QWEN2_VL: PictureSize(size=SizePolicy.FIT, max_pixels=1008 * 1008, multiple=28),
        _A.QWEN3_VL: PictureSize(size=SizePolicy.FIT, max_pixels=1024 * 1024, multiple=32),
    },
    chat=ChatName.QWEN,
    profile=Profile(wording=Wording.PLAIN, pictures=2),
    stop_tokens=_CHATML_STOPS,
    terms=Terms(
        "as its publisher says",
        "The terms differ from one size and version to the next: read those that came with "
        "the weights.",
    ),
    intended_use="research",
    statement="general instruct model: not taught to read chest radiographs, not measured on any",
    sources=("arXiv 2409.12191", "arXiv 2502.13923", "arXiv 2511.21631"),
)

_RECORDS = {record.family: record for record in (_embedded(), _NV_REASON, _CHESTX, _INSTRUCT)}
