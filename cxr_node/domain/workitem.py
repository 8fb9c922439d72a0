"""What a work item is searched by, and what comes of a request about one."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ups import UpsState


@dataclass(frozen=True, slots=True)
class WorkitemFacts:
    """The indexed part of a work item; ranks are 0 low, 1 medium, 2 high."""

    uid: Uid
    state: UpsState
    priority_rank: int
    study_uid: str
    patient_id: str


@dataclass(frozen=True, slots=True)
class WorkitemQuery:
    """Exact values of indexed columns; empty ones match everything."""

    uids: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    priority_ranks: tuple[int, ...] = ()
    study_uids: tuple[str, ...] = ()
    patient_id: str = ""
