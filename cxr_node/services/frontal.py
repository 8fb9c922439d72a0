"""Frontal images of a study, best first, and the picture of the first that can be decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import NotReadable
from cxr_node.domain.findings import ImageReference
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import View
from cxr_node.domain.ports import ImagePolicy, ImageReader, PreparedImage
from cxr_node.store.schema import InstanceRow

_VIEW_ORDER = (View.PA, View.AP, View.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An eligible frontal image, ready to be decoded."""

    instance_pk: int
    path: Path
    reference: ImageReference


def candidates(rows: Sequence[InstanceRow]) -> tuple[Candidate, ...]:
    """Eligible frontal images, PA before AP before unstated, in order of arrival.

    Those whose bytes retention took away are left out: they can be compared with no more.
    """
    here = [row for row in rows if row.removed_at is None]
    eligible = [row for row in here if not row.reason and View(row.view) in _VIEW_ORDER]
    eligible.sort(key=lambda row: (_VIEW_ORDER.index(View(row.view)), row.id))
    return tuple(Candidate(row.id, Path(row.path), _reference(row)) for row in eligible)


def unread_reason(rows: Sequence[InstanceRow]) -> str:
    """Why no image is left to be read: what was found of the frontal ones, else the view.

    The quick look may have found it while the full reading was already queued.
    """
    found = (row.reason for row in rows if row.reason and View(row.view) in _VIEW_ORDER)
    return next(found, Reason.VIEW.value)


def _reference(row: InstanceRow) -> ImageReference:
    return ImageReference(
        Uid(row.sop_instance_uid),
        Uid(row.sop_class_uid),
        Uid(row.series_uid),
        row.rows or 0,
        row.columns or 0,
        row.view,
    )


def first_picture(
    choice: Sequence[Candidate],
    images: ImageReader,
    policy: ImagePolicy,
    unreadable: Callable[[Candidate, NotReadable], None],
    otherwise: str = Reason.VIEW.value,
) -> tuple[Candidate, PreparedImage]:
    """The first candidate that can be decoded; ``unreadable`` hears of those before it.

    Raises the last :class:`NotReadable` when none can, for ``otherwise`` where there is none.
    """
    refusal = NotReadable(otherwise)
    for candidate in choice:
        try:
            image = images.prepare(candidate.path, candidate.reference.sop_instance_uid, policy)
        except NotReadable as error:
            refusal = error
            unreadable(candidate, error)
        else:
            return candidate, image
    raise refusal
