"""phantom-2: the words of reports and the answers of the eight stages against the truth."""

from __future__ import annotations

from typing import Any

import pytest

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.stages import (
    ACR_CATEGORIES,
    CHANGES,
    NEXT_STEPS,
    PROJECTIONS,
    QUALITY_DIMENSIONS,
    RELATIONS,
    TRENDS,
    StageKey,
)
from cxr_node.phantom.batched import wording
from cxr_node.phantom.batched.answers import paired_record, record
from cxr_node.phantom.batched.case import POSITIONS, make_case
from cxr_node.phantom.batched.make import Radiograph, pairs, radiographs
from cxr_node.phantom.batched.pairs import make_pair
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.tip_wording import tips
from cxr_node.reasoning.allowed import may_lie, may_relate
from cxr_node.reasoning.prose.mentions import mentions
from cxr_node.reasoning.prose.scope import Polarity

_AS = {Polarity.PRESENT: Presence.PRESENT, Polarity.ABSENT: Presence.ABSENT}


@pytest.fixture(scope="module")
def films() -> list[Radiograph]:
    return list(radiographs((make_case(seed) for seed in range(500, 620)), 96))


def test_reports_say_exactly_what_is_there(films: list[Radiograph]) -> None:
    for film in films:
        facts = film.facts
        for text in (film.findings_text, film.impression):
            named = [m for m in mentions(text) if not m.group]
            for m in named:
                said = _AS.get(m.polarity, Presence.UNCERTAIN)
                assert said is facts.presence[m.kind], (m.kind, text)
            present = {m.kind for m in named if m.polarity is Polarity.PRESENT}
            silent = {s.sign.kind for s in facts.signs if s.sign.kind} - present
            if text is film.impression:
                silent = {kind for kind in silent if not kind.is_device}
            assert silent == set(), text
            assert ("free air" in text.lower()) == bool(facts.others)


def test_reports_name_the_side(films: list[Radiograph]) -> None:
    for film in films:
        for m in mentions(film.findings_text):
            found = film.facts.sign(Sign(m.kind.value)) if m.kind.value in set(Sign) else None
            if m.polarity is Polarity.PRESENT and m.side and found and found.side:
                assert m.side is found.side, film.findings_text


def test_there_are_five_ways_to_say_everything() -> None:
    tables: list[tuple[str, ...]] = [
        *wording.PRESENT.values(),
        *(forms for _, forms in wording.ABSENT),
        *wording.CHANGES.values(),
        *wording.COURSES.values(),
        *(tips(sign, p) for sign, places in POSITIONS.items() for p in places),
        wording.UNCERTAIN_PNEUMONIA,
        wording.NORMAL_IMPRESSION,
        wording.DEVICES_ONLY,
        wording.LIMITS,
    ]
    assert set(wording.PRESENT) == set(Sign)
    assert all(len(set(forms)) >= 5 for forms in tables)


def test_answers_are_of_the_graph(films: list[Radiograph]) -> None:
    for film in films:
        stages = record(film)["stages"]
        assert list(stages) == [key.value for key in StageKey]
        view = stages["quality_view"]
        assert view["projection"] in PROJECTIONS and set(QUALITY_DIMENSIONS) <= view.keys()
        presence = stages["findings"]["presence"]
        assert set(presence) == {kind.value for kind in FindingKind}
        shown = [kind for kind, state in presence.items() if state == "present"]
        assert [k for k in stages["attributes_grounding"] if k != "anatomy"] == shown
        assert len(stages["relationships"]) == len(shown) * (len(shown) - 1) // 2
        assert stages["comparison"] is None
        assert (stages["future_trend"] is None) == (not film.facts.signs)


def test_answers_are_those_a_radiologist_may_give(films: list[Radiograph]) -> None:
    for film in films:
        for found in film.facts.kinds:
            assert may_lie(found.kind, found.seen_by.zone), found
        stages = record(film)["stages"]
        for row in stages["relationships"]:
            assert row["relation"] in RELATIONS
            pair = FindingKind(row["first"]), FindingKind(row["second"])
            assert may_relate(pair[0], row["relation"], pair[1])
        if stages["advice"]:
            assert stages["advice"]["category"] in ACR_CATEGORIES
            assert stages["advice"]["next_step"] in NEXT_STEPS
            assert stages["future_trend"]["course"] in TRENDS


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ((), None),
        ((Sign.FREE_AIR,), {"category": "1", "next_step": "urgent_clinical_review"}),
        ((Sign.LUNG_LESION,), {"category": "3", "next_step": "ct"}),
        ((Sign.PACEMAKER,), {"category": "none", "next_step": "none"}),
    ],
)
def test_advice_follows_its_rule(signs: tuple[Sign, ...], expected: Any) -> None:
    film = next(radiographs([make_case(3, signs=signs)], 96))
    assert record(film)["stages"]["advice"] == expected


def test_a_pair_answers_the_comparison() -> None:
    for films in pairs((make_pair(seed) for seed in range(12)), 96):
        line = paired_record(films)
        comparison = line["stages"]["comparison"]
        assert set(comparison["change"].values()) <= set(CHANGES)
        present = {k for k, v in line["stages"]["findings"]["presence"].items() if v == "present"}
        assert present <= comparison["change"].keys()
        assert line["prior"]["stages"]["comparison"] is None
