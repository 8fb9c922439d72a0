"""Every sentence that the reasoning says of a reading is worded in the language of its report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cxr_node.domain.findings import FindingKind, Presence, Reading, TraceSection
from cxr_node.reasoning import consistency, labels, no_finding
from cxr_node.reasoning.prose.terms import NamedTerms
from cxr_node.reporting.templates import load_templates
from tests.contradictions import LIES, Writer
from tests.readings import finding, sample_reading
from tests.report_prose import FIRST
from tests.report_prose_more import SECOND

GERMAN = load_templates(language="de").wording
ENGLISH = load_templates().wording
FIXED = [
    "3 of 40 answers were refused",
    "the box of edema lies outside the image and was dropped",
    "the box of the heart lies outside the image and was dropped",
    "the boxes of heart and thorax do not fit each other; no ratio is given",
    "only the 4 most probable findings are described",
    "only 6 pairs of findings are related to each other",
    "a correction was not used, its question was not asked: findings.presence/edema",
    "the reasoning lists pneumonia, which was not assessed",
    "the model sees a projection PA, the header says LATERAL",
    "pneumothorax: not comparable",
    "worsen: Expected to grow.",
]
"""As the walk and the assembly of a reading write them, apart from contradictions."""


def told() -> Iterator[str]:
    """Sentences from readings with every kind of contradiction in them."""
    for prose in (FIRST, SECOND):
        writer = Writer(11, prose)
        for lie in LIES.values():
            for _ in range(9):
                reading = lie(writer).reading
                terms = NamedTerms((FindingKind.FRACTURE,), ())
                yield from (c.words for c in consistency.contradictions(reading, terms))
                yield from reading.relations[:1]
    yield from _of_lists(sample_reading())


def _of_lists(reading: Reading) -> Iterator[str]:
    absent = tuple(finding(kind, 0.1) for kind in FindingKind)
    unknown = tuple(replace(f, presence=Presence.NOT_ASSESSED) for f in absent)
    lists = ("No Finding, Pneumonia", "Support Devices, Edema", "Fracture")
    for held in (reading.findings, absent, unknown):
        for listed in map(labels.read_labels, lists):
            weighed = labels.weigh(held, listed)
            yield from weighed.warnings
            yield from (c.words for c in weighed.contradictions)
    normal = replace(reading, abnormal=0.1)
    yield from (c.words for c in no_finding.weigh(normal, listed=True).contradictions)


def test_the_node_s_own_sentences_are_all_worded_in_german() -> None:
    said = set(told())
    assert len(said) > 150
    # What a model's own relation says is a text of the model.
    own = {text for text in said if text.endswith(".")}
    english = sorted(t for t in said - own if GERMAN.phrase(t) == t)
    assert english == []


@pytest.mark.parametrize("said", FIXED)
def test_so_are_its_notes(said: str) -> None:
    worded = GERMAN.phrase(said)
    assert worded != said
    assert not {"the", "answers", "lies", "only"} & set(worded.split())
    assert ENGLISH.phrase(said) == said


@pytest.mark.parametrize("section", list(TraceSection))
def test_every_part_of_a_trace_can_be_named(section: TraceSection) -> None:
    said = f"the reasoning on {section} denies pneumothorax, which is held present"
    assert GERMAN.phrase(said) == (
        f"die Begründung ({GERMAN.phrase(section)}): Pneumothorax verneint, gilt aber als vorhanden"
    )


@pytest.mark.parametrize(
    "said",
    [
        "the impression denies gout, which is held present",
        "someone denies pneumothorax, which is held present",
        "many of 40 answers were refused",
        "The heart is enlarged.",
    ],
)
def test_a_sentence_with_an_unknown_part_is_left_whole(said: str) -> None:
    assert GERMAN.phrase(said) == said
