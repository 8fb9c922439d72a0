"""The objects beside the report, all from one result: each kind is built once, by its module.

What a kind cannot be made from is no fault: a study that is not flagged has no key images,
one without boxes no presentation state, one without masks no segmentation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property

from pydicom import Dataset

from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.priority import is_flag
from cxr_node.domain.results import AnatomyMask, ResultKind
from cxr_node.reporting.encapsulated_pdf import encapsulated_pdf
from cxr_node.reporting.key_objects import key_objects
from cxr_node.reporting.measurement_report import ReportRequest, described
from cxr_node.reporting.page.content import page_content
from cxr_node.reporting.page.layout import lay_out
from cxr_node.reporting.page.marks import Page
from cxr_node.reporting.page.pdf import paint_pdf
from cxr_node.reporting.page.raster import paint
from cxr_node.reporting.presentation_state import presentation_states
from cxr_node.reporting.result_series import ResultSeries, ResultSource
from cxr_node.reporting.secondary_capture import secondary_capture
from cxr_node.reporting.segmentation import segmentations


def companions(
    request: ReportRequest,
    kinds: Collection[ResultKind],
    pictures: Sequence[PreparedImage] = (),
    masks: Sequence[AnatomyMask] = (),
) -> list[tuple[ResultKind, Dataset]]:
    """Build the wanted kinds, in the order of :class:`ResultKind`.

    ``pictures`` are those of the request's images that could be rendered; without one the
    page says so. Raises :class:`NotConformant` if the source names no study.
    """
    made = _Companions(request, tuple(pictures), tuple(masks))
    return [(kind, one) for kind in ResultKind if kind in kinds for one in made.of(kind)]


class _Companions:
    """One result on its way into several objects; the page is laid out once."""

    def __init__(
        self,
        request: ReportRequest,
        pictures: tuple[PreparedImage, ...],
        masks: tuple[AnatomyMask, ...],
    ) -> None:
        self._request = request
        self._pictures = pictures
        self._masks = masks

    def of(self, kind: ResultKind) -> list[Dataset]:
        series = self._series(kind)
        if kind is ResultKind.PAGE:
            return [secondary_capture(series, paint(self._page))]
        if kind is ResultKind.PDF:
            return [encapsulated_pdf(series, paint_pdf(self._page))]
        if kind is ResultKind.KEY_OBJECT:
            return [key_objects(series)] if is_flag(self._request.decision.priority) else []
        if kind is ResultKind.PRESENTATION_STATE:
            return presentation_states(series)
        return segmentations(series, self._masks)

    @cached_property
    def _page(self) -> Page:
        return lay_out(page_content(self._request, self._pictures))

    def _series(self, kind: ResultKind) -> ResultSeries:
        return ResultSeries(self._source, kind, described(self._request, kind.value))

    @cached_property
    def _source(self) -> ResultSource:
        return ResultSource(self._request)
