"""Synthetic, valid DICOM objects for every test: radiographs (DX, CR) and a CT slice.

The pictures are crude drawings of a chest, not phantoms: enough to be neither blank nor
noise. Every object passes ``dciodvfy`` without an error, so that a test which breaks one
value breaks only that one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    generate_uid,
)

Pixels = NDArray[np.uint16]

_SOP_CLASSES = {
    "DX": DigitalXRayImageStorageForPresentation,
    "CR": ComputedRadiographyImageStorage,
}


def chest(rows: int = 256, columns: int = 224, *, bits: int = 12, lateral: bool = False) -> Pixels:
    """A drawing of a chest, bones bright: ``rows`` × ``columns``, unsigned, ``bits`` used."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    v, u = y / rows - 0.5, x / columns - 0.5
    picture = 0.62 - 0.25 * (np.abs(u) > 0.46)
    lungs = (
        [(0.0, 0.04, 0.30, 0.34)] if lateral else [(-0.22, 0, 0.15, 0.34), (0.22, 0, 0.15, 0.34)]
    )
    for centre_u, centre_v, half_u, half_v in lungs:
        inside = ((u - centre_u) / half_u) ** 2 + ((v - centre_v) / half_v) ** 2 < 1
        picture = np.where(inside, 0.22 + 0.03 * np.sin(v * 90), picture)
    heart = ((u - 0.07) / 0.16) ** 2 + ((v - 0.17) / 0.15) ** 2 < 1
    picture = np.where(heart, 0.78, picture)
    grain = np.random.default_rng(7).normal(0.0, 0.01, picture.shape)
    full = (1 << bits) - 1
    return np.clip((picture + grain) * full, 0, full).astype(np.uint16)


def radiograph(
    *,
    study_uid: str | None = None,
    series_uid: str | None = None,
    instance_uid: str | None = None,
    patient_id: str = "PAT1",
    patient_name: str = "DOE^JANE",
    age: str = "045Y",
    view: str = "PA",
    modality: str = "DX",
    body_part: str = "CHEST",
    rows: int = 256,
    columns: int = 224,
    bits: int = 12,
    photometric: str = "MONOCHROME2",
    quality_control: bool = False,
    pixels: Pixels | None = None,
    for_processing: bool = False,
    transfer_syntax: str = ExplicitVRLittleEndian,
    **tags: Any,
) -> FileDataset:
    """A valid DX or CR image; ``view`` is PA, AP, LL or RL; "" leaves the view out.

    ``tags`` are further attributes by keyword; None removes one. ``transfer_syntax``
    other than a native one compresses (RLE, JPEG 2000 and JPEG-LS lossless).
    """
    sop_class = _SOP_CLASSES[modality]
    if for_processing:
        sop_class = DigitalXRayImageStorageForProcessing
    ds = _instance(sop_class, instance_uid)
    _patient_and_study(ds, study_uid, series_uid, patient_id, patient_name, age)
    ds.Modality = modality
    ds.BodyPartExamined = body_part
    ds.SeriesDescription = f"Chest {view}".strip()
    ds.ViewPosition = view
    if quality_control:
        ds.QualityControlImage = "YES"
    picture = chest(rows, columns, bits=bits, lateral=view in ("LL", "RL"))
    if pixels is not None:
        picture = pixels
    elif photometric == "MONOCHROME1":
        picture = ((1 << bits) - 1 - picture).astype(np.uint16)
    _pixels(ds, picture, bits, photometric)
    if modality == "DX":
        _digital_x_ray(ds, view, for_processing=for_processing)
    else:
        _computed_radiograph(ds)
    _set(ds, tags)
    return _compressed(ds, transfer_syntax)


def ct_slice(
    *,
    study_uid: str | None = None,
    series_uid: str | None = None,
    instance_uid: str | None = None,
    patient_id: str = "PAT1",
    patient_name: str = "DOE^JANE",
    **tags: Any,
) -> FileDataset:
    """One valid axial CT image of 64 × 64 pixels: something this node does not read."""
    ds = _instance(CTImageStorage, instance_uid)
    _patient_and_study(ds, study_uid, series_uid, patient_id, patient_name, "045Y")
    ds.Modality = "CT"
    ds.BodyPartExamined = "CHEST"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PatientOrientation = ["L", "P"]
    ds.FrameOfReferenceUID = generate_uid()
    ds.PositionReferenceIndicator = ""
    ds.ImagePositionPatient = [-160.0, -160.0, 0.0]
    ds.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    ds.SliceThickness = 5.0
    ds.PixelSpacing = [5.0, 5.0]
    ds.KVP = 120
    ds.PatientPosition = "HFS"
    ds.AcquisitionNumber = 1
    _pixels(ds, chest(64, 64), 12, "MONOCHROME2")
    ds.RescaleIntercept = -1024
    ds.RescaleSlope = 1
    ds.RescaleType = "HU"
    _set(ds, tags)
    return ds


def save(ds: FileDataset, folder_or_path: Path) -> Path:
    """Write as Part 10; into a folder it is named after its SOP Instance UID."""
    path = Path(folder_or_path)
    if path.is_dir():
        path = path / f"{ds.SOPInstanceUID}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def _instance(sop_class: UID, instance_uid: str | None) -> FileDataset:
    uid = instance_uid or generate_uid()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = uid
    return ds


def _patient_and_study(
    ds: Dataset, study: str | None, series: str | None, patient: str, name: str, age: str
) -> None:
    ds.PatientName = name
    ds.PatientID = patient
    ds.PatientBirthDate = ""
    ds.PatientSex = "F"
    ds.PatientAge = age
    ds.StudyInstanceUID = study or generate_uid()
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20260102"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101500"
    ds.AccessionNumber = "ACC1"
    ds.ReferringPhysicianName = "WARD^ONE"
    ds.StudyID = "1"
    ds.StudyDescription = "Chest radiograph"
    ds.SeriesInstanceUID = series or generate_uid()
    ds.SeriesNumber = 1
    ds.InstanceNumber = 1
    ds.Manufacturer = "Synthetic"
    ds.ManufacturerModelName = "Drawing"
    ds.DeviceSerialNumber = "1"
    ds.SoftwareVersions = "1"


def _pixels(ds: Dataset, picture: Pixels, bits: int, photometric: str) -> None:
    allocated = 8 if bits <= 8 else 16
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = photometric
    ds.Rows, ds.Columns = picture.shape
    ds.BitsAllocated = allocated
    ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = 0
    data = picture.astype("<u2" if allocated == 16 else "u1").tobytes()
    ds.PixelData = data + bytes(len(data) % 2)
    ds["PixelData"].VR = "OW" if allocated == 16 else "OB"


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


_VIEW_CODES = {
    "PA": ("272479007", "postero-anterior"),
    "AP": ("399348003", "antero-posterior"),
    "LL": ("399173006", "left lateral"),
    "RL": ("399198007", "right lateral"),
}


def _digital_x_ray(ds: Dataset, view: str, *, for_processing: bool) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PresentationIntentType = "FOR PROCESSING" if for_processing else "FOR PRESENTATION"
    ds.PatientOrientation = ["A", "F"] if view in ("LL", "RL") else ["L", "F"]
    ds.ImageLaterality = "U"
    ds.AnatomicRegionSequence = Sequence([_code("51185008", "SCT", "Chest")])
    if view in _VIEW_CODES:
        code = _code(_VIEW_CODES[view][0], "SCT", _VIEW_CODES[view][1])
        code.ViewModifierCodeSequence = Sequence([])
        ds.ViewCodeSequence = Sequence([code])
    ds.PositionerType = "NONE"
    ds.AcquisitionContextSequence = Sequence([])
    ds.ImagerPixelSpacing = [1.5, 1.5]
    ds.DetectorType = "DIRECT"
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = 1 if ds.PhotometricInterpretation == "MONOCHROME1" else -1
    ds.RescaleIntercept = 0
    ds.RescaleSlope = 1
    ds.RescaleType = "US"
    inverse = ds.PhotometricInterpretation == "MONOCHROME1"
    ds.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    ds.LossyImageCompression = "00"
    ds.BurnedInAnnotation = "NO"
    if not for_processing:
        ds.WindowCenter = 1 << (ds.BitsStored - 1)
        ds.WindowWidth = 1 << ds.BitsStored


def _computed_radiograph(ds: Dataset) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ["L", "F"]
    ds.ImagerPixelSpacing = [1.5, 1.5]
    ds.WindowCenter = 1 << (ds.BitsStored - 1)
    ds.WindowWidth = 1 << ds.BitsStored


def _set(ds: Dataset, tags: dict[str, Any]) -> None:
    for keyword, value in tags.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)


def _compressed(ds: FileDataset, transfer_syntax: str) -> FileDataset:
    syntax = UID(transfer_syntax)
    if syntax.is_compressed and not syntax.is_deflated:
        ds.compress(syntax, generate_instance_uid=False)
        return ds
    ds.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_little_endian:
        if ds.BitsAllocated == 16:
            ds["PixelData"].value = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
        ds.set_original_encoding(False, False, "utf8")
    return ds
