"""A study waiting to be read and graded, whatever it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cxr_node.domain.ports import ImagePolicy
from cxr_node.evaluation.truth import StudyTruth
from cxr_node.reasoning.staged import Request

Opened = tuple[Request, StudyTruth]


@dataclass(frozen=True, slots=True)
class Item:
    """``open`` prepares the pictures for a model when the turn comes; not before.

    It may raise :class:`NotReadable` or :class:`NotConformant`; the study then counts as
    failed.
    """

    key: str
    groups: Mapping[str, str]
    open: Callable[[ImagePolicy], Opened]
