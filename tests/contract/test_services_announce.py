"""Notices: made durable with the event, delivered through the same outbox as everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_node.config import DeliverySection
from cxr_node.config_messaging import MessageDestination
from cxr_node.domain.amendment import Amendment, Person, PersonRole
from cxr_node.domain.delivery import Outcome, Parcel, Verdict
from cxr_node.domain.errors import LeaseLost
from cxr_node.domain.findings import FindingKind, Laterality, ReadingKind
from cxr_node.domain.notice import NoticeEvent
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.domain.study import StudyState
from cxr_node.messaging.notice_files import read_notice
from cxr_node.messaging.webhook import document
from cxr_node.services.announce import Announcer
from cxr_node.services.delivery import Delivery
from cxr_node.services.escalation import escalate_due
from cxr_node.services.publish import Publish
from cxr_node.store import studies
from cxr_node.store.schema import RevisionRow
from tests.publishing import STUDY, Station, station
from tests.readings import finding, sample_reading
from tests.reports import templates

__all__ = ["station"]
FLAG = PriorityDecision(Priority.STAT, "pneumothorax", "pneumothorax", "1")


def _announcer(station: Station, *told: MessageDestination) -> Announcer:
    return Announcer(
        db=station.db,
        spool=station.spool,
        clock=station.clock,
        templates=templates(),
        station_name="CXR-NODE",
        site_key="test site",
        told=told or (MessageDestination(name="hook"),),
    )


def _publish(
    station: Station, names: Sequence[str] = ("PACS",), *told: MessageDestination
) -> Publish:
    publisher = station.publish(names)
    publisher._announcer = _announcer(station, *told)
    return publisher


def _kinds(station: Station) -> list[str]:
    return [row.kind for row in station.objects()]


def test_a_report_is_told_together_with_its_objects(station: Station) -> None:
    revision = station.read_study()
    _publish(station).publish(station.claim())
    report, notice = station.objects()
    assert (report.kind, notice.kind) == ("sr", "notice-reported")
    assert station.deliveries() == [(report.id, "PACS", "waiting"), (notice.id, "hook", "waiting")]
    said = read_notice(Path(notice.path))
    assert said.uid.text == notice.sop_instance_uid
    assert said.study.study_uid.text == STUDY
    assert [one.sop_instance_uid.text for one in said.reports] == [report.sop_instance_uid]
    assert said.event is NoticeEvent.REPORTED
    present = [f.key for f in said.findings if f.present]
    assert present == [f.kind.value for f in sample_reading().present]
    assert station.state(revision) is StudyState.REPORTED


def test_an_escalation_is_told_to_those_who_want_it(station: Station) -> None:
    revision = station.read_study(raised=False)
    flag = replace(FLAG, acknowledge_minutes=30)
    with station.db.begin() as session:
        study_pk = session.get_one(RevisionRow, revision).study_pk
        studies.raise_priority(session, study_pk, revision, flag, "read", station.clock.now())
    wants = MessageDestination(name="pager", events=(NoticeEvent.ESCALATED,))
    announcer = _announcer(station, wants, MessageDestination(name="hook"))
    policy = templates().critical

    def escalate() -> int:
        return escalate_due(station.db, station.clock, policy, announcer, station.bell)

    assert escalate() == 0
    station.clock.advance(31 * 60)
    assert (escalate(), escalate()) == (1, 0)
    station.clock.advance(15 * 60)
    assert escalate() == 1
    notices = station.objects()
    assert [row.kind for row in notices] == ["notice-escalated"] * 2
    assert station.deliveries() == [(row.id, "pager", "waiting") for row in notices]
    told = [read_notice(Path(row.path)) for row in notices]
    steps = [one.escalation for one in told]
    assert [(one.step, one.to) for one in steps if one] == [
        (number, step.to) for number, step in enumerate(policy.escalation[:2], 1)
    ]
    assert document(told[0], patient_data=False)["escalation"]["to"] == policy.escalation[0].to
    assert station.bell.rung == ["deliver"] * 2


def test_with_notices_alone_the_study_waits_for_them(station: Station) -> None:
    revision = station.read_study()
    _publish(station, ()).publish(station.claim())
    assert station.state(revision) is StudyState.REPORTED
    assert station.bell.rung == ["deliver"]

    class Hook:
        parcels: list[Parcel] = []  # noqa: RUF012 - one instance

        def send(self, parcel: Parcel) -> Outcome:
            self.parcels.append(parcel)
            return Outcome(Verdict.DONE, status=200)

    hook = Hook()
    delivery = Delivery(
        db=station.db,
        clock=station.clock,
        destinations={"hook": hook},
        spool=station.spool,
        limits=DeliverySection(),
    )
    assert delivery.work() == 1
    assert [read_notice(p.path).uid.text for p in hook.parcels] == [hook.parcels[0].uid]
    assert station.state(revision) is StudyState.DELIVERED


def test_nobody_is_told_what_nobody_asked_for(station: Station) -> None:
    station.read_study()
    only_flags = MessageDestination(name="hook", events=(NoticeEvent.FLAGGED,))
    _publish(station, ("PACS",), only_flags).publish(station.claim())
    assert _kinds(station) == ["sr"]


def test_a_lost_lease_tells_nobody(station: Station) -> None:
    station.read_study()
    stale = station.claim(lease_seconds=1)
    station.clock.advance(5)
    station.claim()
    with pytest.raises(LeaseLost):
        _publish(station).publish(stale)
    assert station.objects() == []


def test_a_flag_is_told_once_and_only_upwards(station: Station) -> None:
    revision = station.read_study(raised=False)
    reading = replace(sample_reading(), kind=ReadingKind.TRIAGE)
    announcer = _announcer(station)
    low = replace(FLAG, priority=Priority.ROUTINE)
    assert announcer.flag(revision, reading, low) is None
    flag = announcer.flag(revision, reading, FLAG)
    assert flag is not None
    assert (flag.notice.event, flag.notice.priority) == (NoticeEvent.FLAGGED, Priority.STAT)
    with station.db.begin() as session:
        study_pk = session.get_one(RevisionRow, revision).study_pk
        studies.raise_priority(session, study_pk, revision, FLAG, "triage", station.clock.now())
        announcer.record(session, revision, flag)
        announcer.record(session, revision, flag)
    assert _kinds(station) == ["notice-flagged"]
    assert len(station.deliveries()) == 1
    assert announcer.flag(revision, reading, FLAG) is None


def test_a_persons_word_has_no_probability_and_no_silent_priority(station: Station) -> None:
    person = Person("Smith^Ann", "Clinic", PersonRole.CONSULTANT)
    amendment = Amendment(
        1, (), person, "seen", station.clock.now(), verified=True, priority=Priority.ROUTINE
    )
    said = finding(FindingKind.EDEMA, 0.9, by_person=True, laterality=Laterality.LEFT)
    station.read_study(sample_reading(amendment=amendment, findings=(said,)))
    _publish(station).publish(station.claim())
    notice = read_notice(Path(station.objects()[-1].path))
    assert notice.event is NoticeEvent.CORRECTED
    assert notice.person is not None
    assert (notice.person.role, notice.person.verified) == ("consultant", True)
    assert notice.priority is Priority.ROUTINE
    assert [(f.probability, f.by_person) for f in notice.findings] == [(None, True)]
