"""What the demo shows: each study's way so far, and the table at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.table import Table

from cxr_node.domain.study import StudyState
from cxr_node.entry.demo_studies import Shipment
from cxr_node.entry.http_client import NodePage
from cxr_node.entry.tables import PRIORITY_STYLE
from cxr_node.web.documents import WorklistItem

_SETTLED = {
    StudyState.DELIVERED,
    StudyState.NOT_ELIGIBLE,
    StudyState.PARKED,
    StudyState.SUPERSEDED,
    StudyState.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where one shipment stands: what the node says, or why it was refused at the door."""

    shipment: Shipment
    item: WorklistItem | None
    refused: str
    reports: tuple[Path, ...]

    @property
    def settled(self) -> bool:
        return bool(self.refused) if self.item is None else self.item.state in _SETTLED

    @property
    def delivered(self) -> bool:
        """Delivered by the node's word and present in the PACS by our own look."""
        return (
            self.item is not None and self.item.state is StudyState.DELIVERED and bool(self.reports)
        )

    @property
    def as_expected(self) -> bool:
        """A readable study must be delivered; another must be declined with a reason."""
        if self.shipment.readable is True:
            return self.delivered
        declined = bool(self.refused) if self.item is None else self._not_eligible
        return declined if self.shipment.readable is False else declined or self.delivered

    @property
    def _not_eligible(self) -> bool:
        return self.item is not None and self.item.state is StudyState.NOT_ELIGIBLE

    @property
    def words(self) -> str:
        """Why it was declined or flagged."""
        if self.item is None:
            return self.refused or "not answered yet"
        return self.item.words


def collect(
    shipments: Sequence[Shipment], refusals: Mapping[Shipment, str], page: NodePage, pacs: Path
) -> list[Outcome]:
    """Ask the node and look into the PACS folder."""
    known = {item.study_uid: item for item in page.studies()}
    return [
        Outcome(
            shipment,
            known.get(shipment.study_uid),
            refusals.get(shipment, ""),
            tuple(sorted((pacs / shipment.study_uid).glob("SR-*.dcm")))
            if shipment.study_uid
            else (),
        )
        for shipment in shipments
    ]


def progress_table(outcomes: Sequence[Outcome]) -> Table:
    """One line per study while they run."""
    table = Table("study", "state", "priority")
    for outcome in outcomes:
        state = outcome.item.state.value if outcome.item else outcome.words
        priority = outcome.item.priority.value if outcome.item else ""
        table.add_row(outcome.shipment.name, state, priority)
    return table


def result_table(outcomes: Sequence[Outcome]) -> Table:
    """The end: findings, priority, and seconds from the last image to flag and to report."""
    table = Table("", "study", "view", "findings", "priority", "flag s", "report s", "outcome")
    for number, outcome in enumerate(outcomes, 1):
        item = outcome.item
        table.add_row(
            str(number),
            outcome.shipment.name,
            item.view if item else "",
            ", ".join(item.findings).replace("_", " ") if item else "",
            item.priority.value if item and outcome.delivered else "",
            _seconds(item.last_image_at, item.flagged_at) if item else "",
            _seconds(item.last_image_at, item.reported_at) if item else "",
            _ending(outcome),
            style=PRIORITY_STYLE.get(item.priority.value, "") if item else "",
        )
    return table


def report_lines(outcomes: Sequence[Outcome], folder: Path) -> Iterator[str]:
    """Where each Structured Report lies, by the table's numbers."""
    for number, outcome in enumerate(outcomes, 1):
        for path in outcome.reports:
            yield f"{number}  {path.relative_to(folder.parent)}"


def _ending(outcome: Outcome) -> str:
    if outcome.delivered:
        return "report delivered"
    if outcome.item is None:
        return f"refused: {outcome.words}"
    return f"{outcome.item.visible_state}: {outcome.words}"


def _seconds(start: datetime, end: datetime | None) -> str:
    """Seconds between; a flag raised before the last image arrived counts as 0."""
    return f"{max((end - start).total_seconds(), 0.0):.1f}" if end else "–"
