"""What was read is what another reads in the report: whatever the reading, in every shape."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxr_node.config import SrProfile
from cxr_node.domain.findings import (
    Advice,
    CardiothoracicRatio,
    DevicePosition,
    Finding,
    FindingKind,
    Laterality,
    Presence,
    PriorStudy,
    Reading,
    Severity,
    Zone,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.stages import CHANGES, NEXT_STEPS, RELATIONS, StageKey
from cxr_node.reporting.measurement_report import ReportRequest, build_report
from cxr_node.reporting.object_file import encode
from cxr_node.reporting.text import clean_line
from tests.read_back import Document, Reader, Told
from tests.readings import box, finding, sample_image, sample_reading, turn
from tests.reports import request, source_file, templates

EXAMPLES = 500
COLUMNS, ROWS = 400, 512
READER = Reader(templates())
PRIOR = PriorStudy(
    Uid("1.2.3.4"), sample_image(sop_instance_uid=Uid("1.2.3.4.1.1"), series_uid=Uid("1.2.3.4.1"))
)

quarters = st.integers(0, 4 * COLUMNS).map(lambda n: n / 4)
corners = st.tuples(quarters, quarters, quarters, quarters)
boxes = corners.filter(lambda c: abs(c[0] - c[2]) > 1 and abs(c[1] - c[3]) > 1)


def choice(values: type | tuple[str, ...]) -> st.SearchStrategy[object]:
    """One of the values, or none of them."""
    return st.sampled_from([None, *values])  # type: ignore[misc]


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """A finding as stages 2 and 3 leave it."""
    kind = draw(st.sampled_from(FindingKind))
    presence = draw(st.sampled_from(Presence))
    sure = draw(st.integers(0, 1000)) / 1000
    plain = finding(kind, None if presence is Presence.NOT_ASSESSED else sure)
    if presence is not Presence.PRESENT:
        return replace(plain, presence=presence)
    drawn = draw(st.none() | boxes)
    return replace(
        plain,
        presence=presence,
        probability=draw(st.sampled_from([sure, None])),
        laterality=draw(choice(Laterality)) if kind.has_side else None,
        zone=draw(choice(Zone)),
        severity=None if kind.is_device else draw(choice(Severity)),
        position=draw(choice(DevicePosition)) if kind.is_device else None,
        box=box(*drawn) if drawn else None,
    )


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """A reading with up to four findings, and what was said of them."""
    found = draw(st.lists(findings(), max_size=4, unique_by=lambda f: f.kind))
    present = [f.kind.value for f in found if f.present]
    changes = {kind: draw(choice(CHANGES)) for kind in present}
    turns = [turn(StageKey.COMPARISON, "change", str(v), k) for k, v in changes.items() if v]
    if len(present) > 1:
        relation = draw(st.sampled_from(RELATIONS))
        turns.append(turn(StageKey.RELATIONSHIPS, "relation", relation, "+".join(present[:2])))
    heart = draw(st.none() | boxes)
    ratio = heart and CardiothoracicRatio(0.5, heart=box(*heart), thorax=box(*heart))
    return sample_reading(
        findings=tuple(found),
        turns=tuple(turns),
        prior=draw(st.sampled_from([None, PRIOR])),
        ratio=ratio,
        advice=Advice(draw(st.sampled_from([None, 1, 2, 3])), draw(st.sampled_from(NEXT_STEPS))),
        impression=draw(st.text(max_size=40)),
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ReportRequest:
    """A request about the sample image."""
    return request(source_file(tmp_path_factory.mktemp("source")))


def expected(said: Finding, reading: Reading) -> Told:
    """What a reader must find of it, but for sites and tracking."""
    certainty = None
    if said.probability is not None and said.presence is not Presence.UNCERTAIN:
        certainty = round(100 * (said.probability if said.present else 1 - said.probability), 1)
    changes = {t.subject: t.answer for t in reading.turns if t.question == "change"}
    return Told(
        presence=said.presence.value,
        certainty=certainty,
        severity=said.severity and said.severity.value,
        position=said.position and said.position.value,
        change=changes.get(said.kind.value) if reading.prior else None,
        laterality=said.laterality and said.laterality.value,
    )


def check_finding(said: Finding, reading: Reading, document: Document) -> None:
    told, want = document.findings[said.kind], expected(said, reading)
    sites, outline = told.sites, told.outline
    assert replace(told, sites=set(), outline=None, tracking=set()) == want
    codes = templates().codes
    if said.zone:
        assert codes.zones[said.zone].value in sites
    elsewhere = {e.value for zone, e in codes.zones.items() if zone is not said.zone}
    usual = codes.sites[codes.findings[said.kind].site].value
    named = codes.zones[said.zone].value if said.zone else ""
    assert not (sites & elsewhere) - {usual, named}
    if said.box is None:
        assert outline is None
        return
    x0, x1 = sorted(min(x, COLUMNS) for x in (said.box.x0, said.box.x1))
    y0, y1 = sorted(min(y, ROWS) for y in (said.box.y0, said.box.y1))
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    assert outline is not None
    assert sum(outline, ()) == pytest.approx(sum(corners, ()), abs=1e-3)
    assert len(told.tracking) == 1


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    reading=readings(),
    profile=st.sampled_from(["viewer", "air", "ohif-native"]),
    sr_class=st.sampled_from(["comprehensive-3d", "comprehensive"]),
)
def test_a_report_says_what_was_read(
    plain: ReportRequest, reading: Reading, profile: SrProfile, sr_class: str
) -> None:
    asked = replace(plain, reading=reading, sr_profile=profile, sr_class=sr_class)  # type: ignore[arg-type]
    document = READER.read(encode(build_report(asked)))
    assessed = [f for f in reading.findings if f.presence is not Presence.NOT_ASSESSED]
    assert set(document.findings) == {f.kind for f in assessed}
    for said in assessed:
        check_finding(said, reading, document)
    concepts = templates().codes.concepts
    ratio = document.numbers.get(concepts.ratio.value)
    assert ratio == ((0.5, "{ratio}") if reading.ratio else None)
    assert clean_line(reading.impression) in document.texts[concepts.conclusion.value]
    check_relations(reading, document)


def check_relations(reading: Reading, document: Document) -> None:
    [said] = [t for t in reading.turns if t.question == "relation"] or [None]
    if said is None or said.answer == "none":
        assert document.relations == []
        return
    [(code, uids)] = document.relations
    assert code == templates().codes.relation[said.answer].value
    pair = [document.findings[FindingKind(kind)].tracking for kind in said.subject.split("+")]
    assert [uid in tracking for uid, tracking in zip(uids, pair, strict=True)] == [True, True]
