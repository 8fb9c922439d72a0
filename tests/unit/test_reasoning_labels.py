"""Label lists are read strictly, and what is no label stays visible."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import DEVICES, FindingKind
from cxr_node.reasoning import labels
from cxr_node.reasoning.labels import LABELS, Listed, label_of, read_labels

noise = st.text() | st.lists(
    st.sampled_from([*LABELS, ",", ";", "\n", "- ", "1. ", "[", '"', "{", "```", "and", "."])
).map(" ".join)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Edema", ("Edema",)),
        ("support devices, EDEMA,edema , Edema.", ("Edema", "Support Devices")),
        ("Pleural  Effusion\nAtelectasis;", ("Atelectasis", "Pleural Effusion")),
        ("Pneumonia and lung_opacity", ("Lung Opacity", "Pneumonia")),
        ("1. Edema\n2) Fracture\n* Pneumonia\n• Cardiomegaly", None),
        ('["Edema", "No Finding"]', ("Edema", "No Finding")),
        ('{"labels": ["Edema, Pneumonia"]}', ("Edema", "Pneumonia")),
        ('```JSON\n["edema"]\n```', ("Edema",)),
        ("No Finding.", ("No Finding",)),
    ],
)
def test_lists_are_read_in_any_order_and_case(
    answer: str, expected: tuple[str, ...] | None
) -> None:
    wanted = expected or ("Cardiomegaly", "Edema", "Fracture", "Pneumonia")
    assert read_labels(answer) == Listed(wanted)


@pytest.mark.parametrize(
    ("answer", "known", "unknown"),
    [
        ("Edema, Zebra Sign", ("Edema",), ("Zebra Sign",)),
        ("No Pneumothorax", (), ("No Pneumothorax",)),
        ("Mild Edema", (), ("Mild Edema",)),
        ("no edema, hernia, HERNIA", (), ("no edema", "hernia", "HERNIA")),
        ("x" * 500, (), ("x" * 80,)),
        ("Normal\x07 chest", (), ("Normal chest",)),
    ],
)
def test_what_is_no_label_is_kept_apart(
    answer: str, known: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    assert read_labels(answer) == Listed(known, unknown)


@pytest.mark.parametrize(
    "answer",
    [
        *("", " , ;", "...", "[]", "{}", "[1]", '["Edema", null]', '{"a": 1}', '["Edema"'),
        *('{"a": ["Edema"], "b": ["Fracture"]}', '{"Edema": "present"}', "[" * 5000),
    ],
)
def test_a_list_that_holds_nothing_or_is_no_list_is_refused(answer: str) -> None:
    with pytest.raises(AnswerRefused):
        read_labels(answer)


@settings(max_examples=500, deadline=None)
@given(noise)
def test_any_text_is_a_list_that_reads_back_or_is_refused(answer: str) -> None:
    try:
        listed = read_labels(answer)
    except AnswerRefused:
        return
    assert set(listed.labels) <= LABELS.keys()
    assert read_labels(listed.words) == listed


def test_every_finding_has_one_label_and_no_finding_has_none() -> None:
    assert len(LABELS) == 14
    assert {label_of(kind) for kind in DEVICES} == {labels.SUPPORT_DEVICES}
    singles = [label_of(kind) for kind in FindingKind if kind not in DEVICES]
    assert len(singles) == len(set(singles)) == 12
    assert LABELS[labels.NO_FINDING] == frozenset()
