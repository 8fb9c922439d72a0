"""What each family is given: the bytes of its prompts, its pictures, its terms."""

from __future__ import annotations

import pytest

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.findings import FindingKind, PriorStudy, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import OPENING, StageKey
from cxr_node.imaging.prepare import place
from cxr_node.reasoning.families import family_of, manifest_for
from cxr_node.reasoning.profiles import PHANTOMS, Architecture, BoxFormat, Family, Manifest
from cxr_node.reasoning.scripted import Script, ScriptedModel
from cxr_node.reasoning.staged import PriorPicture, Request, StagedReader
from cxr_node.reasoning.transcript import picture_mark
from tests.asking import request
from tests.models import picture, reference

PAIRS = [(f, a) for f in Family for a in family_of(f).architectures]
INSTRUCTION = (
    "Let's think step by step. Enclose the reasoning within <think></think> "
    "and the answer within <answer></answer>."
)
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
ASKED = "<|im_end|>\n<|im_start|>assistant\n"
NEXT = "<|im_end|>\n<|im_start|>user\n"
SICK = {"overall": "abnormal", "presence/edema": 0.9}


def _manifest(family: Family, architecture: Architecture) -> Manifest:
    return manifest_for(family, architecture, name="given", version="1")


def _shown(images: list[PreparedImage]) -> str:
    marks = (f"<|vision_start|>{picture_mark(image)}<|vision_end|>" for image in images)
    return "<|im_start|>user\n" + "".join(marks)


def _dialogue(
    family: Family,
    kind: ReadingKind = ReadingKind.READ,
    prior: PriorPicture | None = None,
    architecture: Architecture | None = None,
) -> tuple[str, dict[tuple[str, str], str]]:
    """All text a scripted model of ``family`` is given, and each prompt by what it asks."""
    model = ScriptedModel(SICK, Script(family=family, architecture=architecture))
    image = picture()
    asked = Request([image], [reference(image)], kind, quality_control=True, prior=prior)
    with StagedReader(model).begin(asked) as study:
        while study.ask is not None:
            StagedReader(model).advance([study])
        prompts = {(t.question, t.subject): t.prompt for t in study.reading().turns}
        return study.conversation.context, prompts


@pytest.mark.parametrize(("family", "architecture"), PAIRS)
def test_every_family_has_a_manifest_with_terms_and_use(
    family: Family, architecture: Architecture
) -> None:
    record, made = family_of(family), _manifest(family, architecture)
    assert (made.family, made.architecture) == (family, architecture)
    assert made.licence == record.terms.name
    assert len(record.terms.notice) > 40
    assert made.intended_use
    assert made.statement
    assert made.stop_tokens[0] in made.scaffolding.answer_suffix
    assert (made.intended_use == PHANTOMS) is (family is Family.EMBEDDED)
    assert Manifest.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("family", "architecture"),
    [
        (Family.NV_REASON_CXR, Architecture.QWEN2_VL),
        (Family.CHESTX_REASONER, Architecture.QWEN3_VL),
        (Family.EMBEDDED, Architecture.QWEN2_VL),
    ],
)
def test_weights_of_another_architecture_are_refused(
    family: Family, architecture: Architecture
) -> None:
    with pytest.raises(ModelRefused, match=architecture):
        _manifest(family, architecture)


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (Family.NV_REASON_CXR, "not for clinical use"),
        (Family.CHESTX_REASONER, "No licence is stated"),
        (Family.INSTRUCT, "read those that came with"),
    ],
)
def test_the_notice_says_what_a_site_must_know(family: Family, words: str) -> None:
    assert words in family_of(family).terms.notice


def _visual_tokens(made: Manifest, columns: int, rows: int) -> int:
    where = place(columns, rows, made.image_policy)
    assert where.width % made.picture.multiple == where.height % made.picture.multiple == 0
    return where.width * where.height // made.picture.multiple**2


SIZES = [(2000, 2000), (2048, 2500), (3000, 3000), (4280, 3520), (500, 4000), (476, 476), (90, 80)]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_visual_tokens_are_capped_as_in_training(columns: int, rows: int) -> None:
    nvidia = _manifest(Family.NV_REASON_CXR, Architecture.QWEN2_5_VL)
    chestx = _manifest(Family.CHESTX_REASONER, Architecture.QWEN2_VL)
    assert _visual_tokens(nvidia, columns, rows) <= 289
    assert _visual_tokens(chestx, columns, rows) == 256
    for architecture, cap in ((Architecture.QWEN2_5_VL, 1296), (Architecture.QWEN3_VL, 1024)):
        assert _visual_tokens(_manifest(Family.INSTRUCT, architecture), columns, rows) <= cap


def test_a_square_radiograph_has_exactly_the_tokens_of_training() -> None:
    nvidia = _manifest(Family.NV_REASON_CXR, Architecture.QWEN2_5_VL)
    assert _visual_tokens(nvidia, 3000, 3000) == 289


def test_nv_reason_is_asked_as_it_was_taught() -> None:
    """One user turn, the picture before the words; the template's own system line."""
    context, prompts = _dialogue(Family.NV_REASON_CXR)
    head = SYSTEM + _shown([picture()])
    first = "Find abnormalities and support devices."
    assert prompts[OPENING, ""] == first
    trace = "<think>As scripted.</think>\n<answer>Edema</answer>"
    assert context.startswith(head + first + ASKED + trace + NEXT + "Which projection is")
    assert prompts["presence", "edema"] == "Is pulmonary edema present, absent or uncertain?"


def test_nv_reason_is_triaged_without_a_trace() -> None:
    context, prompts = _dialogue(Family.NV_REASON_CXR, ReadingKind.TRIAGE)
    assert (OPENING, "") not in prompts
    assert "<think>" not in context


def test_chestx_reasons_aloud_before_a_letter() -> None:
    context, prompts = _dialogue(Family.CHESTX_REASONER)
    edema = f"Does this chest X-ray show edema? Options:\nA) Yes\nB) No\n{INSTRUCTION}"
    assert prompts["presence", "edema"] == edema
    thoughts = "<think> As scripted. </think>"
    assert f"<|im_start|>user\n{edema}{ASKED}{thoughts}<answer> A </answer><|im_end|>" in context
    assert prompts["limits", ""] == (
        f"What limits the reading of this image? One sentence.\n{INSTRUCTION}"
    )
    assert f"{thoughts}<answer> Nothing limits the reading. </answer><|im_end|>\n" in context
    options = "Options:\nA) PA\nB) AP\nC) lateral"
    first = f"Which projection is this chest radiograph? {options}\n{INSTRUCTION}"
    assert context.startswith(SYSTEM + _shown([picture()]) + first + ASKED + thoughts)


def test_chestx_is_triaged_with_the_bare_letter() -> None:
    context, prompts = _dialogue(Family.CHESTX_REASONER, ReadingKind.TRIAGE)
    edema = "Does this chest X-ray show edema? Options:\nA) Yes\nB) No"
    assert prompts["presence", "edema"] == edema
    assert f"<|im_start|>user\n{edema}{ASKED}<answer> A </answer><|im_end|>\n" in context
    assert "step by step" not in context


def _prior() -> PriorPicture:
    image = picture(1)
    return PriorPicture(PriorStudy(Uid("1.2.840.9"), reference(image), "20250301"), image)


def test_chestx_compares_as_it_was_taught_reference_first() -> None:
    context, prompts = _dialogue(Family.CHESTX_REASONER, prior=_prior())
    assert prompts["change", "edema"] == (
        "You are given two images: one reference image and one new image. Please identify the "
        f"progression of edema. Options:\nA) stable\nB) worsening\nC) improving\n{INSTRUCTION}"
    )
    assert context.startswith(SYSTEM + _shown([picture(1), picture(0)]))
    assert "The first image is an earlier study" in prompts["projection", ""]


def test_instruct_is_shown_the_current_study_first() -> None:
    context, prompts = _dialogue(Family.INSTRUCT, prior=_prior())
    radiologist = (
        "<|im_start|>system\nYou are a radiologist reading a chest radiograph.<|im_end|>\n"
    )
    assert context.startswith(radiologist + _shown([picture(0), picture(1)]))
    assert "The first image is the current study" in prompts["projection", ""]
    assert "Options:" not in context


def test_nv_reason_never_sees_a_second_picture() -> None:
    context, prompts = _dialogue(Family.NV_REASON_CXR, prior=_prior())
    assert context.startswith(SYSTEM + _shown([picture(0)]) + "Find abnormalities")
    assert not [key for key, _ in prompts if key == "change"]


@pytest.mark.parametrize(
    ("architecture", "boxes", "unit"),
    [
        (Architecture.QWEN2_VL, BoxFormat.THOUSANDTHS, "in thousandths of width and height."),
        (Architecture.QWEN2_5_VL, BoxFormat.PIXELS, "in pixels of the image."),
        (Architecture.QWEN3_VL, BoxFormat.THOUSANDTHS, "in thousandths of width and height."),
    ],
)
def test_boxes_are_asked_for_in_the_unit_they_are_read_in(
    architecture: Architecture, boxes: BoxFormat, unit: str
) -> None:
    assert _manifest(Family.INSTRUCT, architecture).profile.boxes is boxes
    _, prompts = _dialogue(Family.INSTRUCT, architecture=architecture)
    assert prompts["box", "edema"] == (
        f"Where is the pulmonary edema? Answer with a box (x1, y1), (x2, y2) {unit}"
    )


@pytest.mark.parametrize("family", Family)
def test_a_box_comes_back_from_every_familys_unit(family: Family) -> None:
    model = ScriptedModel(SICK | {"box/edema": "(30, 20), (60, 50)"}, Script(family=family))
    reading = StagedReader(model).read(request(picture()))
    found = next(f for f in reading.findings if f.kind is FindingKind.EDEMA).box
    assert found is not None
    x0, y0 = picture().from_original(found.x0, found.y0)
    x1, y1 = picture().from_original(found.x1, found.y1)
    corners = [side / 2.24 for side in (x0, y0, x1, y1)]
    assert corners == pytest.approx([30, 20, 60, 50], abs=0.5)


@pytest.mark.parametrize("family", Family)
def test_every_family_reads_all_stages(family: Family) -> None:
    model = ScriptedModel(SICK, Script(family=family))
    reading = StagedReader(model).read(request(picture()))
    walked = {turn.stage for turn in reading.turns} | {skip.stage for skip in reading.skipped}
    assert walked == set(StageKey)
    assert [f.kind for f in reading.present] == [FindingKind.EDEMA]
    assert all(turn.accepted for turn in reading.turns)
    assert reading.contradictions == ()
