"""Builds a conformant DX image (Digital X-Ray for presentation, PS3.3 A.26) from grey pixels.

Phantoms and wrapped PNG or JPEG files leave through here, so that both look to the node
exactly like what a modality sends.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from cxr_node.domain.errors import NotConformant
from cxr_node.domain.identifiers import result_uid

GrayPixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_NOMINAL_FIELD_MM = 430.0
_EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)
_VIEWS = {
    "PA": (Code("272479007", "SCT", "postero-anterior"), ["L", "F"]),
    "AP": (Code("399348003", "SCT", "antero-posterior"), ["L", "F"]),
    "LL": (Code("399173006", "SCT", "left lateral"), ["P", "F"]),
    "RL": (Code("399198007", "SCT", "right lateral"), ["A", "F"]),
}
_REGIONS = {
    "CHEST": Code("816094009", "SCT", "Chest"),
    "ABDOMEN": Code("818981001", "SCT", "Abdomen"),
    "HAND": Code("85562004", "SCT", "Hand"),
    "KNEE": Code("72696002", "SCT", "Knee"),
    "PELVIS": Code("816092008", "SCT", "Pelvis"),
    "SKULL": Code("89546000", "SCT", "Skull"),
}


class ViewPosition(StrEnum):
    """View Position (0018,5101) of the projections that are written; LL is a left lateral."""

    PA = "PA"
    AP = "AP"
    LL = "LL"
    RL = "RL"


@dataclass(frozen=True, slots=True)
class RadiographDetails:
    """Header values of a radiograph that is written. Ages in years, spacing in mm.

    UIDs left empty are computed from pixels and identity: the same picture of the same
    patient gets the same UIDs, and each picture is a study of its own. ``bits_stored`` 0
    takes the width of the array's type; ``window`` is (centre, width), None spans all
    stored values. ``spacing`` None writes the nominal spacing of a 43 cm field and says so
    in Image Comments.
    """

    patient_id: str
    patient_name: str = "ANONYMOUS"
    sex: str = ""
    age_years: float | None = None
    birth_date: str = ""
    view: ViewPosition = ViewPosition.PA
    body_part: str = "CHEST"
    laterality: str = "U"
    study_uid: str = ""
    series_uid: str = ""
    instance_uid: str = ""
    instance_number: int = 1
    accession_number: str = ""
    study_description: str = ""
    acquired_at: datetime = _EPOCH
    bits_stored: int = 0
    photometric: str = "MONOCHROME2"
    window: tuple[float, float] | None = None
    spacing: tuple[float, float] | None = None
    quality_control: bool = False
    manufacturer: str = "CXR-NODE"
    model_name: str = "radiograph writer"
    station_name: str = "WRITER"
    jpeg_ratio: float = 0.0
    """Compression ratio of the JPEG file the pixels come from; 0 for pixels without loss."""


def build_radiograph(pixels: GrayPixels, details: RadiographDetails) -> FileDataset:
    """Return a DX image, explicit little endian, ready for ``save_as``.

    ``pixels`` is rows x columns, uint8 or uint16, in the sense ``details.photometric``
    says. Raises :class:`NotConformant` for pixels or details that no DX image can hold.
    """
    _check(pixels, details)
    dataset = Dataset()
    _identify(dataset, pixels, details)
    _describe_patient_and_study(dataset, details)
    _describe_projection(dataset, details)
    _describe_pixels(dataset, pixels, details)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return FileDataset(
        "",
        dataset,
        preamble=b"\0" * 128,
        file_meta=meta,
        is_implicit_VR=False,
        is_little_endian=True,
    )


def _bits_stored(pixels: GrayPixels, details: RadiographDetails) -> int:
    return details.bits_stored or pixels.dtype.itemsize * 8


def _check(pixels: GrayPixels, details: RadiographDetails) -> None:
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16):
        raise NotConformant("a radiograph is rows x columns of 8 or 16 bit grey values")
    if not all(1 <= side <= 65535 for side in pixels.shape):
        raise NotConformant("a side of the picture is zero or above 65535 pixels")
    bits = _bits_stored(pixels, details)
    if not 6 <= bits <= pixels.dtype.itemsize * 8 or int(pixels.max()) >= 1 << bits:
        raise NotConformant("grey values do not fit the stored bits")
    if details.body_part not in _REGIONS or details.view not in _VIEWS:
        raise NotConformant("body part or view is not one that can be written")
    if details.photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise NotConformant("a radiograph is MONOCHROME1 or MONOCHROME2")


def _identify(dataset: Dataset, pixels: GrayPixels, details: RadiographDetails) -> None:
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    key = (digest, *pixels.shape, details.photometric, details.patient_id, details.view)
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = details.instance_uid or result_uid("radiograph", *key).text
    dataset.StudyInstanceUID = details.study_uid or result_uid("radiograph-study", *key).text
    dataset.SeriesInstanceUID = details.series_uid or result_uid("radiograph-series", *key).text
    dataset.InstanceNumber = details.instance_number
    dataset.SeriesNumber = 1


def _age_string(years: float) -> str:
    """Age String (PS3.5 VR AS): years, or months below two years."""
    return f"{int(years * 12):03d}M" if years < 2 else f"{int(years):03d}Y"


def _describe_patient_and_study(dataset: Dataset, details: RadiographDetails) -> None:
    day, moment = details.acquired_at.strftime("%Y%m%d"), details.acquired_at.strftime("%H%M%S")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = details.patient_name
    dataset.PatientID = details.patient_id
    dataset.PatientBirthDate = details.birth_date
    dataset.PatientSex = details.sex
    if details.age_years is not None:
        dataset.PatientAge = _age_string(details.age_years)
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = day
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = dataset.AcquisitionTime = moment
    dataset.StudyID = "1"
    dataset.AccessionNumber = details.accession_number
    dataset.ReferringPhysicianName = ""
    if details.study_description:
        dataset.StudyDescription = details.study_description
    dataset.Manufacturer = details.manufacturer
    dataset.ManufacturerModelName = details.model_name
    dataset.StationName = details.station_name


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _describe_projection(dataset: Dataset, details: RadiographDetails) -> None:
    code, orientation = _VIEWS[details.view]
    view = _coded(code)
    view.ViewModifierCodeSequence = []
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.BodyPartExamined = details.body_part
    dataset.AnatomicRegionSequence = [_coded(_REGIONS[details.body_part])]
    dataset.ImageLaterality = details.laterality
    dataset.ViewPosition = str(details.view)
    dataset.ViewCodeSequence = [view]
    dataset.PatientOrientation = orientation
    dataset.AcquisitionContextSequence = []
    dataset.DetectorType = ""
    dataset.PositionerType = ""


def _describe_spacing(
    dataset: Dataset, shape: tuple[int, ...], spacing: tuple[float, float] | None
) -> None:
    """Imager Pixel Spacing is Type 1 in DX; a nominal value is named as such."""
    if spacing is None:
        nominal = round(_NOMINAL_FIELD_MM / max(shape), 6)
        spacing = (nominal, nominal)
        dataset.ImageComments = "Imager Pixel Spacing is nominal, not measured"
    dataset.ImagerPixelSpacing = [f"{value:.10g}" for value in spacing]


def _describe_pixels(dataset: Dataset, pixels: GrayPixels, details: RadiographDetails) -> None:
    bits = _bits_stored(pixels, details)
    inverse = details.photometric == "MONOCHROME1"
    dataset.ImageType = ["DERIVED" if details.jpeg_ratio else "ORIGINAL", "PRIMARY", ""]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = details.photometric
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if inverse else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = details.window or (2 ** (bits - 1), 2**bits)
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "01" if details.jpeg_ratio else "00"
    dataset.QualityControlImage = "YES" if details.quality_control else "NO"
    if details.jpeg_ratio:
        dataset.LossyImageCompressionRatio = round(details.jpeg_ratio, 2)
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
        dataset.DerivationDescription = "JPEG compression"
    _describe_spacing(dataset, pixels.shape, details.spacing)
    data = np.ascontiguousarray(pixels).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
