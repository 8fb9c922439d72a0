"""The objects beside the report: what they hold, whose they are, and when there is none."""

from __future__ import annotations

import struct
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from cxr_node.domain.amendment import Amendment, Person, PersonRole
from cxr_node.domain.findings import FindingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.results import AnatomyMask, ResultKind, Structure
from cxr_node.reporting.companions import companions
from cxr_node.reporting.measurement_report import ReportRequest
from cxr_node.reporting.object_file import encode
from tests.page_examples import picture_of
from tests.readings import IMAGE, SERIES, box, finding, sample_image, sample_reading
from tests.reports import BUILT_AT, request, source_file

ALL = tuple(ResultKind)
PICTURES = (picture_of(sample_image()),)


def mask(structure: Structure = Structure.HEART, **changes: Any) -> AnatomyMask:
    """A block of the sample image."""
    pixels = np.zeros((512, 400), np.uint8)
    pixels[220:400, 130:292] = 1
    packed = np.packbits(pixels, bitorder="little").tobytes()
    return replace(AnatomyMask(structure, IMAGE, 512, 400, packed), **changes)


MASKS = tuple(mask(structure) for structure in Structure)


def built(asked: ReportRequest, *kinds: ResultKind, **more: Any) -> list[Dataset]:
    """The objects as a reader of the files sees them."""
    given: dict[str, Any] = {"pictures": PICTURES, "masks": MASKS, **more}
    return [dcmread(BytesIO(encode(made))) for _, made in companions(asked, kinds or ALL, **given)]


def one(folder: Path, kind: ResultKind, tags: dict[str, Any] | None = None, **more: Any) -> Dataset:
    (found,) = built(request(source_file(folder, **(tags or {})), **more), kind)
    return found


def test_every_kind_is_built_in_its_own_series_of_the_study(tmp_path: Path) -> None:
    found = built(request(source_file(tmp_path)))
    assert [ds.Modality for ds in found] == ["OT", "DOC", "KO", "PR", "SEG"]
    assert {ds.StudyInstanceUID for ds in found} == {"1.2.3.4.5"}
    assert len({ds.SeriesInstanceUID for ds in found} | {SERIES.text}) == 6
    assert [ds.SeriesNumber for ds in found] == [9101, 9201, 9301, 9401, 9501]
    assert [ds.SeriesDescription for ds in found] == [
        "AI REPORT PAGE",
        "AI REPORT PDF",
        "AI TRIAGE STAT KEY IMAGE",
        "AI BOXES",
        "AI SEGMENTATION",
    ]
    assert {ds.file_meta.TransferSyntaxUID for ds in found} == {ExplicitVRLittleEndian}
    assert {ds.ManufacturerModelName for ds in found} == {"cxr-node"}
    assert {ds.DeviceUID for ds in found} == {"2.25.1234567890"}


def test_patient_and_study_are_carried_byte_for_byte(tmp_path: Path) -> None:
    sets = ["", "ISO 2022 IR 87"]
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    path = source_file(tmp_path, PatientName=name, SpecificCharacterSet=sets, AccessionNumber="A 1")
    source = dcmread(path).get_item("PatientName").value
    for made in built(request(path)):
        assert made.get_item("PatientName").value == source
        assert (made.PatientID, made.AccessionNumber) == (dcmread(path).PatientID, "A 1")


def test_the_same_result_gives_the_same_bytes_and_another_gives_other_uids(tmp_path: Path) -> None:
    asked = request(source_file(tmp_path))
    first = [encode(made) for _, made in companions(asked, ALL, PICTURES, MASKS)]
    again = [encode(made) for _, made in companions(asked, ALL, PICTURES, MASKS)]
    assert first == again
    other = replace(asked, reading=sample_reading(impression="Changed."))
    uids = [{ds.SOPInstanceUID for ds in built(r)} for r in (asked, other)]
    assert not uids[0] & uids[1]
    assert len(uids[0]) == 5


def test_the_page_is_an_rgb_image_that_says_it_has_words_in_it(tmp_path: Path) -> None:
    page = one(tmp_path, ResultKind.PAGE)
    assert (page.Rows, page.Columns, page.PhotometricInterpretation) == (1754, 1240, "RGB")
    assert page.BurnedInAnnotation == "YES"
    assert page.pixel_array.shape == (1754, 1240, 3)
    (source,) = page.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == IMAGE.text
    assert "UNVERIFIED" in page.DerivationDescription


def test_the_document_is_a_whole_pdf(tmp_path: Path) -> None:
    made = one(tmp_path, ResultKind.PDF)
    pdf = made.EncapsulatedDocument[: made.EncapsulatedDocumentLength]
    assert pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")
    assert made.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert made.BurnedInAnnotation == "YES"
    assert made.SourceInstanceSequence[0].ReferencedSOPInstanceUID == IMAGE.text


def test_key_images_are_those_with_boxes_and_say_why(tmp_path: Path) -> None:
    other = sample_image(sop_instance_uid=Uid("1.2.3.9"))
    source = source_file(tmp_path)
    asked = request(source, sample_reading(images=(other, sample_image())), sources=(source,) * 2)
    (made,) = built(asked, ResultKind.KEY_OBJECT)
    assert made.ConceptNameCodeSequence[0].CodeMeaning == "Of Interest"
    images = [i for i in made.ContentSequence if i.ValueType == "IMAGE"]
    assert [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in images] == [IMAGE.text]
    (text,) = [
        item.TextValue
        for item in made.ContentSequence
        if item.ValueType == "TEXT" and item.RelationshipType == "CONTAINS"
    ]
    assert "AI RESULT, UNVERIFIED" in text and "STAT" in text and "neumothorax" in text


def test_without_a_flag_there_is_no_key_object(tmp_path: Path) -> None:
    absent = tuple(finding(kind, 0.02) for kind in FindingKind)
    asked = request(source_file(tmp_path), sample_reading(findings=absent, advice=None))
    assert built(asked, ResultKind.KEY_OBJECT) == []


def test_boxes_and_labels_lie_on_the_original_pixels(tmp_path: Path) -> None:
    state = one(tmp_path, ResultKind.PRESENTATION_STATE)
    (annotation,) = state.GraphicAnnotationSequence
    assert annotation.GraphicLayer == state.GraphicLayerSequence[0].GraphicLayer
    image = annotation.ReferencedImageSequence[0]
    assert image.ReferencedSOPInstanceUID == IMAGE.text
    first = annotation.GraphicObjectSequence[0]
    assert first.GraphicAnnotationUnits == "PIXEL"
    assert list(first.GraphicData) == [
        *(40.5, 30.25, 150.0, 30.25, 150.0, 140.75, 40.5, 140.75, 40.5, 30.25)
    ]
    labels = [text.UnformattedTextValue for text in annotation.TextObjectSequence]
    assert labels == ["F1 pneumothorax R", "F2 pleural effusion L"]
    place = annotation.TextObjectSequence[0]
    assert place.BoundingBoxBottomRightHandCorner[1] == pytest.approx(30.25)
    (area,) = state.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaBottomRightHandCorner) == [400, 512]


def test_two_images_of_different_size_get_a_state_each(tmp_path: Path) -> None:
    other = Uid("1.2.3.9")
    images = (sample_image(), sample_image(sop_instance_uid=other, rows=300, columns=900))
    found = (
        *sample_reading().findings[:1],
        finding(FindingKind.FRACTURE, 0.8, box=box(1, 2, 890, 290, other)),
    )
    source = source_file(tmp_path)
    asked = request(source, sample_reading(images=images, findings=found), sources=(source,) * 2)
    states = built(asked, ResultKind.PRESENTATION_STATE)
    areas = [s.DisplayedAreaSelectionSequence[0].DisplayedAreaBottomRightHandCorner for s in states]
    assert [list(area) for area in areas] == [[400, 512], [900, 300]]
    assert len({s.SOPInstanceUID for s in states}) == 2
    assert len({s.SeriesInstanceUID for s in states}) == 1


def test_a_box_beyond_the_image_is_clipped(tmp_path: Path) -> None:
    wide = finding(FindingKind.PNEUMOTHORAX, 0.9, box=box(-9.0, -9.0, 999.0, 999.0))
    asked = request(source_file(tmp_path), sample_reading(findings=(wide,)))
    (state,) = built(asked, ResultKind.PRESENTATION_STATE)
    data = state.GraphicAnnotationSequence[0].GraphicObjectSequence[0].GraphicData
    assert (min(data), max(data)) == (0.0, 512.0)
    for text in state.GraphicAnnotationSequence[0].TextObjectSequence:
        assert text.BoundingBoxBottomRightHandCorner[0] <= 400


def test_without_boxes_there_is_no_presentation_state(tmp_path: Path) -> None:
    plain = tuple(finding(kind, 0.9) for kind in FindingKind)
    asked = request(source_file(tmp_path), sample_reading(findings=plain))
    assert built(asked, ResultKind.PRESENTATION_STATE) == []


GRAY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "window": ({"WindowCenter": "2048", "WindowWidth": "4096"}, {"WindowCenter": 2048}),
    "windows": ({"WindowCenter": ["1", "2"], "WindowWidth": ["9", "8"]}, {"WindowCenter": [1, 2]}),
    "no window": ({"WindowCenter": None, "WindowWidth": None}, {}),
    "width of zero": ({"WindowCenter": "10", "WindowWidth": "0"}, {}),
    "sigmoid": (
        {"WindowCenter": "10", "WindowWidth": "20", "VOILUTFunction": "SIGMOID"},
        {"VOILUTFunction": "SIGMOID"},
    ),
}


@pytest.mark.parametrize("name", GRAY)
def test_the_window_of_the_image_is_kept(name: str, tmp_path: Path) -> None:
    tags, wanted = GRAY[name]
    state = one(tmp_path, ResultKind.PRESENTATION_STATE, tags)
    items = state.get("SoftcopyVOILUTSequence") or []
    assert len(items) == bool(wanted)
    for keyword, value in wanted.items():
        assert items[0][keyword].value == value


def test_a_look_up_table_is_kept_and_a_short_one_left_out(tmp_path: Path) -> None:
    path = source_file(tmp_path)
    for entries, kept in ((16, 1), (4_000, 0)):
        ds = dcmread(path)
        table = Dataset()
        table.add_new("LUTDescriptor", "US", [entries, 0, 12])
        table.add_new("LUTData", "OW", struct.pack("<16H", *range(16)))
        ds.VOILUTSequence = [table]
        ds.pop("WindowCenter", None)
        ds.pop("WindowWidth", None)
        ds.save_as(path)
        (state,) = built(request(path), ResultKind.PRESENTATION_STATE)
        items = state.get("SoftcopyVOILUTSequence") or []
        assert len(items) == kept
        if kept:
            kept_table = items[0].VOILUTSequence[0]
            assert list(kept_table.LUTDescriptor) == [16, 0, 16]
            values = struct.unpack("<16H", kept_table.LUTData)
            assert values == tuple(round(n * 65_535 / 4_095) for n in range(16))


def test_low_values_of_monochrome1_stay_bright(tmp_path: Path) -> None:
    for photometric, shape in (("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")):
        tags = {"PhotometricInterpretation": photometric, "PresentationLUTShape": shape}
        assert one(tmp_path, ResultKind.PRESENTATION_STATE, tags).PresentationLUTShape == shape


def test_unequal_spacing_is_kept_and_missing_spacing_is_no_fault(tmp_path: Path) -> None:
    for spacing, kept in ((["0.35", "0.2"], True), (None, False), (["0", "0"], False)):
        state = one(tmp_path, ResultKind.PRESENTATION_STATE, {"ImagerPixelSpacing": spacing})
        area = state.DisplayedAreaSelectionSequence[0]
        assert ("PresentationPixelSpacing" in area) is kept
        assert ("PresentationPixelAspectRatio" in area) is not kept


def test_masks_come_back_as_they_were_given(tmp_path: Path) -> None:
    asked = request(source_file(tmp_path))
    ((_, made),) = companions(asked, (ResultKind.SEGMENTATION,), masks=MASKS)
    path = tmp_path / "seg.dcm"
    path.write_bytes(encode(made))
    read = hd.seg.segread(path)
    assert list(read.segment_numbers) == [1, 2, 3]
    labels = [read.get_segment_description(n).segment_label for n in read.segment_numbers]
    assert labels == ["Right lung", "Left lung", "Heart"]
    expected = np.unpackbits(
        np.frombuffer(MASKS[0].bits, np.uint8), count=512 * 400, bitorder="little"
    ).reshape(512, 400)
    for frame in read.pixel_array:
        assert np.array_equal(frame, expected)


def test_a_mask_that_does_not_fit_or_is_empty_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = request(source_file(tmp_path))
    empty = mask(bits=bytes(512 * 400 // 8))
    short, wrong = mask(bits=b"\1"), mask(rows=400, columns=512)
    caplog.set_level("INFO", "cxr_node")
    assert built(asked, ResultKind.SEGMENTATION, masks=(empty, short, wrong)) == []
    assert [r.message for r in caplog.records].count("mask-refused") == 2
    assert built(asked, ResultKind.SEGMENTATION, masks=()) == []


def test_words_of_a_model_never_reach_a_code_or_an_identifier(tmp_path: Path) -> None:
    evil = "\x1b\\^=\u202e" + "x" * 1_000_000
    reading = sample_reading(impression=evil, trend=evil, relations=(evil,), warnings=(evil,))
    for made in built(request(source_file(tmp_path), reading)):
        for element in made.iterall():
            if element.VR in ("LO", "SH", "CS", "UI", "PN"):
                assert "x" * 30 not in str(element.value)
                assert "\x1b" not in str(element.value)


def test_every_object_says_who_verified_and_when(tmp_path: Path) -> None:
    person = Person("Okafor^Ada", "St. Example", PersonRole.CONSULTANT)
    amendment = Amendment(1, (), person, "seen", BUILT_AT, verified=True)
    asked = request(source_file(tmp_path), sample_reading(amendment=amendment))
    page, pdf, key, state, masks = built(asked)
    texts = [i.TextValue for i in key.ContentSequence if i.ValueType == "TEXT"]
    said = [page.DerivationDescription, pdf.DocumentTitle, texts[-1]]
    said += [state.ContentDescription, masks.ContentDescription]
    for text in said:
        assert "Verified on 2026-01-02 10:30 UTC by Ada Okafor" in text, text
        assert "UNVERIFIED" not in text
    assert pdf.VerificationFlag == "VERIFIED"
