"""Reads the header of a received file, once, into the facts the rest of the node uses."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from cxr_node.dicom import projection, values
from cxr_node.dicom.elements import PIXEL_TAGS, Caps, Walker
from cxr_node.dicom.part10 import Frame, read_frame
from cxr_node.domain.errors import (
    MalformedUid,
    Unreadable,
    WrongInstance,
    WrongSopClass,
    WrongStudy,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import (
    InstanceFacts,
    PatientFacts,
    PixelFacts,
    Received,
    StudyFacts,
)

OWN_MODEL = "cxr-node"
_OWN_MODALITIES = frozenset({"SR", "KO", "OT"})
_DEFER_BYTES = 65_536
_DEPARTMENT = ("CurrentPatientLocation", "RequestingService", "InstitutionalDepartmentName")


def read_facts(
    path: Path,
    *,
    own_device_uids: Collection[str] = (),
    max_elements: int = 100_000,
    max_depth: int = 32,
) -> InstanceFacts:
    """Check the whole data set up to its pixels, then read the header values.

    ``own_device_uids`` are the Device UIDs that this node writes into its results.

    Raises :class:`Unreadable` for a file that is cut, too deep or too long;
    :class:`WrongInstance`, :class:`WrongSopClass` or :class:`WrongStudy` where the UID
    is absent (study and series: or malformed); :class:`MalformedUid` for a SOP Instance
    UID that is none. Other values that cannot be read are treated as absent.
    """
    frame, has_pixels = _walk(path, Caps(max_elements, max_depth))
    try:
        ds = dcmread(path, stop_before_pixels=True, defer_size=_DEFER_BYTES)
    except values.BROKEN_VALUE as error:
        raise Unreadable("the header cannot be parsed") from error
    return InstanceFacts(
        sop_instance_uid=_instance_uid(ds),
        sop_class_uid=_class_uid(ds),
        series_uid=_study_level_uid(ds, "SeriesInstanceUID"),
        transfer_syntax=frame.transfer_syntax,
        study=_study(ds),
        patient=_patient(ds),
        modality=values.text(ds, "Modality"),
        body_part=_body_part(ds),
        view=projection.view(ds),
        age_years=values.age_years(ds),
        quality_control=values.text(ds, "QualityControlImage").upper() == "YES",
        own_result=_own_result(ds, frozenset(own_device_uids)),
        pixels=_pixels(ds, has_pixels=has_pixels),
    )


def check_command(facts: InstanceFacts, received: Received) -> None:
    """Compare data set and C-STORE command (PS3.4 B.2.3).

    Raises :class:`WrongSopClass` or :class:`WrongInstance` where they disagree.
    """
    if facts.sop_class_uid.text != received.sop_class_uid:
        raise WrongSopClass("data set and command name different SOP classes")
    if facts.sop_instance_uid.text != received.sop_instance_uid:
        raise WrongInstance("data set and command name different SOP instances")


def _walk(path: Path, caps: Caps) -> tuple[Frame, bool]:
    """Refuse malformed bytes; True where there is pixel data that is not empty."""
    try:
        with path.open("rb") as stream:
            frame = read_frame(stream)
            walker = Walker(stream, frame.start, frame.end, frame.encoding, caps)
            filled = [e.length > 0 for e in walker.top_level() if e.tag in PIXEL_TAGS]
    except OSError as error:
        raise Unreadable("the file cannot be read") from error
    return frame, any(filled)


def _instance_uid(ds: Dataset) -> Uid:
    found = values.uid(ds, "SOPInstanceUID")
    if found is None:
        raise WrongInstance("the data set names no SOP instance")
    return found


def _class_uid(ds: Dataset) -> Uid:
    try:
        found = values.uid(ds, "SOPClassUID")
    except MalformedUid as error:
        raise WrongSopClass("the SOP class UID is malformed") from error
    if found is None:
        raise WrongSopClass("the data set names no SOP class")
    return found


def _study_level_uid(ds: Dataset, keyword: str) -> Uid:
    try:
        found = values.uid(ds, keyword)
    except MalformedUid as error:
        raise WrongStudy("study or series UID is malformed") from error
    if found is None:
        raise WrongStudy("the data set names no study or no series")
    return found


def _study(ds: Dataset) -> StudyFacts:
    return StudyFacts(
        study_uid=_study_level_uid(ds, "StudyInstanceUID"),
        accession_number=values.text(ds, "AccessionNumber"),
        study_id=values.text(ds, "StudyID"),
        study_date=values.text(ds, "StudyDate"),
        study_time=values.text(ds, "StudyTime"),
        description=values.text(ds, "StudyDescription"),
        referring_physician=values.text(ds, "ReferringPhysicianName"),
        department="; ".join(filter(None, (values.text(ds, name) for name in _DEPARTMENT))),
    )


def _patient(ds: Dataset) -> PatientFacts:
    return PatientFacts(
        patient_id=values.text(ds, "PatientID"),
        issuer=values.text(ds, "IssuerOfPatientID"),
        name=values.text(ds, "PatientName"),
        birth_date=values.text(ds, "PatientBirthDate"),
        sex=values.text(ds, "PatientSex"),
    )


def _body_part(ds: Dataset) -> str:
    """Body Part Examined, or the meaning of the anatomic region where it is empty."""
    named = values.text(ds, "BodyPartExamined")
    if named:
        return named
    regions = values.items(ds, "AnatomicRegionSequence")
    return values.text(regions[0], "CodeMeaning") if regions else ""


def _own_result(ds: Dataset, own: frozenset[str]) -> bool:
    devices = {values.text(ds, "DeviceUID")}
    for item in values.items(ds, "ContributingEquipmentSequence"):
        devices.add(values.text(item, "DeviceUID"))
    if own & {uid for named in devices for uid in named.split("\\") if uid}:
        return True
    ours = values.text(ds, "ManufacturerModelName").lower() == OWN_MODEL
    return ours and values.text(ds, "Modality") in _OWN_MODALITIES


def _pixels(ds: Dataset, *, has_pixels: bool) -> PixelFacts:
    only_us = ("US",)
    slope_ok = values.usable_factor(ds, "RescaleSlope", zero_allowed=False)
    intercept_ok = values.usable_factor(ds, "RescaleIntercept", zero_allowed=True)
    return PixelFacts(
        rows=values.integer(ds, "Rows", only_us),
        columns=values.integer(ds, "Columns", only_us),
        frames=_count(ds, "NumberOfFrames"),
        samples=_count(ds, "SamplesPerPixel"),
        photometric=values.text(ds, "PhotometricInterpretation"),
        bits_allocated=values.integer(ds, "BitsAllocated", only_us),
        bits_stored=values.integer(ds, "BitsStored", only_us),
        high_bit=values.integer(ds, "HighBit", only_us),
        pixel_representation=values.integer(ds, "PixelRepresentation", only_us),
        rescale_ok=slope_ok and intercept_ok,
        has_pixels=has_pixels,
    )


def _count(ds: Dataset, keyword: str) -> int:
    """One where absent or empty (PS3.3 C.7.6.6); zero where unusable."""
    found = values.element(ds, keyword)
    if keyword not in ds or (found is not None and found.VM == 0):
        return 1
    return values.integer(ds, keyword) or 0
