"""The grey-scale pipeline: polarity, windows, tables, padding, signed and unused bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from cxr_node.domain.errors import NotReadable
from cxr_node.imaging.budget import pixel_claims
from cxr_node.imaging.grayscale import Rendered, render
from cxr_node.imaging.window import Window, windowed
from tests.builders import chest, radiograph


def rendered(dataset: FileDataset) -> Rendered:
    return render(dataset.pixel_array, dataset, pixel_claims(dataset))


def reference(dataset: FileDataset) -> np.ndarray:
    """pydicom's own floating-point pipeline, scaled to 0..255."""
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    top = (1 << dataset.BitsStored) - 1
    slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
    return (values - intercept) / (top * slope) * 255


def test_monochrome1_and_2_give_the_same_picture() -> None:
    two = rendered(radiograph(photometric="MONOCHROME2"))
    one = rendered(radiograph(photometric="MONOCHROME1"))
    assert np.abs(one.gray.astype(int) - two.gray).max() <= 1
    assert "inverted" in one.notes
    assert two.gray[128, 112] > two.gray[128, 62], "the middle is brighter than a lung"


def test_monochrome1_alone_is_enough() -> None:
    """A computed radiograph has no Presentation LUT Shape."""
    two = rendered(radiograph(modality="CR", photometric="MONOCHROME2"))
    one = rendered(radiograph(modality="CR", photometric="MONOCHROME1"))
    assert np.abs(one.gray.astype(int) - two.gray).max() <= 1


def test_the_ends_of_a_linear_window_are_those_of_the_standard() -> None:
    """PS3.3 C.11.2.1.2.1, its example: centre 2048, width 4096 maps 0 to 0 and 4095 to top."""
    values = np.array([-1.0, 0.0, 4095.0, 4096.0])
    assert windowed(values, Window(2048, 4096)).tolist() == [0, 0, 1, 1]
    assert windowed(np.array([1.0, 4094.0]), Window(2048, 4096)).tolist() == pytest.approx(
        [1 / 4095, 4094 / 4095], abs=1e-12
    )


def test_inverse_shape_without_monochrome1_inverts() -> None:
    plain = rendered(radiograph())
    inverse = rendered(radiograph(PresentationLUTShape="INVERSE"))
    assert np.abs(255 - inverse.gray.astype(int) - plain.gray).max() <= 1


def test_the_sign_decides_for_processing() -> None:
    dataset = radiograph(for_processing=True, PixelIntensityRelationshipSign=1)
    dataset.PixelData = (4095 - chest()).astype("<u2").tobytes()
    assert rendered(dataset).gray[128, 112] > rendered(dataset).gray[128, 62]


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 1500, "WindowWidth": 1200},
        {"WindowCenter": 1500.5, "WindowWidth": 700.25, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 1800, "WindowWidth": 900, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": [1500, 200], "WindowWidth": [1200, 10]},
        {"WindowCenter": 2000, "WindowWidth": 1},
        {
            "RescaleSlope": 0.5,
            "RescaleIntercept": -300,
            "WindowCenter": 500,
            "WindowWidth": 900,
        },
    ],
)
def test_windows_agree_with_pydicom(tags: dict[str, Any]) -> None:
    dataset = radiograph(**tags)
    assert np.abs(rendered(dataset).gray - reference(dataset)).max() <= 1


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowWidth": 0},
        {"WindowWidth": -5},
        {"WindowWidth": 0.5},
        {"WindowWidth": 0, "VOILUTFunction": "SIGMOID"},
        {"WindowWidth": 1e308 * 10},
        {"WindowCenter": float("nan")},
        {"VOILUTFunction": "MAGIC"},
    ],
)
def test_unusable_windows(tags: dict[str, Any]) -> None:
    dataset = radiograph()
    header = Dataset()
    header.update(dataset)
    stand_in = _Header(header, tags)
    with pytest.raises(NotReadable) as refusal:
        render(dataset.pixel_array, stand_in, pixel_claims(dataset))  # type: ignore[arg-type]
    assert refusal.value.reason == "grayscale"


class _Header:
    """A header with values that pydicom refuses to hold but a file may carry."""

    def __init__(self, header: Dataset, values: dict[str, Any]) -> None:
        self._header, self._values = header, values

    def get(self, keyword: str, default: Any = None) -> Any:
        return self._values.get(keyword, self._header.get(keyword, default))


def test_a_missing_window_spans_what_is_there() -> None:
    dataset = radiograph(WindowCenter=None, WindowWidth=None)
    outlier = dataset.pixel_array.copy() // 4
    outlier[0, 0] = 4095
    dataset.PixelData = outlier.astype("<u2").tobytes()
    found = rendered(dataset)
    assert "window-missing" in found.notes
    assert np.percentile(found.gray, 2) < 40
    assert np.percentile(found.gray, 98) > 215


def test_padding_is_black_and_not_counted() -> None:
    pixels = chest()
    pixels[:40] = 4000
    pixels[40:60] = 4040
    tags = {"PixelPaddingValue": 4000, "PixelPaddingRangeLimit": 4040}
    dataset = radiograph(pixels=pixels, WindowCenter=None, WindowWidth=None, **tags)
    plain = radiograph(pixels=pixels[60:], WindowCenter=None, WindowWidth=None)
    found = rendered(dataset)
    assert (found.gray[:60] == 0).all()
    assert np.abs(found.gray[60:].astype(int) - rendered(plain).gray).max() <= 1
    assert "padding" in found.notes


def test_only_padding_is_no_picture() -> None:
    pixels = np.full((64, 64), 9, np.uint16)
    dataset = radiograph(pixels=pixels, WindowCenter=None, WindowWidth=None, PixelPaddingValue=9)
    with pytest.raises(NotReadable, match="image-quality"):
        rendered(dataset)


def test_signed_pixels() -> None:
    pixels = chest().astype(np.int16) - 2048
    dataset = radiograph(WindowCenter=0, WindowWidth=4096)
    dataset.PixelRepresentation = 1
    dataset.PixelData = pixels.astype("<i2").tobytes()
    plain = rendered(radiograph()).gray
    assert np.abs(rendered(dataset).gray.astype(int) - plain).max() <= 1


def test_unused_bits_are_cut_off() -> None:
    dataset = radiograph()
    plain = rendered(dataset).gray
    dirty = dataset.pixel_array | 0xF000
    assert (render(dirty, dataset, pixel_claims(dataset)).gray == plain).all()


def test_byte_order_does_not_matter() -> None:
    dataset = radiograph()
    swapped = dataset.pixel_array.astype(">u2")
    claims = pixel_claims(dataset)
    assert (render(swapped, dataset, claims).gray == rendered(dataset).gray).all()


def lut(first: int, data: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(data), first, bits])
    item.add_new("LUTData", "US", data)
    return item


def test_voi_lut_sequence() -> None:
    dataset = radiograph(VOILUTSequence=[lut(1000, list(range(0, 1024)), 10)])
    values = np.clip(dataset.pixel_array.astype(float) - 1000, 0, 1023)
    found = rendered(dataset)
    assert np.abs(found.gray - values / 1023 * 255).max() <= 1
    assert "voi-lut" in found.notes


def test_modality_lut_sequence() -> None:
    table = [value // 2 for value in range(4096)]
    dataset = radiograph(
        ModalityLUTSequence=[lut(0, table, 12)], WindowCenter=1024, WindowWidth=2048
    )
    del dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType
    plain = rendered(radiograph()).gray
    assert np.abs(rendered(dataset).gray.astype(int) - plain).max() <= 1


@pytest.mark.parametrize(
    "item",
    [Dataset(), lut(0, [5, 5, 5], 10), lut(0, [1, 2], 40)],
    ids=["empty", "constant", "bits"],
)
def test_broken_tables(item: Dataset) -> None:
    with pytest.raises(NotReadable, match="grayscale"):
        rendered(radiograph(VOILUTSequence=[item]))
    with pytest.raises(NotReadable, match="rescale"):
        rendered(radiograph(ModalityLUTSequence=[item]))


def test_colour_becomes_luminance() -> None:
    dataset = radiograph(bits=8, rows=4, columns=4)
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[..., 1] = 200
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
    found = render(colour, dataset, pixel_claims(dataset))
    assert (found.gray == 117).all()
    assert found.notes == ("luminance",)
