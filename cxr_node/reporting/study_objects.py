"""Every object of one study, in one place: what is built, and which destination gets it.

A destination names the shape of Structured Report it can show; each shape that somebody
wants is built once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import Dataset

from cxr_node.config import PeerSection, SrProfile
from cxr_node.domain.ports import ImagePolicy, PreparedImage, SizePolicy
from cxr_node.domain.results import AnatomyMask, ResultKind
from cxr_node.reporting.companions import companions
from cxr_node.reporting.measurement_report import ReportRequest, build_report

REPORT_KINDS: Mapping[SrProfile, str] = {
    "viewer": "sr",
    "air": "sr-air",
    "ohif-native": "sr-ohif",
}
"""Kind of a Structured Report among the result objects, by its shape."""
PAGE_PICTURE = ImagePolicy(SizePolicy.FIT, max_pixels=800_000, multiple=1)
"""The radiograph as it is wanted for the page, which shows it about 620 pixels wide."""


@dataclass(frozen=True, slots=True)
class StudyObject:
    """One object, not yet written, and the names of the destinations that get it."""

    kind: str
    dataset: Dataset
    destinations: tuple[str, ...]


def build_objects(
    request: ReportRequest,
    destinations: Sequence[PeerSection],
    predecessors: Mapping[str, Path],
    pictures: Sequence[PreparedImage] = (),
    masks: Sequence[AnatomyMask] = (),
) -> list[StudyObject]:
    """All objects of a study. ``predecessors`` are the newest earlier objects by kind.

    ``pictures`` show the images that were read, as far as they could be rendered. Raises
    :class:`NotConformant` if the source names no study.
    """
    reports = _reports(request, destinations, predecessors)
    wanted: dict[ResultKind, list[str]] = {}
    for peer in destinations:
        for kind in dict.fromkeys(peer.objects):
            wanted.setdefault(kind, []).append(peer.name)
    beside = companions(request, wanted, pictures, masks)
    return [*reports, *(StudyObject(kind, one, tuple(wanted[kind])) for kind, one in beside)]


def shows_pictures(destinations: Sequence[PeerSection]) -> bool:
    """Whether any destination gets an object with the radiograph on it."""
    return any({ResultKind.PAGE, ResultKind.PDF} & set(peer.objects) for peer in destinations)


def _reports(
    request: ReportRequest,
    destinations: Sequence[PeerSection],
    predecessors: Mapping[str, Path],
) -> list[StudyObject]:
    """One report for each shape that is wanted; without a destination, the default shape."""
    wanted: dict[SrProfile, list[str]] = {}
    for peer in destinations:
        if peer.sr_profile != "none":
            wanted.setdefault(peer.sr_profile, []).append(peer.name)
    built = []
    for profile, names in (wanted or {"viewer": []}).items():
        kind = REPORT_KINDS[profile]
        asked = replace(request, sr_profile=profile, predecessor=predecessors.get(kind))
        built.append(StudyObject(kind, build_report(asked), tuple(names)))
    return built
