"""The readable page: everything is on it, nothing overflows, nothing is drawn wrongly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.amendment import Amendment, Person, PersonRole
from cxr_node.domain.findings import Clash, Contradiction, FindingKind, Presence, Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import StageKey
from cxr_node.reporting.measurement_report import ReportRequest
from cxr_node.reporting.page.content import page_content
from cxr_node.reporting.page.fonts import Face, drawable, width
from cxr_node.reporting.page.layout import MARGIN, lay_out
from cxr_node.reporting.page.marks import (
    PAGE_HEIGHT,
    PAGE_WIDTH,
    Page,
    Picture,
    Rectangle,
    Text,
)
from cxr_node.reporting.page.pdf import paint_pdf
from cxr_node.reporting.page.raster import paint
from cxr_node.reporting.page.typesetting import broken, cut, tidy
from cxr_node.reporting.templates import load_templates
from tests.page_examples import many_findings, picture_of
from tests.readings import (
    IMAGE,
    box,
    contradicted,
    finding,
    sample_image,
    sample_reading,
    turn,
)
from tests.reports import BUILT_AT, request, source_file

HUGE = "pneumothorax " * 80_000
ODD = "\x1b[31m‮evil​‏ \x00 山田 ‪x‬ \ud800 " * 50


def page_of(
    folder: Path,
    reading: Reading | None = None,
    pictures: tuple[PreparedImage, ...] | None = None,
    tags: dict[str, Any] | None = None,
    **changes: Any,
) -> Page:
    asked = request(source_file(folder, **(tags or {})), reading, **changes)
    shown = pictures if pictures is not None else (picture_of(sample_image()),)
    return lay_out(page_content(asked, shown))


def texts(page: Page) -> list[str]:
    return [
        mark.text.replace("\N{NO-BREAK SPACE}", " ")
        for mark in page.marks
        if isinstance(mark, Text)
    ]


def whole(page: Page) -> str:
    return " ".join(texts(page))


def lines(page: Page) -> list[Text]:
    return [mark for mark in page.marks if isinstance(mark, Text)]


def check_layout(page: Page) -> None:
    """Every line within the margins, in glyphs that exist, and on no other line."""
    placed = []
    for line in lines(page):
        assert drawable(line.text), line.text
        assert line.x >= MARGIN and line.x + line.width <= PAGE_WIDTH - MARGIN + 1, line
        assert line.size <= line.y <= PAGE_HEIGHT - 10, line
        assert abs(width(line.text, line.face, line.size) - line.width) < 0.01
        placed.append((line.x, line.y - 0.72 * line.size, line.x + line.width, line.y))
    on_picture = [m for m in page.marks if isinstance(m, Picture)]
    for number, one in enumerate(placed):
        for other in placed[number + 1 :]:
            if any(_inside(one, p) and _inside(other, p) for p in on_picture):
                continue
            assert not _overlap(one, other), (one, other)


def _inside(place: tuple[float, ...], picture: Picture) -> bool:
    return (
        picture.x <= place[0]
        and place[2] <= picture.x + picture.width
        and picture.y <= place[3] <= picture.y + picture.height
    )


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


READINGS: dict[str, Reading] = {
    "everything": sample_reading(),
    "contradicted": contradicted(outside_intended_use="image of a patient"),
    "twenty": sample_reading(findings=many_findings(20, sample_image())),
    "sixty": sample_reading(findings=many_findings(60, sample_image())),
    "normal": sample_reading(findings=tuple(finding(k, 0.04) for k in FindingKind), advice=None),
    "nothing": sample_reading(findings=(), quality={}, turns=(), impression="", ratio=None),
    "a megabyte": sample_reading(
        impression=HUGE,
        trend="x" * 1_000_000,
        relations=(HUGE, HUGE),
        changes=(HUGE,),
        warnings=(HUGE,) * 40,
        outside_intended_use=HUGE,
        turns=(turn(StageKey.QUALITY_VIEW, "limits", HUGE),),
    ),
    "odd characters": sample_reading(
        impression=ODD, trend=ODD, relations=(ODD,), warnings=(ODD,) * 3, findings_text=ODD
    ),
}


@pytest.mark.parametrize("name", READINGS)
def test_no_text_overflows_whatever_it_says(name: str, tmp_path: Path) -> None:
    check_layout(page_of(tmp_path, READINGS[name]))


@settings(max_examples=25, deadline=None)
@given(
    words=st.text(max_size=600),
    name=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=60),
    number=st.integers(0, 40),
)
def test_no_text_overflows_for_any_words(
    words: str, name: str, number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reading = sample_reading(
        impression=words,
        trend=words,
        warnings=(words,),
        findings=many_findings(number, sample_image()),
    )
    tags = {"PatientName": name.replace("\\", ""), "SpecificCharacterSet": "ISO_IR 192"}
    check_layout(page_of(tmp_path_factory.mktemp("page"), reading, tags=tags))


def test_the_conclusion_comes_first_and_everything_else_is_there(tmp_path: Path) -> None:
    page = page_of(
        tmp_path,
        contradicted(),
        tags={"PatientName": "Müller^Jürgen", "SpecificCharacterSet": "ISO_IR 100"},
    )
    said = whole(page)
    for words in (
        "AI RESULT, UNVERIFIED",
        "Müller, Jürgen",
        "PROPOSED PRIORITY STAT",
        "Compared with 2025-03-01",
        "CONTRADICTS ITSELF",
        "Image quality: inspiration limited.",
        "Not assessed: other pleural abnormality.",
        "Held absent:",
        "Mark: operating point. Probabilities are not calibrated.",
        "Cardiothoracic ratio 0.54",
        "Model embedded 0.1",
        "Not for diagnosis without review by a radiologist.",
    ):
        assert words in said, words
    assert said.index("Right pneumothorax (87 %)") < said.index("Read with care")
    assert said.index("Read with care") < said.index("The eight steps")


def test_all_eight_steps_are_there_and_the_models_words_are_in_italics(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    names = [line.text for line in lines(page)]
    for step in ("Quality and view", "Relationships", "Expected course", "Impression"):
        assert step in names
    italics = {line.text for line in lines(page) if line.face is Face.ITALIC}
    assert "Expected to grow without drainage." in italics
    assert "Right pneumothorax. Endotracheal tube too low." in italics
    assert not any("Actionable category" in text for text in italics)


def test_the_bar_and_its_mark_stand_at_probability_and_operating_point(tmp_path: Path) -> None:
    reading = sample_reading(
        findings=(replace(finding(FindingKind.PNEUMOTHORAX, 0.75), threshold=0.25),)
    )
    bars = [m for m in page_of(tmp_path, reading).marks if isinstance(m, Rectangle)]
    groove, filled, mark = next(
        (a, b, c)
        for a, b, c in zip(bars, bars[1:], bars[2:], strict=False)
        if (a.x, a.y, a.height) == (b.x, b.y, b.height) and c.width == 3
    )
    assert filled.width / groove.width == pytest.approx(0.75, abs=0.01)
    assert (mark.x + 1.5 - groove.x) / groove.width == pytest.approx(0.25, abs=0.01)


def test_boxes_lie_on_the_picture_where_the_finding_is(tmp_path: Path) -> None:
    image = sample_image()
    page = page_of(tmp_path, pictures=(picture_of(image),))
    (picture,) = [m for m in page.marks if isinstance(m, Picture)]
    outlines = [m for m in page.marks if isinstance(m, Rectangle) and m.outline]
    scale = picture.width / image.columns
    assert picture.height / image.rows == pytest.approx(scale, rel=0.01)
    first = outlines[0]
    assert first.x == pytest.approx(picture.x + 40.5 * scale, abs=1)
    assert first.y == pytest.approx(picture.y + 30.25 * scale, abs=1)
    assert first.width == pytest.approx(109.5 * scale, abs=1)
    assert first.height == pytest.approx(110.5 * scale, abs=1)


def test_padding_of_the_picture_is_cut_off_and_boxes_stay_right(tmp_path: Path) -> None:
    image = sample_image()
    gray = bytes(512 * 512)
    padded = picture_of(
        image, gray, width=512, height=512, left=56, content_width=400, content_height=512
    )
    plain = page_of(tmp_path, pictures=(picture_of(image),))
    page = page_of(tmp_path, pictures=(padded,))
    (shown,) = [m for m in page.marks if isinstance(m, Picture)]
    assert (shown.columns, shown.rows, len(shown.gray)) == (400, 512, 400 * 512)
    both = [[m for m in p.marks if isinstance(m, Rectangle) and m.outline] for p in (plain, page)]
    assert both[0] == both[1]


def test_without_a_picture_the_page_says_so(tmp_path: Path) -> None:
    page = page_of(tmp_path, pictures=())
    check_layout(page)
    assert "The image cannot be shown here." in whole(page)


def test_of_two_images_of_different_size_the_boxed_one_is_shown(tmp_path: Path) -> None:
    other = sample_image(sop_instance_uid=Uid("1.2.3.9"), rows=300, columns=900)
    reading = sample_reading(images=(other, sample_image()))
    source = source_file(tmp_path)
    asked = request(source, reading, sources=(source, source))
    content = page_content(asked, (picture_of(other), picture_of(sample_image())))
    assert content.image is not None and content.image.sop_instance_uid == IMAGE
    page = lay_out(content)
    check_layout(page)
    assert "one of 2" in whole(page)


NAMES = {
    "Yamada^Tarou=山田^太郎=やまだ^たろう": (["", "ISO 2022 IR 87"], "Yamada, Tarou"),
    "=山田^太郎": (["", "ISO 2022 IR 87"], "(name in a script this page cannot show)"),
    "قباني^لنزار": ("ISO_IR 127", "(name in a script this page cannot show)"),
    "Люкceмбypг^Роза": ("ISO_IR 144", "Люкceмбypг, Роза"),
    "Διονυσιος": ("ISO_IR 126", "Διονυσιος"),
    "Buc^Jérôme": ("ISO_IR 100", "Buc, Jérôme"),
    "Smith^Ann^Mary^Dr": ("ISO_IR 6", "Smith, Ann Mary Dr"),
    "": ("ISO_IR 6", "ID "),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_rightly_or_said_to_be_left_out(name: str, tmp_path: Path) -> None:
    sets, shown = NAMES[name]
    page = page_of(tmp_path, tags={"PatientName": name, "SpecificCharacterSet": sets})
    assert shown in whole(page)
    assert "[?]" not in whole(page)


def test_a_long_name_is_shown_smaller_and_whole(tmp_path: Path) -> None:
    name = "Wolfeschlegelsteinhausenbergerdorff^Hubert Blaine Theodor Ulrich"
    page = page_of(tmp_path, tags={"PatientName": name})
    check_layout(page)
    assert name.replace("^", ", ") in texts(page)


def test_findings_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    said = whole(page_of(tmp_path, sample_reading(findings=many_findings(60, sample_image()))))
    assert "more: see the structured report" in said


def test_twenty_findings_all_have_a_row(tmp_path: Path) -> None:
    reading = sample_reading(findings=many_findings(20, sample_image()))
    numbers = {line.text for line in lines(page_of(tmp_path, reading)) if line.face is Face.BOLD}
    assert {str(n) for n in range(1, 21)} <= numbers


def test_uncertain_findings_are_shown_as_such(tmp_path: Path) -> None:
    unsure = replace(finding(FindingKind.PNEUMONIA, 0.45), presence=Presence.UNCERTAIN)
    said = whole(page_of(tmp_path, sample_reading(findings=(unsure,))))
    assert "Uncertain: pneumonia." in said


def test_boxes_beyond_the_image_stay_on_the_picture(tmp_path: Path) -> None:
    wide = finding(FindingKind.PNEUMOTHORAX, 0.9, box=box(-50.0, -50.0, 5_000.0, 5_000.0))
    page = page_of(tmp_path, sample_reading(findings=(wide,)))
    (picture,) = [m for m in page.marks if isinstance(m, Picture)]
    (outline,) = [m for m in page.marks if isinstance(m, Rectangle) and m.outline]
    assert outline.x >= picture.x and outline.y >= picture.y
    assert outline.x + outline.width <= picture.x + picture.width
    assert outline.y + outline.height <= picture.y + picture.height


def test_image_and_pdf_are_the_same_again_and_again(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    image = paint(page)
    assert (image.size, image.mode) == ((PAGE_WIDTH, PAGE_HEIGHT), "RGB")
    assert image.tobytes() == paint(page_of(tmp_path)).tobytes()
    pdf = paint_pdf(page)
    assert pdf == paint_pdf(page_of(tmp_path))
    assert pdf.startswith(b"%PDF") and b"/Count 1" in pdf


def test_cutting_and_breaking_keep_within_the_room() -> None:
    assert cut("short", Face.REGULAR, 18, 400) == "short"
    shown = cut("a rather long sentence", Face.REGULAR, 18, 100)
    assert shown.endswith("…") and width(shown, Face.REGULAR, 18) <= 100
    parts = broken("x" * 400 + " end", Face.REGULAR, 18, 200, 3)
    assert len(parts) == 3 and all(width(p, Face.REGULAR, 18) <= 200 for p in parts)
    assert broken("", Face.REGULAR, 18, 200, 3) == []
    assert tidy("a‮b\x00c 山田 d") == "abc [?] d"


def test_the_request_is_left_as_it_was(tmp_path: Path) -> None:
    asked: ReportRequest = request(source_file(tmp_path))
    before = repr(asked)
    page_content(asked, (picture_of(sample_image()),))
    assert repr(asked) == before


def _amended(folder: Path, *, verified: bool) -> str:
    person = Person("Okafor^Ada", "St. Example", PersonRole.CONSULTANT)
    amendment = Amendment(1, (), person, "seen", BUILT_AT, verified=verified)
    stated = replace(sample_reading().findings[0], by_person=True)
    reading = sample_reading(amendment=amendment, findings=(stated,))
    page = page_of(folder, reading)
    check_layout(page)
    return whole(page)


def test_the_page_says_whose_statement_it_is(tmp_path: Path) -> None:
    corrected, verified = (_amended(tmp_path, verified=answer) for answer in (False, True))
    assert "AI RESULT, AMENDED" in corrected and "Ada Okafor" in corrected
    assert "VERIFIED BY A PERSON" in verified and "Not for diagnosis" not in verified
    for said in (corrected, verified):
        assert "UNVERIFIED" not in said
        assert "on 2026-01-02 10:30 UTC by Ada Okafor, St. Example" in said
        assert "87 %" not in said and "stated by a person" in said


def test_the_german_page_is_german(tmp_path: Path) -> None:
    clash = "the impression denies pneumothorax, which is held present"
    doubted = Contradiction(Clash.REPORT, clash, (FindingKind.PNEUMOTHORAX,))
    reading = contradicted(
        outside_intended_use="image of a patient",
        contradictions=(doubted,),
        warnings=(clash,),
    )
    asked = request(source_file(tmp_path), reading, templates=load_templates(language="de"))
    page = lay_out(page_content(asked, (picture_of(sample_image()),)))
    check_layout(page)
    said = whole(page)
    assert "Röntgen-Thorax: KI-Auswertung" in texts(page)
    assert "KI-ERGEBNIS, UNGEPRÜFT" in said and "Die acht Schritte" in said
    assert "an einer Stelle" in said
    assert "die Beurteilung: Pneumothorax verneint, gilt aber als vorhanden" in said
    assert "denies" not in said
    assert "rechtsseitig" in said.lower() or "rechts" in said.lower()
