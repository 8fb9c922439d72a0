"""What every part of a report's tree is made from, and which finding stands where.

A finding with a box that can be drawn has measurement groups of its own. What becomes of
the others depends on the shape of the report (``sr_profile``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from cxr_node.config import SrProfile
from cxr_node.domain.findings import Box, Finding, FindingKind, ImageReference, Presence, Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.reporting import content_items as item
from cxr_node.reporting.codes import Codes
from cxr_node.reporting.narrative import tracking_name
from cxr_node.reporting.pixel_spacing import Spacing
from cxr_node.reporting.templates import Templates
from cxr_node.reporting.wording import Wording

TrackingUid = Callable[[Uid, str], Uid]
"""Computes the tracking UID from the image and the key of what is tracked on it."""

_OHIF = "Cornerstone3DTools@^0.1.0:RectangleROI:"
"""By this beginning of a Tracking Identifier OHIF takes a group for one of its own."""


@dataclass(frozen=True, slots=True)
class Boxed:
    """A finding held present, with the part of its box that lies inside its image."""

    finding: Finding
    box: Box
    image: ImageReference


@dataclass(frozen=True)
class ReportContext:
    """One reading on its way into one report."""

    reading: Reading
    templates: Templates
    profile: SrProfile
    tracking_uid: TrackingUid
    spacings: dict[Uid, Spacing]
    """Known size of a pixel, by image."""

    @property
    def codes(self) -> Codes:
        return self.templates.codes

    @property
    def wording(self) -> Wording:
        return self.templates.wording

    @cached_property
    def boxed(self) -> dict[FindingKind, Boxed]:
        """Findings whose box can be drawn, in the order of the reading."""
        found = {}
        for finding in self.reading.present:
            placed = None if finding.box is None else self.placed(finding.box)
            if placed is not None:
                found[finding.kind] = Boxed(finding, *placed)
        return found

    @property
    def whole_image(self) -> list[Finding]:
        """Assessed findings without a box that can be drawn: present, uncertain, absent."""
        order = (Presence.PRESENT, Presence.UNCERTAIN, Presence.ABSENT)
        return [
            finding
            for presence in order
            for finding in self.reading.findings
            if finding.presence is presence and finding.kind not in self.boxed
        ]

    @property
    def grouped(self) -> bool:
        """Whether findings of the whole image are measurement groups (IHE AIR); a viewer in
        wide use refuses a report with one group that has no coordinates."""
        return self.profile == "air"

    def placed(self, box: Box) -> tuple[Box, ImageReference] | None:
        """The part of a box inside its image; None if it cannot be drawn."""
        for image in self.reading.images:
            if image.sop_instance_uid == box.sop_instance_uid:
                inside = item.clipped(box, image)
                return None if inside is None else (inside, image)
        return None

    def tracking(
        self,
        finding: Finding,
        relation: item.Relation = "HAS OBS CONTEXT",
        *,
        native: bool = False,
    ) -> item.Items:
        """Tracking Identifier and UID, the same wherever the finding stands."""
        prefix = _OHIF if native else ""
        return item.tracking(prefix + self.name(finding), self.uid_of(finding.kind), relation)

    def uid_of(self, kind: FindingKind) -> Uid:
        """Tracking Unique Identifier of a finding, that of its box where it has one."""
        boxed = self.boxed.get(kind)
        image = boxed.image if boxed else self.reading.images[0]
        return self.tracking_uid(image.sop_instance_uid, kind.value)

    def name(self, finding: Finding) -> str:
        """The finding's Tracking Identifier, for example F1 effusion L."""
        present = self.reading.present
        if finding in present:
            return tracking_name(present.index(finding) + 1, finding, self.wording)
        markers = self.wording.markers
        template = markers.absent if finding.presence is Presence.ABSENT else markers.uncertain
        return template.format(finding=self.wording.short_findings[finding.kind])

    def tracked(self, kind: FindingKind) -> Uid | None:
        """UID of a finding; None for one that was not assessed."""
        for finding in self.reading.findings:
            if finding.kind is kind and finding.presence is not Presence.NOT_ASSESSED:
                return self.uid_of(kind)
        return None
