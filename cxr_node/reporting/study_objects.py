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
from cxr_node.config_series import SeriesSection
from cxr_node.domain.ports import ImagePolicy, PreparedImage, SizePolicy
from cxr_node.domain.results import AnatomyMask, ResultKind
from cxr_node.reporting.companions import companions
from cxr_node.reporting.measurement_report import ReportRequest, build_report
from cxr_node.reporting.series_descriptions import variant

REPORT_KINDS: Mapping[SrProfile, str] = {
    "viewer": "sr",
    "air": "sr-air",
    "ohif-native": "sr-ohif",
}
"""Kind of a Structured Report among the result objects, by its shape."""
_VARIANT = "~"
"""Stands between a kind and the short name of a destination's own words."""
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
    wanted: dict[str, dict[ResultKind, list[str]]] = {}
    words: dict[str, SeriesSection] = {}
    for peer in destinations:
        called = variant(peer.series)
        words[called] = peer.series
        for kind in dict.fromkeys(peer.objects):
            wanted.setdefault(called, {}).setdefault(kind, []).append(peer.name)
    beside = [
        StudyObject(kind, made, tuple(names[kind]))
        for called, names in wanted.items()
        for kind, made in companions(replace(request, series=words[called]), names, pictures, masks)
    ]
    return [*reports, *beside]


def report_kinds(destinations: Sequence[PeerSection]) -> list[str]:
    """Kinds of the reports that these destinations have had or will have."""
    return list(dict.fromkeys(kind for peer in destinations for kind in _kinds(peer)))


def is_report(kind: str) -> bool:
    """Whether this is the kind of a Structured Report."""
    return kind.partition(_VARIANT)[0] in REPORT_KINDS.values()


def shows_pictures(destinations: Sequence[PeerSection]) -> bool:
    """Whether any destination gets an object with the radiograph on it."""
    return any({ResultKind.PAGE, ResultKind.PDF} & set(peer.objects) for peer in destinations)


def _reports(
    request: ReportRequest,
    destinations: Sequence[PeerSection],
    predecessors: Mapping[str, Path],
) -> list[StudyObject]:
    """One report for each shape and each name of it; without a destination, the usual one."""
    wanted: dict[str, tuple[ReportRequest, list[str]]] = {}
    for peer in destinations:
        if peer.sr_profile != "none":
            kind, *others = _kinds(peer)
            earlier = next((predecessors[k] for k in (kind, *others) if k in predecessors), None)
            asked = replace(
                request, sr_profile=peer.sr_profile, series=peer.series, predecessor=earlier
            )
            wanted.setdefault(kind, (asked, []))[1].append(peer.name)
    if not wanted:
        kind = REPORT_KINDS["viewer"]
        wanted[kind] = (replace(request, predecessor=predecessors.get(kind)), [])
    return [
        StudyObject(kind, build_report(asked), tuple(names))
        for kind, (asked, names) in wanted.items()
    ]


def _kinds(peer: PeerSection) -> list[str]:
    """Kind of a destination's report; then the one it had before its series had other words."""
    usual = REPORT_KINDS["viewer" if peer.sr_profile == "none" else peer.sr_profile]
    called = variant(peer.series)
    return [f"{usual}{_VARIANT}{called}", usual] if called else [usual]
