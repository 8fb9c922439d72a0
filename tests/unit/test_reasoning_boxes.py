"""Boxes of every family's own writing land where they were meant, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.ports import ImagePolicy, PreparedImage, SizePolicy
from cxr_node.domain.stages import StageKey
from cxr_node.imaging.prepare import place
from cxr_node.reasoning import boxes
from cxr_node.reasoning.assemble import Study, assemble
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.profiles import BoxFormat, Profile
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.scripted import ScriptedModel
from tests.models import reference
from tests.readings import IMAGE, turn

PERCENT, THOUSANDTHS, PIXELS = BoxFormat
WIDTH, HEIGHT = 560, 448

GOOD = [
    (PERCENT, "(10, 20), (30, 40)", (10, 20, 30, 40)),
    (PERCENT, "(30.25, 40), (10, 20)", (10, 20, 30.25, 40)),
    (PERCENT, "<|ref|> left lung <|/ref|><|box|>(10, 20), (30, 40)<|/box|>", (10, 20, 30, 40)),
    (PERCENT, "The box is (10, 20), (30, 40).", (10, 20, 30, 40)),
    (PERCENT, "(-4, 20), (30, 109)", (0, 20, 30, 100)),
    (THOUSANDTHS, "<|box_start|>(100,200),(300,400)<|box_end|>", (10, 20, 30, 40)),
    (
        THOUSANDTHS,
        "<|object_ref_start|>effusion (2)<|object_ref_end|>"
        "<|box_start|>(100,200),(300,400)<|box_end|><|im_end|>",
        (10, 20, 30, 40),
    ),
    (THOUSANDTHS, "(100, 200), (300, 400)", (10, 20, 30, 40)),
    (THOUSANDTHS, '[{"bbox_2d": [100, 200, 300, 400], "label": "heart"}]', (10, 20, 30, 40)),
    (THOUSANDTHS, '```json\n{"bbox_2d": [100, 200, 300, 1004]}\n```', (10, 20, 30, 100)),
    (PIXELS, '[{"bbox_2d": [56, 112, 168, 224], "label": "heart"}]', (10, 25, 30, 50)),
    (PIXELS, '```json\n[{"bbox_2d": [56, 112, 168, 224]}]\n```', (10, 25, 30, 50)),
    (PIXELS, '{"label": "heart", "bbox_2d": [168, 224, 56, 112]}', (10, 25, 30, 50)),
    (PIXELS, "[56, 112, 168, 224]", (10, 25, 30, 50)),
    (PIXELS, "[[56.0, 112.0, 168.0, 224.0]]", (10, 25, 30, 50)),
    (PIXELS, "(56, 112), (168, 224)", (10, 25, 30, 50)),
    (PIXELS, "[56, 112, 590, 460]", (10, 25, 100, 100)),
]

BAD = [
    (PERCENT, "", "exactly one"),
    (PERCENT, "(10, 20)", "exactly one"),
    (PERCENT, "[10, 20, 30, 40]", "exactly one"),
    (PERCENT, '[{"bbox_2d": [10, 20, 30, 40]}]', "exactly one"),
    (PERCENT, "<|box_start|>(10,20),(30,40)<|box_end|>", "another unit"),
    (PERCENT, "(100, 200), (300, 400)", "not in percent"),
    (PERCENT, "(0.1, 0.2), (0.8, 0.9)", "fractions"),
    (PERCENT, "(10, 20), (30, 40), (50, 60)", "more numbers"),
    (PERCENT, "(10, 20), (30, 40) or (50,", "more numbers"),
    (PERCENT, "(nan, 20), (30, 40), (50, 60)", "more numbers"),
    (PERCENT, "(10, 20), (10.4, 40)", "encloses nothing"),
    (THOUSANDTHS, '[{"bbox_2d": [1, 2, 300, 400]}, {"bbox_2d": [5, 6, 700, 800]}]', "exactly one"),
    (THOUSANDTHS, '[{"bbox_2d": [1, 2, 300, 400]}, {"bbox_2d": [5,', "exactly one"),
    (THOUSANDTHS, '[{"bbox_2d": [1, 2, 300, 400]}, {', "more numbers"),
    (THOUSANDTHS, "(100,200),(300,400) [1, 2, 3, 4]", "exactly one"),
    (THOUSANDTHS, "(100, 200), (1300, 1400)", "not in thousandths"),
    (THOUSANDTHS, "[0.1, 0.2, 0.3, 0.4]", "fractions"),
    (THOUSANDTHS, "[100, 200, NaN, 400]", "exactly one"),
    (THOUSANDTHS, '{"bbox_2d": "100, 200, 300, 400"}', "exactly one"),
    (THOUSANDTHS, '{"bbox_2d": [100, 200, 300]}', "exactly one"),
    (PIXELS, "<|box_start|>(56,112),(168,224)<|box_end|>", "another unit"),
    (PIXELS, "[56, 112, 168, 760]", "not in pixels"),
    (PIXELS, "[56, 112, 168, 224, 300]", "exactly one"),
    (PIXELS, "[56, 112, 57, 224]", "encloses nothing"),
    (PIXELS, "[1e2, 112, 168, 224]", "exactly one"),
]


@pytest.mark.parametrize(("family", "raw", "expected"), GOOD)
def test_a_family_is_read_in_its_own_writing(
    family: BoxFormat, raw: str, expected: tuple[float, ...]
) -> None:
    assert Boxes(family, WIDTH, HEIGHT).box(raw) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("family", "raw", "why"), BAD)
def test_what_may_mean_something_else_is_refused(family: BoxFormat, raw: str, why: str) -> None:
    with pytest.raises(AnswerRefused, match=why):
        Boxes(family, WIDTH, HEIGHT).box(raw)


percent = st.floats(0, 100)
corner = st.tuples(percent, percent, percent, percent).filter(
    lambda b: abs(b[0] - b[2]) > 3 and abs(b[1] - b[3]) > 3
)
LIKE = ("", "(1, 2), (3, 4)", '{"bbox_2d": [1, 2, 3, 4]}')


@given(st.sampled_from(BoxFormat), st.sampled_from(LIKE), st.booleans(), corner)
def test_words_are_read_back_to_half_a_step(
    family: BoxFormat, like: str, brief: bool, written: tuple[float, float, float, float]
) -> None:
    a, b, c, d = (round(value, 2) for value in written)
    box = (min(a, c), min(b, d), max(a, c), max(b, d))
    brief = brief and family is PERCENT
    own = Boxes(family, WIDTH, HEIGHT, brief)
    step = {PERCENT: 1.0 if brief else 0.01, THOUSANDTHS: 0.1, PIXELS: 100 / HEIGHT}[family]
    assert own.box(own.words(box, like)) == pytest.approx(box, abs=step / 2 + 0.006)


def test_words_keep_the_shape_of_the_answer() -> None:
    own = Boxes(THOUSANDTHS, WIDTH, HEIGHT)
    assert own.words((10, 20, 30, 40)) == "<|box_start|>(100,200),(300,400)<|box_end|>"
    assert own.words((10, 20, 30, 40), LIKE[2]) == '[{"bbox_2d": [100, 200, 300, 400]}]'
    own = Boxes(PIXELS, WIDTH, HEIGHT)
    assert own.words((10, 25, 30, 50)) == '[{"bbox_2d": [56, 112, 168, 224]}]'
    assert own.words((10, 25, 30, 50), LIKE[1]) == "(56, 112), (168, 224)"
    assert Boxes(PERCENT, 1, 1).words((10, 25, 30, 50.5), LIKE[2]) == "(10, 25), (30, 50.5)"


POLICIES = (
    ImagePolicy(SizePolicy.STRETCH, side=448),
    ImagePolicy(SizePolicy.LETTERBOX, side=224),
    ImagePolicy(SizePolicy.LETTERBOX, side=448),
    ImagePolicy(SizePolicy.FIT, max_pixels=476 * 476),
    ImagePolicy(SizePolicy.FIT, max_pixels=1280 * 28 * 28),
)
side = st.integers(300, 6000)
long_side = st.integers(6000, 12000)
sizes = st.tuples(side, side) | st.tuples(long_side, side) | st.tuples(side, long_side)


def prepared(columns: int, rows: int, policy: ImagePolicy) -> PreparedImage:
    where = place(columns, rows, policy)
    return PreparedImage(
        sop_instance_uid=IMAGE,
        width=where.width,
        height=where.height,
        gray=b"",
        left=where.left,
        top=where.top,
        content_width=where.content_width,
        content_height=where.content_height,
        original_columns=columns,
        original_rows=rows,
    )


def landed(image: PreparedImage, family: BoxFormat, raw: str) -> tuple[float, ...]:
    """Original pixels of the box that a reading makes of the heart's answer."""
    own = Boxes(family, image.width, image.height)
    turns = [
        turn(StageKey.FINDINGS, "presence", "present", "cardiomegaly", probabilities=CERTAIN),
        turn(StageKey.ATTRIBUTES_GROUNDING, "box", boxes.box_text(own.box(raw)), "cardiomegaly"),
    ]
    study = Study(
        kind=ReadingKind.READ,
        model=ScriptedModel().identity,
        profile=Profile(wording=Wording.PLAIN, boxes=family),
        images=(image,),
        references=(reference(image),),
        quality_control=True,
    )
    (found,) = (f for f in assemble(study, turns, {}).findings if f.kind == "cardiomegaly")
    assert found.box is not None
    return found.box.x0, found.box.y0, found.box.x1, found.box.y1


CERTAIN = {"present": 0.9, "absent": 0.1, "uncertain": 0.0}


@settings(max_examples=300, deadline=None)
@given(sizes, st.sampled_from(POLICIES), st.sampled_from(BoxFormat), corner)
def test_a_box_lands_within_half_a_percent_of_the_image_side(
    size: tuple[int, int],
    policy: ImagePolicy,
    family: BoxFormat,
    shares: tuple[float, float, float, float],
) -> None:
    """Original pixels to the family's words and back, through the model's picture."""
    columns, rows = size
    image = prepared(columns, rows, policy)
    a, b, c, d = shares
    wanted = [
        *(min(a, c) * columns / 100, min(b, d) * rows / 100),
        *(max(a, c) * columns / 100, max(b, d) * rows / 100),
    ]
    left, top = image.from_original(wanted[0], wanted[1])
    right, bottom = image.from_original(wanted[2], wanted[3])
    width, height = image.width / 100, image.height / 100
    in_picture = (left / width, top / height, right / width, bottom / height)
    own = Boxes(family, image.width, image.height)
    try:
        found = landed(image, family, own.words(in_picture))
    except AnswerRefused:
        assert min(in_picture[2] - in_picture[0], in_picture[3] - in_picture[1]) < 1.0
        return
    assert found == pytest.approx(wanted, abs=0.005 * max(columns, rows))
