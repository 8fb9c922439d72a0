"""Which study of another archive is worth fetching."""

from __future__ import annotations

import pytest

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.prior_search import (
    FoundStudy,
    date_range,
    is_chest,
    same_person,
    worth_fetching,
)

JANE = PatientFacts("P1", "NORTH", "Doe^Jane", "19500101")
NOW = StudyFacts(Uid("1.2.9"), study_date="20260102", study_time="101500")


def study(number: int, date: str, time: str = "", *modalities: str) -> FoundStudy:
    facts = StudyFacts(Uid(f"1.2.{number}"), study_date=date, study_time=time)
    return FoundStudy(facts, JANE, modalities)


def test_the_newest_earlier_radiograph_comes_first() -> None:
    offered = [
        study(1, "20250101", "", "DX"),
        study(2, "20251231", "", "CT", "CR"),
        study(3, "20251231", "235900", "CT"),
        study(4, "20260102", "101400"),
        study(5, "20260102", "101500", "DX"),
        study(6, "20260103", "", "DX"),
        study(7, ""),
        study(9, "20250101", "", "DX"),
    ]
    found = worth_fetching(NOW, JANE, offered)
    assert [one.study.study_uid.text for one in found] == ["1.2.4", "1.2.2", "1.2.1"]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (PatientFacts("P1", "NORTH", "DOE^JANE^^DR", "19500101"), True),
        (PatientFacts("P1", "", "doe ^ jane", ""), True),
        (PatientFacts("P1"), True),
        (PatientFacts("P2", "NORTH", "Doe^Jane", "19500101"), False),
        (PatientFacts("", "NORTH", "Doe^Jane", "19500101"), False),
        (PatientFacts("P1", "SOUTH", "Doe^Jane", "19500101"), False),
        (PatientFacts("P1", "NORTH", "Doe^John", "19500101"), False),
        (PatientFacts("P1", "NORTH", "Roe^Jane", "19500101"), False),
        (PatientFacts("P1", "NORTH", "Doe^Jane", "19500102"), False),
        (PatientFacts("p1", "NORTH", "Doe^Jane", "19500101"), False),
    ],
)
def test_one_statement_against_it_is_enough(other: PatientFacts, same: bool) -> None:
    assert same_person(JANE, other) is same
    assert bool(worth_fetching(NOW, JANE, [FoundStudy(study(1, "20250101").study, other)])) is same


def test_without_an_id_nobody_is_the_same() -> None:
    nameless = PatientFacts("", "NORTH", "Doe^Jane", "19500101")
    assert not same_person(nameless, nameless)


@pytest.mark.parametrize(
    ("part", "words", "chest"),
    [
        ("CHEST", "", True),
        ("RIBCAGE", "hand", True),
        ("HAND", "Chest PA", False),
        ("", "Thorax p.-a.", True),
        ("", "Hand left", False),
        ("", " ", True),
    ],
)
def test_the_body_part_decides_and_descriptions_where_it_is_missing(
    part: str, words: str, chest: bool
) -> None:
    assert is_chest(part, words) is chest


@pytest.mark.parametrize("day", ["", "0001", "00010101", "2026.1.2", "yesterday"])
def test_without_a_date_there_is_nothing_to_look_for(day: str) -> None:
    assert date_range(day) is None
    assert date_range("20260102") == ("20160102", "20260102")
