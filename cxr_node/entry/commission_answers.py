"""Waits for the phantoms' results and gathers what the node says of each."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from rich.console import Console
from rich.live import Live

from cxr_node.config import Configuration
from cxr_node.dicom.calling import tls_arguments
from cxr_node.dicom.worklist_scu import find_priorities
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState
from cxr_node.entry.commission_results import Results, reports_of
from cxr_node.entry.commission_sending import receiver
from cxr_node.entry.http_client import NodePage
from cxr_node.evaluation.commission.studies import Asked, PhantomStudy, StudyAnswer
from cxr_node.reporting.codes import Codes
from cxr_node.store.outbox import DeliveryState
from cxr_node.web.documents import StudyDocument, WorklistItem

_SHOWN_EVERY_SECONDS = 0.5
_SETTLED = frozenset({StudyState.DELIVERED, StudyState.NOT_ELIGIBLE, StudyState.PARKED})
_NO_DESTINATION = "no peer receives results: set receives_results on a [[peer]]"


def look_at(page: NodePage) -> None:
    """Raises :class:`CxrNodeError`, with what to do, unless the node runs and is ready."""
    broken = page.first_broken()
    if broken is None:
        return
    if broken.startswith("page"):
        raise CxrNodeError(
            f"the node does not answer at {page.url} ({broken}): start `cxr-node up` with this "
            "configuration, and run this beside it"
        )
    raise CxrNodeError(f"the node runs but is not ready: {broken}; see `cxr-node doctor`")


def wait(page: NodePage, study_uids: Collection[str], seconds: float, console: Console) -> None:
    """Until every study came to an end or the time is over; the grade tells them apart."""
    deadline = time.monotonic() + seconds
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            over = time.monotonic() > deadline
            try:
                done = sum(settled(i) for i in page.studies() if i.study_uid in study_uids)
            except CxrNodeError:
                if over:
                    raise
                live.update("waiting: the node does not answer at the moment")
            else:
                live.update(f"waiting: {done} of {len(study_uids)} studies are finished")
                if done == len(study_uids) or over:
                    return
            time.sleep(_SHOWN_EVERY_SECONDS)


def settled(item: WorklistItem) -> bool:
    """Whether nothing more will come of it by itself; reported, with nobody to send it to."""
    alone = item.state is StudyState.REPORTED and not item.deliveries
    return alone or item.state in _SETTLED


class Gathering:
    """Puts together page, worklist query and results of each study."""

    def __init__(
        self, config: Configuration, page: NodePage, results: Results, codes: Codes
    ) -> None:
        self._page = page
        self._results = results
        self._codes = codes
        itself = receiver(config, "")
        self._listed: Mapping[str, Priority] = find_priorities(
            itself.host,
            itself.port,
            calling_ae=itself.ae_title,
            called_ae=itself.ae_title,
            tls=tls_arguments(itself, config.tls),
        )
        self._places = {uid: number for number, uid in enumerate(self._listed)}

    def of(self, studies: Sequence[PhantomStudy], refused: Mapping[str, str]) -> Iterator[Asked]:
        """Every study with its answer; ``refused`` by study, what was said at the door."""
        for study in studies:
            document = self._page.study(study.study_uid)
            if document is None:
                door = refused.get(study.study_uid, "")
                yield Asked(study, StudyAnswer(None, refused=door))
            else:
                yield Asked(study, self._answer(document, refused.get(study.study_uid, "")))

    def _answer(self, document: StudyDocument, door: str) -> StudyAnswer:
        item = document.study
        reports, faults = reports_of(self._results, item.study_uid, self._codes)
        newest = max(document.revisions, key=lambda revision: revision.number)
        return StudyAnswer(
            state=item.state,
            words=item.words,
            reason=newest.reason if item.state is StudyState.NOT_ELIGIBLE else "",
            priority=item.priority,
            findings=tuple(item.findings),
            last_image_at=item.last_image_at,
            flagged_at=item.flagged_at,
            reported_at=item.reported_at,
            undelivered=tuple(_undelivered(item)),
            reports=reports,
            unreadable=faults,
            refused=door,
            listed=self._listed.get(item.study_uid),
            place=self._places.get(item.study_uid),
        )


def _undelivered(item: WorklistItem) -> Iterator[str]:
    """A destination may decline what stands beside the report, as long as it has the report."""
    if not item.deliveries:
        yield _NO_DESTINATION
    reached = {d.destination for d in item.deliveries if d.state == DeliveryState.SENT}
    for delivery in item.deliveries:
        beside = delivery.state == DeliveryState.DECLINED and delivery.destination in reached
        if delivery.state != DeliveryState.SENT and not beside:
            yield f"{delivery.destination}: {delivery.state} {delivery.last_error}".strip()
