"""Files the node must decline: a CT image, and a radiograph that ends inside an element."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from cxr_node.domain.identifiers import result_uid
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import write_film
from cxr_node.phantom.batched.make import make_radiograph
from cxr_node.phantom.batched.vendors import VENDORS

_SIDE = 128
_FIELD_MM = 360.0


def write_ct(folder: Path, case: int) -> Path:
    """One axial slice of a schematic chest as a CT Image Storage object (PS3.3 A.3)."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = result_uid("phantom", case, "ct", "image").text
    dataset.StudyInstanceUID = result_uid("phantom", case, "ct").text
    dataset.SeriesInstanceUID = result_uid("phantom", case, "ct", "series").text
    dataset.FrameOfReferenceUID = result_uid("phantom", case, "ct", "frame").text
    _describe(dataset, case)
    _add_slice(dataset)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _describe(dataset: Dataset, case: int) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"PHANTOM^CASE {case:03d}"
    dataset.PatientID = f"QC-{case:04d}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.PatientAge = "050Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20260105"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "150000"
    dataset.StudyID = "1"
    dataset.AccessionNumber = f"QC{case:06d}"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Synthetic CT"
    dataset.Modality = "CT"
    dataset.Manufacturer = "CXR-NODE"
    dataset.BodyPartExamined = "CHEST"
    dataset.SeriesNumber = 1
    dataset.AcquisitionNumber = 1
    dataset.InstanceNumber = 1
    dataset.PatientPosition = "HFS"
    dataset.PositionReferenceIndicator = ""
    dataset.QualityControlImage = "YES"


def _add_slice(dataset: Dataset) -> None:
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    units = np.full((_SIDE, _SIDE), -1000)
    units[(x / 0.92) ** 2 + (y / 0.66) ** 2 < 1] = 40
    for side in (-1, 1):
        units[((x - side * 0.42) / 0.34) ** 2 + (y / 0.46) ** 2 < 1] = -850
    units[((x - 0.12) / 0.3) ** 2 + ((y + 0.1) / 0.28) ** 2 < 1] = 45
    units[x**2 + ((y - 0.45) / 1.0) ** 2 < 0.13**2] = 400
    spacing = f"{_FIELD_MM / _SIDE:.4f}"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ImagePositionPatient = [-_FIELD_MM / 2, -_FIELD_MM / 2, 0]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [spacing, spacing]
    dataset.SliceThickness = "5"
    dataset.KVP = "120"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = _SIDE
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept = -1024
    dataset.RescaleSlope = 1
    dataset.RescaleType = "HU"
    dataset.PixelData = (units + 1024).astype("<u2").tobytes()


def write_truncated(folder: Path, case: int) -> Path:
    """A radiograph whose file stops in the middle of its pixel data element."""
    film = make_radiograph(make_case(50_000_000 + case, signs=()), 256)
    path = write_film(film, folder, VENDORS[0])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 256 * 256])
    return path
