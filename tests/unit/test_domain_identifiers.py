"""Identifiers are parsed once or refused; computed ones are stable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_node.domain.errors import MalformedUid, NotConformant
from cxr_node.domain.identifiers import AETitle, Uid, result_uid, work_key


@pytest.mark.parametrize("text", ["1.2", "0.0", "2.25.1", "1." * 31 + "23"])
def test_a_conformant_uid_is_kept(text: str) -> None:
    assert str(Uid(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.",
        ".1",
        "1..2",
        "1.02",
        "1.2\n",
        "../../etc/x",
        "C:\\x",
        "1.2\x00",
        "1.٣",
        "1." * 32 + "34",
    ],
)
def test_a_malformed_uid_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(MalformedUid) as refused:
        Uid(text)
    assert len(text) < 3 or text not in str(refused.value)


@given(st.text())
def test_whatever_is_accepted_is_digits_and_dots(text: str) -> None:
    try:
        uid = Uid(text)
    except MalformedUid:
        return
    assert set(uid.text) <= set("0123456789.")


@pytest.mark.parametrize("text", [" PACS ", "A", "X" * 16])
def test_blanks_round_an_ae_title_do_not_count(text: str) -> None:
    assert AETitle(text).text == text.strip()


@pytest.mark.parametrize("text", ["", "   ", "X" * 17, "A\\B", "A\nB", "Ä"])
def test_a_malformed_ae_title_is_refused(text: str) -> None:
    with pytest.raises(NotConformant):
        AETitle(text)


def test_a_result_uid_is_computed_from_what_it_names() -> None:
    assert result_uid("1.2.3", 1, "model") == result_uid("1.2.3", 1, "model")
    assert result_uid("1.2.3", 1, "model") != result_uid("1.2.3", 2, "model")


@given(
    st.lists(st.sampled_from("abcdef"), unique=True).flatmap(
        lambda found: st.tuples(st.just(found), st.permutations(found))
    )
)
def test_the_order_of_arrival_does_not_change_the_work(orders: tuple[list[str], list[str]]) -> None:
    study = Uid("1.2.3")
    keys = {work_key(study, list(order), "model", "1") for order in orders}
    assert len(keys) == 1


def test_another_image_or_model_is_other_work() -> None:
    study = Uid("1.2.3")
    keys = {
        work_key(study, ["a"], "m", "1"),
        work_key(study, ["a", "b"], "m", "1"),
        work_key(study, ["a"], "n", "1"),
        work_key(study, ["a"], "m", "2"),
        work_key(Uid("1.2.4"), ["a"], "m", "1"),
    }
    assert len(keys) == 5
