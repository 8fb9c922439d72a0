"""One study arranged for its page: boxes on the right image, steps complete, order right."""

from __future__ import annotations

from dataclasses import replace

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.stages import StageKey
from cxr_node.web import study_view
from cxr_node.web.study_pictures import pictures
from tests.pages import stored_image, study_page
from tests.readings import IMAGE, box, finding, sample_reading, turn

LATERAL = Uid("1.2.826.0.1.3680043.8.498.1.2")


def test_a_box_lies_on_its_own_image_in_its_own_pixels() -> None:
    lateral = stored_image(sop_instance_uid=LATERAL, view="LATERAL", reason=None)
    frontal, other = pictures(study_page(images=(lateral, stored_image())))
    assert frontal.uid == IMAGE.text
    assert other.marks == ()
    mark = next(m for m in frontal.marks if m.key == "pneumothorax")
    assert (mark.x, mark.y, mark.width, mark.height) == (40.5, 30.25, 109.5, 110.5)
    assert mark.label == "pneumothorax 87 %"
    assert {m.kind for m in frontal.marks} == {"finding", "anatomy"}


def test_labels_stay_inside_the_picture() -> None:
    corner = finding(FindingKind.FRACTURE, 0.9, box=box(380, 0, 400, 12))
    reading = sample_reading(findings=(corner,), ratio=None)
    (picture,) = pictures(study_page(reading=reading))
    (mark,) = picture.marks
    assert mark.anchor == "end"
    assert mark.text_y > 12


def test_images_whose_pixels_cannot_be_trusted_are_not_shown() -> None:
    bomb = stored_image(sop_instance_uid=LATERAL, reason=Reason.TOO_LARGE)
    child = stored_image(sop_instance_uid=Uid("1.2.3"), reason=Reason.AGE)
    report = stored_image(sop_instance_uid=Uid("1.2.4"), is_image=False)
    shown = pictures(study_page(images=(bomb, child, report), reading=None))
    assert [picture.uid for picture in shown] == ["1.2.3"]


def test_findings_come_present_first_then_by_probability() -> None:
    lines = study_view.finding_lines(sample_reading(), devices=False)
    assert [line.key for line in lines[:2]] == ["pneumothorax", "pleural_effusion"]
    assert lines[-1].presence is Presence.NOT_ASSESSED
    assert lines[-1].percent is None
    devices = study_view.finding_lines(sample_reading(), devices=True)
    assert devices[0].key == "endotracheal_tube"
    assert len(lines) + len(devices) == len(FindingKind)


def test_all_eight_steps_are_there_walked_or_not() -> None:
    walked = study_view.steps(sample_reading())
    assert [step.number for step in walked] == list(range(1, 9))
    assert all(step.turns for step in walked)
    bare = study_view.steps(sample_reading(turns=()))
    assert {step.summary for step in bare} == {"not asked"}


def test_a_refused_answer_is_counted_and_explained() -> None:
    refused = turn(StageKey.ADVICE, "category", "not assessed", accepted=False, problem="no option")
    step = study_view.steps(sample_reading(turns=(refused,)))[6]
    assert step.summary == "1 question, 1 answer refused"
    assert step.turns[0].problem == "no option"


def test_options_name_the_chosen_one() -> None:
    asked = turn(StageKey.ADVICE, "next_step", "ct", probabilities={"ct": 0.75, "none": 0.25})
    line = study_view.steps(sample_reading(turns=(asked,)))[6].turns[0]
    assert line.options == (("ct", 75.0, True), ("none", 25.0, False))


def test_spans_need_both_ends() -> None:
    page = study_page()
    assert ("last image to report", "19 s") in study_view.spans(page.milestones)
    assert study_view.spans({}) == ()


def test_every_declined_image_says_why() -> None:
    page = replace(study_page(), images=(stored_image(reason=Reason.DECODE),))
    assert study_view.image_lines(page)[0].reason == "the pixel data cannot be decoded"
