"""A trace is cut into the parts of a dictation without losing a word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import FindingKind, TraceSection
from cxr_node.reasoning.trace import segment, trace_parts

_S, _K = TraceSection, FindingKind
DICTATED = {
    _S.QUALITY: "This is a frontal projection with good inspiration.",
    _S.DEVICES: "An endotracheal tube ends 4 cm above the carina.",
    _S.AIRWAYS: "The trachea is midline.",
    _S.RIGHT_UPPER: "In the right lung, the upper lobe is clear.",
    _S.RIGHT_LOWER: "The right middle and lower lobes show a faint opacity.",
    _S.LEFT_UPPER: "The left upper lobe is aerated.",
    _S.LEFT_LOWER: "At the base of the left lung there is atelectasis.",
    _S.PLEURA: "The left costophrenic angle is blunted by a small pleural effusion.",
    _S.MEDIASTINUM: "The mediastinum is not widened.",
    _S.HILA: "Both hila and the vasculature look normal.",
    _S.HEART: "The heart is enlarged; the ratio is > 0.5.",
    _S.ABDOMEN: "There is no free air under the diaphragm.",
    _S.BONES: "No rib fracture is seen.",
    _S.SUMMARY: "Overall, cardiomegaly with an effusion, and pneumonia cannot be excluded.",
}
NAMED = {
    _S.DEVICES: (_K.ENDOTRACHEAL_TUBE,),
    _S.RIGHT_LOWER: (_K.LUNG_OPACITY,),
    _S.LEFT_LOWER: (_K.ATELECTASIS,),
    _S.PLEURA: (_K.PLEURAL_EFFUSION,),
    _S.BONES: (_K.FRACTURE,),
    _S.SUMMARY: (_K.CARDIOMEGALY, _K.PLEURAL_EFFUSION, _K.PNEUMONIA),
}


def test_a_whole_dictation_has_fourteen_parts() -> None:
    parts = segment(" ".join(DICTATED.values()))
    assert [p.section for p in parts] == list(TraceSection)
    assert {p.section: p.text for p in parts} == DICTATED
    for section, named in NAMED.items():
        assert next(p for p in parts if p.section is section).findings == named


@pytest.mark.parametrize("missing", [s for s in TraceSection if s is not _S.SUMMARY])
def test_a_missing_section_is_simply_missing(missing: TraceSection) -> None:
    left = {section: text for section, text in DICTATED.items() if section is not missing}
    assert {p.section: p.text for p in segment("\n".join(left.values()))} == left


def test_order_does_not_matter_before_the_summary() -> None:
    *body, last = DICTATED.values()
    shuffled = segment(" ".join([*reversed(body), last]))
    assert {p.section: p.text for p in shuffled} == DICTATED


def test_a_sentence_without_a_structure_stays_with_the_one_before() -> None:
    [airways, heart] = segment("Now look. The trachea is midline. Good. The heart is normal.")
    assert (airways.section, airways.text) == (
        _S.AIRWAYS,
        "Now look. The trachea is midline. Good.",
    )
    assert heart.section is _S.HEART


def test_a_side_decides_between_the_lungs() -> None:
    for text, section in {
        "The right upper quadrant shows bowel.": _S.ABDOMEN,
        "The lower lobe of the left lung is clear.": _S.LEFT_LOWER,
        "The right lung apex is clear.": _S.RIGHT_UPPER,
    }.items():
        assert [p.section for p in segment(text)] == [section], text


def test_thoughts_without_any_structure_are_a_summary() -> None:
    assert [p.section for p in segment("Nothing to say.")] == [_S.SUMMARY]
    assert segment("  ") == ()


def test_only_whole_tags_give_parts() -> None:
    [part] = trace_parts("<thinking>The heart is normal.</thinking><answer>No Finding</answer>")
    assert part.text == "The heart is normal."
    with pytest.raises(AnswerRefused):
        trace_parts("<think>The heart is normal.<answer>No Finding</answer>")


WORDS = ["heart", "Left", "lower", "lobe", "tube", "Overall", "is", ".", "\n", ";", "Clear", "rib"]


@settings(max_examples=500, deadline=None)
@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_no_word_is_lost(thoughts: str) -> None:
    parts = segment(thoughts)
    said = sorted(word for part in parts for word in part.text.split())
    assert said == sorted(thoughts.split())
    assert len({part.section for part in parts}) == len(parts)


def test_a_long_trace_without_sentences_is_cut_in_no_time() -> None:
    [part] = segment("right upper " * 2000)
    assert re.fullmatch(r"(right upper ?)+", part.text)
