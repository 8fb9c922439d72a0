"""Text that enters an object: visible, bounded, and in the object's character set."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_node.reporting.text import clean_line, clean_name, in_repertoire, shorten

ANY = st.text(alphabet=st.characters(), max_size=300)
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


@given(ANY, st.integers(0, 200))
def test_a_line_is_one_line_of_visible_characters(text: str, limit: int) -> None:
    cleaned = clean_line(text, limit)
    assert len(cleaned) <= limit
    assert not HIDDEN & {unicodedata.category(c) for c in cleaned}
    assert cleaned == cleaned.strip()
    assert len(cleaned.splitlines()) <= 1


@given(ANY)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_line(text)
    assert clean_line(once) == once


def test_an_order_of_reading_cannot_be_turned_round() -> None:
    assert clean_line("no \u202eeffusion\u202c \u2066left\u2069") == "no effusion left"


def test_lines_that_pretend_to_be_headings_are_joined() -> None:
    assert clean_line("small effusion\r\nConclusion: normal") == "small effusion Conclusion: normal"


def test_a_name_holds_no_backslash() -> None:
    assert clean_name("a\\b" * 40) == clean_name("a/b" * 40)
    assert len(clean_name("x" * 100)) == 64


def test_what_was_cut_is_marked() -> None:
    assert shorten("pleural effusion", 10) == "pleural..."
    assert shorten("abc", 2) == ".."


@pytest.mark.parametrize(
    ("sets", "text", "carried"),
    [
        (("ISO_IR 192",), "größer ≥ 3 北", "größer ≥ 3 北"),
        (("ISO_IR 100",), "größer ≥ 3 北", "größer >= 3 ?"),
        (("ISO_IR 126",), "größer", "groesser"),
        ((), "größer – 5 µm", "groesser - 5 ?m"),
        (("", "ISO 2022 IR 87"), "naïve", "naive"),
        (("ISO_IR 999",), "naïve", "naive"),
    ],
)
def test_text_fits_the_character_set(sets: tuple[str, ...], text: str, carried: str) -> None:
    assert in_repertoire(text, sets) == carried


@given(ANY, st.sampled_from(["ISO_IR 100", "ISO_IR 101", "ISO_IR 144", "ISO_IR 166"]))
def test_text_in_a_repertoire_can_be_encoded(text: str, name: str) -> None:
    codecs = {"100": "iso8859_1", "101": "iso8859_2", "144": "iso8859_5", "166": "iso8859_11"}
    in_repertoire(text, (name,)).encode(codecs[name.split()[1]])
