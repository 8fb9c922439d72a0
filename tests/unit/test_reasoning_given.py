"""What a person may answer in the model's place, and how it stands in the dialogue."""

from __future__ import annotations

import pytest

from cxr_node.domain.amendment import Correction, Person, PersonRole, plain_text
from cxr_node.domain.errors import AmendmentRefused
from cxr_node.domain.stages import AnswerKind, StageKey
from cxr_node.reasoning import given
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.families import family_of
from cxr_node.reasoning.given import QUESTIONS, checked, parsed
from cxr_node.reasoning.loops import every_subject
from cxr_node.reasoning.manners import Lettered, Scored
from cxr_node.reasoning.profiles import BoxFormat, Family


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("findings.presence/pneumothorax=absent", ("presence", "pneumothorax", "absent")),
        ("quality_view.projection=AP", ("projection", "", "AP")),
        ("findings.overall = normal", ("overall", "", "normal")),
        (
            "attributes_grounding.box/edema=( 10,20 ), (30.123, 5)",
            ("box", "edema", "(10, 5), (30.12, 20)"),
        ),
        (
            "relationships.relation/pneumothorax+atelectasis=explains",
            ("relation", "atelectasis+pneumothorax", "explains"),
        ),
        ("report.impression=No  change,\n x=1.", ("impression", "", "No change, x=1.")),
        ("attributes_grounding.box/edema=not assessed", ("box", "edema", "not assessed")),
    ],
)
def test_a_written_correction(written: str, expected: tuple[str, str, str]) -> None:
    found = parsed(written)
    assert (found.question, found.subject, found.answer) == expected
    assert parsed(f"{found.place}={found.answer}") == found


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "reads stage.question/subject=answer"),
        ("findings=absent", "reads stage.question/subject=answer"),
        ("nothing.presence/edema=absent", "the stage is one of quality_view, findings"),
        ("findings.side/edema=left", "the question is one of overall, presence, other"),
        ("findings.trace=x", "the question is one of"),
        ("findings.presence=absent", "the subject is one of atelectasis"),
        ("findings.presence/gout=absent", "the subject is one of atelectasis"),
        ("findings.overall/edema=normal", "asked about the whole image"),
        ("findings.presence/edema=Absent", "one of present, absent, uncertain"),
        ("findings.presence/edema=", "one of present, absent, uncertain"),
        ("attributes_grounding.side/cardiomegaly=left", "the subject is one of atelectasis"),
        ("attributes_grounding.position/edema=correct", "the subject is one of endotracheal_tube"),
        ("relationships.relation/edema+edema=explains", r"two findings as a\+b"),
        ("attributes_grounding.box/edema=left", "a box reads"),
        ("attributes_grounding.box/edema=(10, 10), (110, 200)", "a box reads"),
        ("attributes_grounding.box/edema=(1, 1), (1, 1)", "a box reads"),
        ("report.impression=", "the text is empty"),
        ("report.impression=a\x00b", "control or invisible"),
        ("report.impression=a\x1b[31mb", "control or invisible"),
        ("report.impression=a\u202eb", "control or invisible"),
        ("report.impression=a\ud800b", "control or invisible"),
        ("report.impression=so <|im_end|> be it", "marks that frame a dialogue"),
        ("report.impression=<think>no</think>", "marks that frame a dialogue"),
        ("report.impression=" + "x" * 1_000_000, "longer than 2000"),
        ("attributes_grounding.box/edema=" + "(1, 1)" * 200_000, "a box reads"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(written: str, words: str) -> None:
    with pytest.raises(AmendmentRefused, match=words) as refused:
        parsed(written)
    assert len(str(refused.value)) < 500


def test_html_is_a_text_like_any_other() -> None:
    assert parsed("report.findings=<b>No</b> & less").answer == "<b>No</b> & less"


def test_every_question_of_the_graph_can_be_corrected() -> None:
    answers = {AnswerKind.TEXT: "Words.", AnswerKind.BOX: "(1, 1), (20, 20)"}
    for (stage, key), question in QUESTIONS.items():
        answer = question.options[-1] if question.options else answers[question.kind]
        for subject in every_subject(question):
            found = checked(stage, key, subject, answer)
            assert found == Correction(stage, key, subject, answer)


def test_a_person_is_put_into_the_manner_of_the_family() -> None:
    options = ["Yes", "No"]
    assert Scored().stated("No", options) == "No"
    for quick in (True, False):
        lettered = Lettered(100, quick=quick)
        assert lettered.stated("No", options) == "<answer> B </answer>"
        # What this family is never offered, a person may still say.
        assert lettered.stated("uncertain", options) == "<answer> uncertain </answer>"
        assert lettered.stated("Clear lungs.", ()) == "<answer> Clear lungs. </answer>"


def test_a_box_is_put_into_the_unit_of_the_family() -> None:
    profile = family_of(Family.CHESTX_REASONER).profile
    box = QUESTIONS[StageKey.ATTRIBUTES_GROUNDING, "box"]
    places = Boxes(BoxFormat.THOUSANDTHS, 448, 448)
    told = given.words(profile, places, box, "(10, 20), (30, 40)")
    assert places.box(told) == (10, 20, 30, 40)


@pytest.mark.parametrize(
    ("name", "organisation", "words"),
    [
        ("", "Hospital", "name: 1 to 64"),
        (" Doe", "Hospital", "name: 1 to 64"),
        ("x" * 65, "Hospital", "name: 1 to 64"),
        ("Doe\\Jane", "Hospital", "no backslash"),
        ("Doe\nJane", "Hospital", "no backslash and no control"),
        ("a^b^c^d^e^f", "Hospital", "at most three scripts of five parts"),
        ("a=b=c=d", "Hospital", "at most three scripts"),
        ("Doe", "", "organisation: 1 to 64"),
        ("Doe", "x" * 1_000_000, "organisation: 1 to 64"),
        ("Doe", "\u202eHospital", "organisation: no backslash"),
    ],
)
def test_a_person_that_no_object_can_carry(name: str, organisation: str, words: str) -> None:
    with pytest.raises(AmendmentRefused, match=words):
        Person(name, organisation, PersonRole.ATTENDING)


def test_a_person_in_two_scripts() -> None:
    person = Person("Yamada^Tarou=山田^太郎", "Klinik für Radiologie", PersonRole.CONSULTANT)
    assert person.role.may_verify
    assert not PersonRole.TECHNOLOGIST.may_verify


def test_text_keeps_its_words() -> None:
    assert plain_text("reason", " a  b\r\nc ", 100) == "a b c"
