"""Reading radiology English: who is named, denied, doubted, and where."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.findings import FindingKind, Laterality, Severity, Zone
from cxr_node.reasoning.prose.mentions import mentions
from cxr_node.reasoning.prose.phrases import _phrase_key
from cxr_node.reasoning.prose.report_phrases import PHRASES
from cxr_node.reasoning.prose.terms import LEXICON

K = FindingKind
PRESENT, ABSENT, UNCERTAIN = "+", "-", "?"
_SIGNS = {"present": PRESENT, "absent": ABSENT, "uncertain": UNCERTAIN}


def said(text: str, kind: FindingKind | None = None) -> dict[FindingKind, str]:
    """Finding to the signs of all that ``text`` says of it, groups left out."""
    found: dict[FindingKind, str] = {}
    for m in mentions(text, kind):
        if not m.group:
            found[m.kind] = found.get(m.kind, "") + _SIGNS[m.polarity]
    return found


E, P, C, A, L = (
    K.PLEURAL_EFFUSION,
    K.PNEUMOTHORAX,
    K.CONSOLIDATION,
    K.ATELECTASIS,
    K.LUNG_OPACITY,
)
SENTENCES: list[tuple[str, dict[FindingKind, str]]] = [
    ("No pneumothorax, small left-sided pleural effusions.", {P: "-", E: "+"}),
    ("No consolidation, large effusion, or pneumothorax.", {C: "-", E: "-", P: "-"}),
    ("Neither consolidation nor effusion is seen.", {C: "-", E: "-"}),
    ("Cardiomegaly without overt edema.", {K.CARDIOMEGALY: "+", K.EDEMA: "-"}),
    ("No change in the right effusion.", {E: "+"}),
    ("No increase in the effusion.", {E: "+"}),
    ("No new consolidation.", {C: "?"}),
    ("There has been no clearing of the consolidation.", {C: "+"}),
    ("Pneumothorax cannot be excluded.", {P: "?"}),
    ("Cannot rule out pneumothorax.", {P: "?"}),
    ("Pneumothorax has been ruled out.", {P: "-"}),
    ("The pneumothorax is not seen.", {P: "-"}),
    ("The pneumothorax isn't seen.", {P: "-"}),
    ("The left pneumothorax has resolved.", {P: "-"}),
    ("The pneumothorax has nearly resolved.", {P: "?"}),
    ("Right pneumothorax, which has resolved.", {P: "-"}),
    ("The pneumothorax is expected to resolve.", {P: "+"}),
    ("Resolving left pneumothorax.", {P: "+"}),
    ("The chest tube has been removed.", {K.CHEST_TUBE: "-"}),
    ("Interval removal of the ET tube.", {K.ENDOTRACHEAL_TUBE: "-"}),
    ("Status post removal of the chest tube.", {K.CHEST_TUBE: "-"}),
    ("No pneumothorax after removal of the chest tube.", {P: "-", K.CHEST_TUBE: "-"}),
    ("Endotracheal tube in place without pneumothorax.", {K.ENDOTRACHEAL_TUBE: "+", P: "-"}),
    ("The tip of the NG tube is not seen.", {K.ENTERIC_TUBE: "+"}),
    ("ET tube tip is not visualized.", {K.ENDOTRACHEAL_TUBE: "+"}),
    ("Pneumothorax: none.", {P: "-"}),
    ("Pneumothorax? No.", {P: "-"}),
    ("?pneumothorax", {P: "?"}),
    ("Effusion - absent.", {E: "-"}),
    ("Not seen: effusion.", {E: "-"}),
    ("Pneumothorax and effusion are not seen.", {P: "-", E: "-"}),
    ("There is a right effusion and pneumothorax is not seen.", {E: "+", P: "-"}),
    ("No pneumothorax is identified, and there is a small effusion.", {P: "-", E: "+"}),
    ("There is no effusion, but consolidation persists.", {E: "-", C: "+"}),
    ("Opacity may represent atelectasis or pneumonia.", {L: "+", A: "?", K.PNEUMONIA: "?"}),
    ("Left basilar opacity, atelectasis versus pneumonia.", {L: "+", A: "?", K.PNEUMONIA: "?"}),
    ("Findings may represent pneumonia.", {K.PNEUMONIA: "?"}),
    ("Consistent with pneumonia.", {K.PNEUMONIA: "+"}),
    ("History of pneumonia.", {K.PNEUMONIA: "?"}),
    ("Indication: pneumonia.", {K.PNEUMONIA: "?"}),
    ("Differential includes pneumonia.", {K.PNEUMONIA: "?"}),
    ("Compared to the prior study, the effusion is larger.", {E: "+"}),
    ("Follow-up CT is recommended to exclude a lung mass.", {K.LUNG_LESION: "?"}),
    ("If pneumothorax develops, consider chest tube placement.", {P: "?", K.CHEST_TUBE: "?"}),
    ("Nothing to indicate effusion.", {E: "-"}),
    ("The workup of pneumonia continues.", {K.PNEUMONIA: "?"}),
    ("The heart is mildly enlarged.", {K.CARDIOMEGALY: "+"}),
    ("The cardiac silhouette is not enlarged.", {K.CARDIOMEGALY: "-"}),
    ("Enlargement of the cardiac silhouette.", {K.CARDIOMEGALY: "+"}),
    ("Widening of the mediastinum.", {K.ENLARGED_CARDIOMEDIASTINUM: "+"}),
    ("Pericardial effusion cannot be assessed.", {}),
    ("Mass effect on the trachea. No free air.", {}),
    ("Portable view. Low lung volumes.", {}),
    ("A healed rib fracture is noted.", {K.FRACTURE: "?"}),
    ("PTX on the L. RLL consolidation.", {P: "+", C: "+"}),
    ("No evidence\nof effusion.", {E: "-"}),
    ("No hydropneumothorax.", {}),
    ("Hydropneumothorax.", {P: "+", E: "+"}),
    ("1. Right effusion. 2. No pneumothorax", {E: "+", P: "-"}),
    ("R/o pneumonia.", {K.PNEUMONIA: "?"}),
    ("Effusion w/o consolidation", {E: "+", C: "-"}),
    ("Port-a-cath in place.", {K.PORT: "+"}),
    ("Right IJ central line; Dobhoff tube.", {K.CENTRAL_VENOUS_CATHETER: "+", K.ENTERIC_TUBE: "+"}),
]


@pytest.mark.parametrize(("text", "expected"), SENTENCES, ids=[s[0] for s in SENTENCES])
def test_what_a_sentence_says(text: str, expected: dict[FindingKind, str]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Clear lungs.", {C, A, L, K.PNEUMONIA, K.EDEMA, K.LUNG_LESION}),
        ("Lungs: clear.", {C, A, L, K.PNEUMONIA, K.EDEMA, K.LUNG_LESION}),
        ("The heart size is normal.", {K.CARDIOMEGALY}),
        ("Unremarkable mediastinum.", {K.ENLARGED_CARDIOMEDIASTINUM}),
        ("Costophrenic angles are sharp.", {E}),
        ("No acute osseous abnormality.", {K.FRACTURE}),
        ("The heart is enlarged and the bones are intact.", {K.FRACTURE}),
        ("Normal chest radiograph.", {k for k in K if not k.is_device}),
        ("No acute cardiopulmonary process.", {k for k in K if not k.is_device}),
        ("No support devices.", {k for k in K if k.is_device}),
        ("Lungs are otherwise clear.", set()),
        ("The lungs are clear apart from the right base.", set()),
        ("The lungs are clear of consolidation.", set()),
        ("The lungs are not clear.", set()),
        ("No other abnormality.", set()),
        ("Heart size is at the upper limits of normal.", set()),
        ("The aorta is normal.", set()),
        ("No granulomatous disease.", set()),
    ],
)
def test_normal_structures_deny_their_findings(text: str, kinds: set[FindingKind]) -> None:
    assert {m.kind for m in mentions(text) if m.group and m.polarity.value == "absent"} == kinds


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("Small right pleural effusion.", {E: "right"}),
        ("Effusion on the right and pneumothorax on the left.", {E: "right", P: "left"}),
        ("Small left and large right pleural effusions.", {E: "bilateral"}),
        ("Bilateral effusions, right greater than left.", {E: "bilateral"}),
        ("RLL consolidation and LLL atelectasis.", {C: "right", A: "left"}),
        ("Consolidation in the right upper lobe and left lower lobe atelectasis.", {C: "right"}),
        ("Large right pneumothorax with mediastinal shift to the left.", {P: "right"}),
        ("Right IJ line with tip in the right atrium.", {K.CENTRAL_VENOUS_CATHETER: "right"}),
        ("Pacemaker with leads in the right atrium and right ventricle.", {K.PACEMAKER: None}),
        ("On the left, there is a small effusion.", {E: "left"}),
        ("The right lung demonstrates consolidation.", {C: "right"}),
        ("Left-sided chest tube. Right effusion.", {K.CHEST_TUBE: "left", E: "right"}),
        ("Effusion, left.", {E: "left"}),
        ("Bibasilar atelectasis.", {A: "bilateral"}),
        ("The patient is rotated to the right. Effusion.", {E: None}),
    ],
)
def test_sides_belong_to_their_finding(text: str, sides: dict[FindingKind, str | None]) -> None:
    found = {m.kind: m.side for m in mentions(text)}
    expected = {kind: Laterality(side) if side else None for kind, side in sides.items()}
    assert {kind: found[kind] for kind in expected} == expected


def test_attributes_are_read() -> None:
    (mention,) = mentions("New large right apical pneumothorax.")
    assert mention.zones == {Zone.APEX}
    assert mention.sizes == {Severity.SEVERE}
    assert mention.changes == {"new"}
    (limited,) = mentions("No large pneumothorax.")
    assert limited.limits == {"large"}
    (slight,) = mentions("Slight increase in the effusion.")
    assert not slight.sizes
    assert slight.changes == {"worsened"}


def test_a_text_about_a_finding_need_not_name_it() -> None:
    (mention,) = mentions("At the left base, small.", E)
    assert (mention.kind, mention.side, mention.implied) == (E, Laterality.LEFT, True)
    assert said("Not seen.", E) == {E: "-"}
    assert said("Sharply marginated and dense.", E) == {}


def test_a_phrase_does_one_thing() -> None:
    seen: dict[tuple[str, ...], tuple[str, str]] = {}
    for tag, rows in PHRASES.items():
        for value, row in rows.items():
            for phrase in row.split("|"):
                key = _phrase_key(phrase)
                assert key, phrase
                assert key not in LEXICON, phrase
                assert seen.setdefault(key, (tag.name, value)) == (tag.name, value), phrase


WORDS = sorted({w for rows in PHRASES.values() for row in rows.values() for w in row.split()})
NOISE = st.text(max_size=400) | st.lists(
    st.sampled_from([*WORDS, "effusion", "pneumothorax", ",", ".", ":", "\n"]), max_size=80
).map(" ".join)


@settings(max_examples=500, deadline=None)
@given(NOISE, st.sampled_from([None, *FindingKind]))
def test_any_text_is_read_the_same_way_twice(text: str, subject: FindingKind | None) -> None:
    found = mentions(text, subject)
    assert found == mentions(text, subject)
    assert all(0 <= m.place <= len(text) for m in found)


@pytest.mark.parametrize(
    "piece",
    ["no ", "effusion ", "a" * 50, "is not seen and ", "-", "\n", ", ", "? ", "clear lung "],
)
def test_time_grows_with_the_length(piece: str) -> None:
    short, long = piece * (2000 // len(piece)), piece * (20_000 // len(piece))
    seconds = []
    for text in (short, long):
        best = min(_timed(text) for _ in range(3))
        seconds.append(best)
    assert seconds[1] < 40 * seconds[0] + 0.1


def _timed(text: str) -> float:
    start = time.perf_counter()
    mentions(text)
    return time.perf_counter() - start


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("Left pleural effusion.", True),
        ("There is a large loculated right effusion.", True),
        ("No effusion.", True),
        ("Effusion: none.", True),
        ("The radiograph betrays no effusion.", True),
        ("An effusion enters the differential.", False),
        ("Were an effusion to appear, drainage follows.", False),
        ("Film for effusion.", False),
        ("Eval effusion.", False),
        ("Poss. effusion.", False),
        ("No budging of the effusion.", False),
        ("No wandering effusion.", False),
        ("Comparison is hampered, no fever, large effusion.", False),
    ],
)
def test_a_strange_sentence_is_not_held_against_an_answer(text: str, sure: bool) -> None:
    assert [m.sure for m in mentions(text) if m.kind is E] == [sure]


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("Upon closer inspection, there is a right effusion.", True),
        ("In a jiffy, there is a right effusion.", True),
        ("Ten days ago, there was a right effusion.", False),
        ("By report, there is a right effusion.", False),
        ("Right effusion without complicating features.", True),
        ("Right effusion: without hope.", False),
        ("No evidence to suggest effusion.", True),
        ("No pneumothorax and small effusion.", False),
        ("Effusion, nodule: none.", True),
        ("Effusion drain.", False),
    ],
)
def test_a_strange_clause_beside_a_plain_one_is_passed_over(text: str, sure: bool) -> None:
    assert [m.sure for m in mentions(text) if m.kind is E] == [sure]


def test_the_degree_of_a_change_is_no_size() -> None:
    (said,) = mentions("The effusion is grossly unchanged.")
    assert (said.sizes, said.changes) == (frozenset(), {"stable"})
