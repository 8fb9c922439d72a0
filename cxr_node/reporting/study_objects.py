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
from cxr_node.reporting.measurement_report import ReportRequest, build_report

REPORT_KINDS: Mapping[SrProfile, str] = {
    "viewer": "sr",
    "air": "sr-air",
    "ohif-native": "sr-ohif",
}
"""Kind of a Structured Report among the result objects, by its shape."""


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
) -> list[StudyObject]:
    """All objects of a study. ``predecessors`` are the newest earlier objects by kind.

    Raises :class:`NotConformant` if the source names no study.
    """
    return _reports(request, destinations, predecessors)


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
