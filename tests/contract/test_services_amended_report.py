"""The report of an amended reading: a new object that names the old one and the person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from cxr_node.domain.amendment import Person, PersonRole
from cxr_node.domain.assessment import AssessmentVerdict, Opinion
from cxr_node.domain.findings import FindingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.reasoning.given import parsed
from cxr_node.reasoning.open_model import read_facts
from cxr_node.services.amend import Amendments, AmendmentWish
from cxr_node.services.verification import verify_study
from cxr_node.spool.files import sha256_of
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import DeliveryRow, ResultObjectRow, RevisionRow
from tests.builders import radiograph
from tests.reports import coded, items_below, text_of
from tests.validators import dciodvfy
from tests.whole_node import WholeNode, configuration, script

ANSWERS = {"overall": "abnormal", "presence/pneumothorax": 0.97, "side": "left"}
READER = Person("Müller^Ruth^^Dr", "Klinik für Radiologie", PersonRole.CONSULTANT)
ABSENT = parsed("findings.presence/pneumothorax=absent")
EFFUSION = parsed("findings.presence/pleural_effusion=present")
PROJECTION = parsed("quality_view.projection=AP")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WholeNode]:
    model = script(tmp_path / "model.script.json", answers=ANSWERS)
    made = WholeNode(configuration(tmp_path / "node", model))
    yield made
    made.stop()


def desk(node: WholeNode) -> Amendments:
    inner = node.node
    return Amendments(
        db=inner.db,
        clock=node.clock,
        bell=node.bell,
        templates=inner.templates,
        model=lambda: inner.identity,
    )


def amended(node: WholeNode, study: str, wish: AmendmentWish) -> Dataset:
    """Take the correction, read on, publish; the newest report."""
    node.clock.advance(3600)
    desk(node).amend(Uid(study), wish)
    node.stations.read()
    node.publish()
    return dcmread(node.rows(ResultObjectRow)[-1]["path"])


def test_a_verified_amendment(node: WholeNode) -> None:
    study = node.read(radiograph())
    node.publish()
    (first,) = node.rows(ResultObjectRow)
    before = Path(first["path"]).read_bytes()
    old = dcmread(first["path"])
    opinion = Opinion(FindingKind.CARDIOMEGALY, AssessmentVerdict.SUPPLEMENTED, "also congestion")
    desk(node).assess(Uid(study), [opinion], READER)
    new = amended(
        node, study, AmendmentWish(READER, "skin fold", (ABSENT, EFFUSION), verified=True)
    )

    # The earlier object is byte for byte what it was.
    assert Path(first["path"]).read_bytes() == before
    assert sha256_of(Path(first["path"])) == first["sha256"]
    assert (old.VerificationFlag, "PredecessorDocumentsSequence" in old) == ("UNVERIFIED", False)

    (predecessor,) = new.PredecessorDocumentsSequence
    (series,) = predecessor.ReferencedSeriesSequence
    (named,) = series.ReferencedSOPSequence
    assert named.ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert series.SeriesInstanceUID == old.SeriesInstanceUID
    assert (new.CompletionFlag, new.VerificationFlag) == ("COMPLETE", "VERIFIED")
    assert new.PreliminaryFlag == "FINAL"
    (observer,) = new.VerifyingObserverSequence
    assert observer.VerifyingObserverName == "Müller^Ruth^^Dr"
    assert observer.VerifyingOrganization == "Klinik für Radiologie"
    assert str(observer.VerificationDateTime).startswith("20260101")
    assert new.StudyInstanceUID == old.StudyInstanceUID
    assert new.SeriesInstanceUID != old.SeriesInstanceUID
    assert new.SOPInstanceUID != old.SOPInstanceUID

    # The person is an observer beside the device.
    assert [coded(i) for i in items_below(new, "Observer Type")] == ["Person", "Device"]
    (name,) = items_below(new, "Person Observer Name")
    assert name.PersonName == "Müller^Ruth^^Dr"
    told = [i.TextValue for i in items_below(new, "Amendment by a person")]
    assert told[0].startswith("Amended by Dr Ruth Müller (consultant, Klinik für Radiologie)")
    assert told[0].endswith(": skin fold")
    assert told[1:] == [
        "Corrected by a person, findings.presence/pneumothorax: absent",
        "Corrected by a person, findings.presence/pleural_effusion: present",
    ]
    conclusion = text_of(new, "Conclusion")
    assert re.match(
        r"Verified on 2026-01-01 \d\d:\d\d UTC by Dr Ruth Müller, Klinik für Radiologie\.",
        conclusion,
    )
    assert "unverified" not in conclusion
    assert "pleural effusion" in conclusion and "(stated by a person)" in conclusion
    verdicts = items_below(new, "Assessment of an AI result")
    assert [(coded(v), coded(v.ContentSequence[0])) for v in verdicts] == [
        ("Supplemented", "Cardiomegaly"),
        ("Rejected", "Pleural effusion"),
        ("Rejected", "Pneumothorax"),
    ]
    assert verdicts[0].ContentSequence[2].TextValue == "also congestion"


@pytest.mark.peers
def test_a_validator_finds_no_error_in_it(node: WholeNode) -> None:
    study = node.read(radiograph())
    node.publish()
    opinion = Opinion(FindingKind.CARDIOMEGALY, AssessmentVerdict.SUPPLEMENTED, "also congestion")
    desk(node).assess(Uid(study), [opinion], READER)
    for corrections, verified in (((ABSENT, EFFUSION), True), ((PROJECTION,), False)):
        amended(node, study, AmendmentWish(READER, "fold", corrections, verified=verified))
        errors, _ = dciodvfy(Path(node.rows(ResultObjectRow)[-1]["path"]))
        assert errors == []


def test_an_amendment_that_nobody_verified(node: WholeNode) -> None:
    study = node.read(radiograph())
    node.publish()
    technologist = Person("Tech^Tom", "Hospital", PersonRole.TECHNOLOGIST)
    new = amended(node, study, AmendmentWish(technologist, "rotated", (ABSENT,)))
    assert (new.VerificationFlag, new.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert "VerifyingObserverSequence" not in new
    assert new.SeriesDescription == "AI READING AMENDED"
    assert "not verified as a whole" in text_of(new, "Conclusion")


def test_every_destination_gets_the_new_report_once(node: WholeNode) -> None:
    study = node.read(radiograph())
    node.publish()
    amended(node, study, AmendmentWish(READER, "skin fold", (ABSENT,)))
    node.publish()
    assert [row["state"] for row in node.rows(DeliveryRow)] == [DeliveryState.WAITING] * 2
    assert len({row["object_pk"] for row in node.rows(DeliveryRow)}) == 2
    assert [row["state"] for row in node.rows(RevisionRow)] == ["superseded", "reported"]


def test_an_amended_one_is_amended_and_each_names_the_one_before(node: WholeNode) -> None:
    study = node.read(radiograph())
    node.publish()
    amended(node, study, AmendmentWish(READER, "skin fold", (ABSENT,)))
    last = amended(node, study, AmendmentWish(READER, "effusion", (EFFUSION,), verified=True))
    uids = [row["sop_instance_uid"] for row in node.rows(ResultObjectRow)]
    assert [row["predecessor_uid"] for row in node.rows(ResultObjectRow)] == ["", *uids[:2]]
    told = [i.TextValue for i in items_below(last, "Amendment by a person")]
    assert told[1:] == [
        "Corrected by a person, findings.presence/pleural_effusion: present",
        "Corrected by a person in an earlier amendment, findings.presence/pneumothorax: absent",
    ]


def test_an_amended_run_can_still_be_made_again(node: WholeNode) -> None:
    study = node.read(radiograph())
    node.publish()
    unused = parsed("attributes_grounding.side/edema=left")
    amended(node, study, AmendmentWish(READER, "skin fold", (ABSENT, EFFUSION, unused)))
    facts = read_facts(node.node.config.model.path)
    (verdict,) = verify_study(node.node.db, node.node.images, facts, Uid(study))
    assert verdict.identical, verdict.words


def test_a_late_copy_of_what_is_there_joins_the_amended_revision(node: WholeNode) -> None:
    image = radiograph()
    study = node.read(image)
    node.publish()
    amended(node, study, AmendmentWish(READER, "skin fold", (ABSENT,)))
    node.read(image)
    assert [row["state"] for row in node.rows(RevisionRow)] == ["superseded", "reported"]
