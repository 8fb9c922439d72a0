"""What the header reader makes of valid, odd and hostile headers."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import Tag
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from cxr_node.dicom.headers import check_command, read_facts
from cxr_node.domain.errors import (
    CxrNodeError,
    MalformedUid,
    Unreadable,
    WrongInstance,
    WrongSopClass,
    WrongStudy,
)
from cxr_node.domain.instance import InstanceFacts, Received, View
from tests.builders import ct_slice, radiograph, save


def _facts(folder: Path, ds: FileDataset, **options: object) -> InstanceFacts:
    return read_facts(save(ds, folder), **options)  # type: ignore[arg-type]


def _raw(ds: Dataset, tag: int, vr: str, value: bytes) -> None:
    """Put bytes as they are, unchecked."""
    ds[Tag(tag)] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
    ],
)
def test_a_radiograph_in_every_encoding(tmp_path: Path, syntax: str) -> None:
    facts = _facts(tmp_path, radiograph(transfer_syntax=syntax, patient_name="MÜLLER^ÅSE"))
    assert facts.transfer_syntax.text == syntax
    assert (facts.modality, facts.body_part, facts.view) == ("DX", "CHEST", View.PA)
    assert facts.patient.name == "MÜLLER^ÅSE"
    assert facts.age_years == 45
    assert (facts.pixels.rows, facts.pixels.columns, facts.pixels.bits_stored) == (256, 224, 12)
    assert facts.pixels.has_pixels and facts.pixels.rescale_ok and facts.pixels.frames == 1
    assert not facts.own_result and not facts.quality_control


@pytest.mark.parametrize(
    ("view", "modality", "expected"),
    [
        ("PA", "DX", View.PA),
        ("AP", "DX", View.AP),
        ("LL", "DX", View.LATERAL),
        ("RL", "CR", View.LATERAL),
        ("AP", "CR", View.AP),
        ("RAO", "CR", View.OBLIQUE),
        ("LLD", "CR", View.OBLIQUE),
        ("lateral", "CR", View.LATERAL),
        ("", "DX", View.UNKNOWN),
        ("SUNRISE", "CR", View.UNKNOWN),
    ],
)
def test_views(tmp_path: Path, view: str, modality: str, expected: View) -> None:
    assert _facts(tmp_path, radiograph(view=view, modality=modality)).view is expected


def test_the_coded_view_goes_before_the_written_one(tmp_path: Path) -> None:
    assert _facts(tmp_path, radiograph(view="LL", ViewPosition="PA")).view is View.LATERAL


@pytest.mark.parametrize(
    ("age", "born", "taken", "expected"),
    [
        ("034Y", "", "20260102", 34),
        ("018M", "", "20260102", 1.5),
        ("010D", "", "20260102", 10 / 365.25),
        ("81", "19600102", "20260102", 66),
        ("000Y", "19600102", "20260102", 66),
        ("", "19600102", "20260102", 66),
        ("", "19600102", "", None),
        ("", "20270101", "20260102", None),
        ("", "17000101", "20260102", None),
        ("", "nonsense", "20260102", None),
        ("٠٣٤Y", "", "20260102", None),
    ],
)
def test_ages(tmp_path: Path, age: str, born: str, taken: str, expected: float | None) -> None:
    ds = radiograph(modality="CR", ContentDate="")
    for tag, vr, value in (
        (0x00101010, "AS", age),
        (0x00100030, "DA", born),
        (0x00080020, "DA", taken),
    ):
        _raw(ds, tag, vr, value.encode() + b" " * (len(value.encode()) % 2))
    found = _facts(tmp_path, ds).age_years
    assert found == (None if expected is None else pytest.approx(expected, abs=0.01))


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        (b"1", True),
        (b"-2.5", True),
        (b"", True),
        (b"0", False),
        (b"1e308", False),
        (b"NaN ", False),
        (b"inf ", False),
        (b"two ", False),
        (b"1\\2 ", False),
    ],
)
def test_rescale_slope(tmp_path: Path, value: bytes, fine: bool) -> None:
    ds = radiograph()
    _raw(ds, 0x00281053, "DS", value + b" " * (len(value) % 2))
    assert _facts(tmp_path, ds).pixels.rescale_ok is fine


def test_an_intercept_may_be_zero_but_not_garbage(tmp_path: Path) -> None:
    ds = radiograph(RescaleIntercept=0)
    assert _facts(tmp_path, ds).pixels.rescale_ok
    _raw(ds, 0x00281052, "DS", b"garbage ")
    assert not _facts(tmp_path, ds).pixels.rescale_ok


@pytest.mark.parametrize(
    ("tag", "vr", "value", "field", "expected"),
    [
        (0x00280010, "UL", struct.pack("<L", 256), "rows", None),
        (0x00280010, "US", b"", "rows", None),
        (0x00280010, "US", struct.pack("<HH", 1, 2), "rows", None),
        (0x00280010, "US", b"\0\0", "rows", 0),
        (0x00280008, "IS", b"-1", "frames", -1),
        (0x00280008, "IS", b"1000000000", "frames", 10**9),
        (0x00280008, "IS", b"many", "frames", 0),
        (0x00280002, "US", struct.pack("<H", 3), "samples", 3),
        (0x00280103, "US", struct.pack("<H", 7), "pixel_representation", 7),
    ],
)
def test_pixel_descriptions(
    tmp_path: Path, tag: int, vr: str, value: bytes, field: str, expected: int | None
) -> None:
    ds = radiograph(modality="CR")
    _raw(ds, tag, vr, value)
    assert getattr(_facts(tmp_path, ds).pixels, field) == expected


def test_where_the_patient_is_from_all_attributes_that_say_so(tmp_path: Path) -> None:
    ds = radiograph()
    ds.RequestingService = "Emergency Medicine"
    ds.InstitutionalDepartmentName = "Radiology"
    assert _facts(tmp_path, ds).study.department == "Emergency Medicine; Radiology"
    assert _facts(tmp_path, radiograph()).study.department == ""


def test_text_that_cannot_be_decoded_is_replaced(tmp_path: Path) -> None:
    ds = radiograph()
    _raw(ds, 0x00100010, "PN", b"\xff\xfeX^Y ")
    name = _facts(tmp_path, ds).patient.name
    assert name.endswith("X^Y") and "�" in name


def test_an_unknown_character_set_does_not_raise(tmp_path: Path) -> None:
    ds = radiograph()
    _raw(ds, 0x00080005, "CS", b"ISO_IR 999")
    _raw(ds, 0x00100010, "PN", "Ä^B ".encode())
    assert "^B" in _facts(tmp_path, ds).patient.name


def test_own_results_are_known_by_device_or_model(tmp_path: Path) -> None:
    assert _facts(tmp_path, radiograph(DeviceUID="2.25.7"), own_device_uids=["2.25.7"]).own_result
    item = Dataset()
    item.DeviceUID = "2.25.7"
    ds = radiograph(ContributingEquipmentSequence=[item])
    assert _facts(tmp_path, ds, own_device_uids=["2.25.7"]).own_result
    assert not _facts(tmp_path, ds, own_device_uids=["2.25.8"]).own_result
    assert not _facts(tmp_path, radiograph(ManufacturerModelName="cxr-node")).own_result
    ours = radiograph(ManufacturerModelName="cxr-node", Modality="SR")
    assert _facts(tmp_path, ours).own_result


def test_an_image_without_pixels(tmp_path: Path) -> None:
    ds = radiograph()
    del ds.PixelData
    assert not _facts(tmp_path, ds).pixels.has_pixels


def test_command_and_data_set_are_compared(tmp_path: Path) -> None:
    ds = radiograph()
    facts = _facts(tmp_path, ds)
    fits = Received(tmp_path, ds.SOPClassUID, ds.SOPInstanceUID, "1.2", "A", "B")
    check_command(facts, fits)
    with pytest.raises(WrongSopClass):
        check_command(facts, Received(tmp_path, "1.2.3", ds.SOPInstanceUID, "1.2", "A", "B"))
    with pytest.raises(WrongInstance):
        check_command(facts, Received(tmp_path, ds.SOPClassUID, "1.2.3", "1.2", "A", "B"))


@pytest.mark.parametrize(
    ("tag", "value", "error"),
    [
        (0x00080018, b"1.02", MalformedUid),
        (0x00080018, b"1.2\\1.3 ", MalformedUid),
        (0x00080018, None, WrongInstance),
        (0x00080016, None, WrongSopClass),
        (0x00080016, b"x ", WrongSopClass),
        (0x0020000D, None, WrongStudy),
        (0x0020000D, b"1.02", WrongStudy),
        (0x0020000E, None, WrongStudy),
        (0x0020000E, b"a.b ", WrongStudy),
    ],
)
def test_identifiers(
    tmp_path: Path, tag: int, value: bytes | None, error: type[CxrNodeError]
) -> None:
    ds, path = radiograph(), tmp_path / "image.dcm"
    if value is None:
        del ds[tag]
    else:
        _raw(ds, tag, "UI", value)
    save(ds, path)
    with pytest.raises(error):
        read_facts(path)


def test_every_cut_of_a_header_is_unreadable_or_misses_something(tmp_path: Path) -> None:
    ds = radiograph(
        rows=16, columns=16, study_uid="1.2.1", series_uid="1.2.2", instance_uid="1.2.3"
    )
    whole = save(ds, tmp_path / "whole.dcm").read_bytes()
    pixels = whole.index(struct.pack("<HH", 0x7FE0, 0x0010) + b"OW")
    cut = tmp_path / "cut.dcm"
    silent = 0
    for length in range(0, pixels + 12, 5):
        cut.write_bytes(whole[:length])
        try:
            read_facts(cut)
            silent += 1
        except CxrNodeError:
            continue
    # Cuts that fall between two elements, after the last identifier, cannot be told.
    assert silent < 20
    for length in range(pixels + 12, len(whole), 40):
        cut.write_bytes(whole[:length])
        assert read_facts(cut).pixels.has_pixels, "cut pixel data is judged by imaging"


def test_flipped_bytes_give_facts_or_a_domain_error(tmp_path: Path) -> None:
    whole = save(radiograph(rows=8, columns=8), tmp_path / "whole.dcm").read_bytes()
    broken = tmp_path / "broken.dcm"
    for at in range(132, len(whole), 11):
        for flip in (0xFF, 0x01):
            broken.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            try:
                read_facts(broken)
            except CxrNodeError:
                continue


def test_a_ct_is_read_and_left_to_the_policy(tmp_path: Path) -> None:
    assert _facts(tmp_path, ct_slice()).modality == "CT"


@pytest.mark.real_data
def test_every_real_file_gives_facts_or_a_domain_error(test_data: Path) -> None:
    seen, read = 0, 0
    for path in sorted((test_data / "dicom").rglob("*")):
        if not path.is_file():
            continue
        seen += 1
        begun = time.monotonic()
        try:
            read_facts(path)
            read += 1
        except CxrNodeError:
            pass
        assert time.monotonic() - begun < 2.0, path.name
    assert seen >= 60 and read >= 45


@pytest.mark.real_data
def test_real_chest_radiographs_are_recognised(test_data: Path) -> None:
    facts = read_facts(test_data / "dicom/cxr/RG1_J2KI.dcm")
    assert (facts.modality, facts.view, facts.pixels.rows) == ("CR", View.PA, 1955)
    assert facts.body_part == "CHEST"
    with pytest.raises(Unreadable):
        read_facts(test_data / "dicom/other/image_deflated.dcm")


def test_the_libraries_write_nothing_about_received_values(tmp_path: Path) -> None:
    ds = radiograph()
    _raw(ds, 0x00080005, "CS", b"CANARY")
    _raw(ds, 0x00100010, "PN", b"\xffCANARY ")
    _raw(ds, 0x00080018, "UI", b"../CANARY ")
    path = save(ds, tmp_path / "image.dcm")
    code = (
        "import sys, pathlib\n"
        "from cxr_node.dicom.headers import read_facts\n"
        "from cxr_node.domain.errors import CxrNodeError\n"
        "try: read_facts(pathlib.Path(sys.argv[1]))\n"
        "except CxrNodeError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert done.stdout + done.stderr == b""
