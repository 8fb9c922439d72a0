"""Prometheus metrics, computed from the database at each scrape.

So they survive a restart, and every process that serves the page says the same. No
label holds anything of a study or a patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, Double, and_, case, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.functions import FunctionElement

import cxr_node
from cxr_node.domain.eligibility import Reason
from cxr_node.domain.milestones import Milestone
from cxr_node.store import canary, critical, worklist
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import (
    DeliveryRow,
    InstanceRow,
    MilestoneRow,
    QuarantineRow,
    RevisionRow,
    StudyRow,
)

_BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


class _SecondsBetween(FunctionElement[float]):
    """Seconds from the first time to the second, on either database."""

    type = Double()
    inherit_cache = True


@compiles(_SecondsBetween, "postgresql")
def _postgresql(element: Any, compiler: Any, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"EXTRACT(EPOCH FROM ({end} - {start}))"


@compiles(_SecondsBetween, "sqlite")
def _sqlite(element: Any, compiler: Any, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"((julianday({end}) - julianday({start})) * 86400.0)"


def exposition(session: Session) -> bytes:
    """Everything there is to scrape, as text."""
    registry = CollectorRegistry()
    registry.register(_Families([*_gauges(session), *_counters(session), *_spans(session)]))
    return generate_latest(registry)


class _Families(Collector):
    """Metric families that are already complete."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _gauges(session: Session) -> Iterator[Metric]:
    yield InfoMetricFamily(
        "cxr_node_build", "Version of the node", value={"version": cxr_node.__version__}
    )
    yield _labelled(
        "cxr_node_studies", "Studies by the state a person sees", "state", worklist.counts(session)
    )
    yield _labelled(
        "cxr_node_queue_depth", "Work waiting by kind", "kind", worklist.queue_depth(session)
    )
    yield _labelled(
        "cxr_node_critical_results",
        "Time-critical flags that nobody has acknowledged",
        "state",
        critical.unacknowledged(session),
    )
    yield _labelled("cxr_node_canary_runs", "Canary runs by state", "state", canary.counts(session))
    yield GaugeMetricFamily(
        "cxr_node_canary_alarm",
        "1 when the last canary run drifted or got no answer",
        value=float(bool(canary.alarm(session))),
    )
    by_state = dict.fromkeys((state.value for state in DeliveryState), 0)
    by_state.update(_counted(session, DeliveryRow.state))
    yield _labelled("cxr_node_deliveries", "Deliveries by state", "state", by_state)


def _labelled(name: str, words: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _counted(session: Session, column: Any) -> dict[str, int]:
    statement = select(column, func.count()).group_by(column)
    return {str(key): int(number) for key, number in session.execute(statement)}


def _counters(session: Session) -> Iterator[Metric]:
    received, duplicates, conflicts = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(InstanceRow.duplicates), 0),
            func.coalesce(func.sum(InstanceRow.conflicts), 0),
        ).select_from(InstanceRow)
    ).one()
    yield CounterMetricFamily(
        "cxr_node_instances_received", "Instances that are kept", value=received
    )
    yield CounterMetricFamily(
        "cxr_node_instances_duplicate", "Instances that came again, unchanged", value=duplicates
    )
    yield CounterMetricFamily(
        "cxr_node_instances_conflicting", "Instances that came again, changed", value=conflicts
    )
    refused = CounterMetricFamily(
        "cxr_node_instances_refused", "Instances that were not accepted", labels=["reason"]
    )
    for reason, number in sorted(_counted(session, QuarantineRow.reason).items()):
        if reason != Reason.CONFLICTING_INSTANCE:
            refused.add_metric([reason], number)
    yield refused


def _spans(session: Session) -> Iterator[Metric]:
    last, reported = aliased(MilestoneRow), aliased(MilestoneRow)
    spans = (
        select(_SecondsBetween(last.at, reported.at).label("seconds"))
        .join(reported, last.revision_pk == reported.revision_pk)
        .where(last.name == Milestone.LAST_IMAGE.value, reported.name == Milestone.REPORTED.value)
    )
    yield _histogram(
        session,
        "cxr_node_last_image_to_report_seconds",
        "From the last image of a revision to its report",
        spans.subquery().c.seconds,
    )
    # A study is flagged once, so only the revision that was newest then is measured.
    flags = (
        select(_SecondsBetween(last.at, StudyRow.flagged_at).label("seconds"))
        .join(RevisionRow, RevisionRow.id == last.revision_pk)
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .where(
            and_(
                last.name == Milestone.LAST_IMAGE.value,
                RevisionRow.number == 1,
                StudyRow.flagged_at.is_not(None),
            )
        )
    )
    yield _histogram(
        session,
        "cxr_node_last_image_to_flag_seconds",
        "From the last image of a study's first revision to its flag; a flag that came "
        "before the last image counts as 0",
        flags.subquery().c.seconds,
    )


def _histogram(session: Session, name: str, words: str, seconds: ColumnElement[float]) -> Metric:
    span = case((seconds < 0, 0.0), else_=seconds)
    within = [func.coalesce(func.sum(case((span <= edge, 1), else_=0)), 0) for edge in _BUCKETS]
    statement = select(func.count(seconds), func.coalesce(func.sum(span), 0.0), *within)
    count, total, *filled = session.execute(statement).one()
    edges = [str(edge) for edge in _BUCKETS]
    buckets = [*zip(edges, filled, strict=True), ("+Inf", count)]
    family = HistogramMetricFamily(name, words)
    family.add_metric([], buckets=buckets, sum_value=float(total))
    return family
