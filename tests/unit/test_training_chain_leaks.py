"""The leak filter: what may stand in a chain of reasoning and what may not, in many wordings."""

from __future__ import annotations

import time

import pytest

from cxr_node.training.chain_leaks import Leak, leak

PASSES = (
    "A small effusion is noted at the left base.",
    "The lungs are clear and the heart is not enlarged.",
    "The heart casts a normal shadow in this plane.",
    "A dense opacity at the right base explains the lost diaphragm.",
    "There is a small left pleural effusion.",
    "No pneumothorax is seen.",
    "The aorta makes an impression on the trachea.",
    "The expression of volume loss is subtle.",
    "The endotracheal tube ends above the carina.",
    "Old healed rib fractures are visible.",
    "The right hemidiaphragm is higher than the left.",
    "Air under the diaphragm cannot be made out.",
    "The costophrenic angles are sharp on both sides.",
    "Look next at the mediastinum, which widens when vessels or nodes are large.",
    "The left side is whiter than the right.",
    "This speaks against an effusion.",
    "The cardiac silhouette measures more than half of the thorax.",
    "The planar edge of the fluid rises toward the chest wall.",
    "The tip of the catheter lies in the superior vena cava.",
    "Together these observations fit consolidation.",
    "Free air would lie under the diaphragm; none is seen.",
    "The pleural line is thin and has no vessels beyond it.",
    "Both hila are of equal density.",
    "The heart covers more than half of the thorax.",
    "There may be a small left pleural effusion.",
    "The line is placed in the vein, with its tip at the atrium.",
    "Sternal wires are intact.",
    "The picture is rotated, so the right side looks whiter.",
)
DROPPED: dict[Leak, tuple[str, ...]] = {
    Leak.REPORT: (
        "The report states that the lungs are clear.",
        "Per the report, there is an effusion.",
        "As reported, the heart is enlarged.",
        "The radiologist describes a small nodule.",
        "According to the findings, the lungs are clear.",
        "An effusion is mentioned on the left.",
        "The dictated text calls the heart normal.",
        "The description speaks of an effusion.",
        "It was documented that the line is in place.",
        "As stated above, the lungs are clear.",
        "We are told that the lungs are clear.",
        "The wording suggests an effusion.",
        "The author notes that the heart is big.",
        "The reader did not note any fracture.",
        "Nothing about the bones is said in the dictation.",
        "The section below lists no device.",
    ),
    Leak.IMPRESSION: (
        "The impression is of pneumonia.",
        "IMPRESSION: no acute disease.",
        "The impression section calls it normal.",
        "The conclusion section agrees.",
    ),
    Leak.OMISSION: (
        "There is no mention of a pneumothorax.",
        "Pneumothorax is not mentioned, so it is taken as normal.",
        "Nothing is said, so the mediastinum is assumed to be normal.",
        "The bones are not commented on.",
        "The text does not describe any device.",
        "The report makes no reference to the ribs.",
        "The report's silence on the ribs suggests they are intact.",
        "By default the spine is normal.",
        "The narrative omits the ribs.",
        "This was omitted, hence normal.",
    ),
    Leak.PLAN: (
        "Following the plan, the costophrenic angles come first.",
        "As planned, look at the heart.",
        "Step 2 asks for the mediastinum.",
        "The given answer is yes, so there must be an effusion.",
        "This agrees with the ground truth.",
        "The correct label is pneumonia.",
        "Our checklist ends here.",
        "As asked, look at the pleura.",
        "The true diagnosis is edema.",
        "The question expects a yes.",
        "As an AI model, I see an effusion.",
    ),
    Leak.EARLIER: (
        "Unchanged small left effusion.",
        "The effusion has increased since the prior study.",
        "Stable cardiomegaly.",
        "Compared with the previous radiograph the tube was advanced.",
        "There is a new opacity at the right base.",
        "No new consolidation.",
        "The pneumothorax has resolved.",
        "Again seen is a left-sided pacemaker.",
        "The chest tube has been removed.",
        "Persistent opacity at the base.",
        "No interval change.",
        "Smaller than before.",
        "The effusion persists.",
        "Previously seen nodule.",
        "Since the last film the line was moved.",
        "Serial films show growth.",
    ),
    Leak.HISTORY: (
        "The patient presents with fever and cough.",
        "Given the history of heart failure, this is edema.",
        "On CT the nodule is calcified.",
        "Clinical correlation is recommended.",
        "Findings were discussed with Dr. Smith at 10:30.",
        "In this 67-year-old patient the heart is large.",
        "Known COPD explains the flat diaphragm.",
        "Treated with antibiotics.",
        "Follow-up is advised.",
        "The patient is febrile.",
        "Seen on ultrasound too.",
    ),
    Leak.BLANK: (
        "The ___ tube ends in the stomach.",
        "[**Name**] tube in place.",
    ),
}


@pytest.mark.parametrize("text", PASSES)
def test_what_is_seen_may_be_said(text: str) -> None:
    assert leak(text) is None


@pytest.mark.parametrize(("reason", "text"), [(r, t) for r, row in DROPPED.items() for t in row])
def test_what_gives_away_the_source_is_dropped_with_its_reason(reason: Leak, text: str) -> None:
    assert leak(text) is reason
    assert leak(text.upper()) is not None
    assert leak(f"There is a small effusion. {text} The heart is normal.") is not None


def test_a_comparison_is_allowed_where_both_pictures_are_shown() -> None:
    for text in DROPPED[Leak.EARLIER]:
        assert leak(text, two_pictures=True) in (None, Leak.HISTORY), text
    assert leak("The report says it grew since the prior film.", two_pictures=True) is Leak.REPORT


def test_every_reason_is_tried_and_a_curly_apostrophe_hides_nothing() -> None:
    assert set(DROPPED) == set(Leak)
    assert leak("It wasn’t mentioned.") is Leak.OMISSION


def test_long_text_takes_no_longer_than_its_length() -> None:
    start = time.perf_counter()
    leak("no very " * 5000 + "un the " * 5000)
    assert time.perf_counter() - start < 2.0
