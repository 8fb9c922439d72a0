"""What the objects beside the report have in common: series, UIDs, patient, study and maker.

Each kind of object is a series of its own in the source's study. All UIDs are computed from
what is said, so that the same result built twice is the same object (PS3.5 §B.2).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydicom import Dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.uid import ExplicitVRLittleEndian

from cxr_node import __version__
from cxr_node.domain.findings import ImageReference
from cxr_node.domain.identifiers import Uid, result_uid
from cxr_node.domain.results import ResultKind
from cxr_node.reporting.equipment import MODEL_NAME, identify, manufacturer_of
from cxr_node.reporting.measurement_report import ReportRequest
from cxr_node.reporting.patient_study import carry, character_sets, read_header, recorded_at
from cxr_node.reporting.series_descriptions import variant
from cxr_node.reporting.text import fit

_NUMBERS = {
    ResultKind.PAGE: 9100,
    ResultKind.PDF: 9200,
    ResultKind.KEY_OBJECT: 9300,
    ResultKind.PRESENTATION_STATE: 9400,
    ResultKind.SEGMENTATION: 9500,
}
"""Series Number (0020,0011); the number of the revision is added."""
_CARRIED = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)


class ResultSource:
    """What every series of one result needs, read and computed once.

    Raises :class:`NotConformant` if the source names no study.
    """

    def __init__(self, request: ReportRequest) -> None:
        self.request = request
        self.header = read_header(request.sources[0])
        self.study = Uid(str(self.header.get("StudyInstanceUID", "")))
        self.created: datetime = recorded_at(self.header, request.built_at)
        self.said = _digest(request)


class ResultSeries:
    """The series that one kind of object of one result goes into."""

    def __init__(self, source: ResultSource, kind: ResultKind, description: str) -> None:
        self.request = source.request
        self.kind = kind
        self.description = description
        self.source = source.header
        self.study = source.study
        self.created = source.created
        self._said = source.said

    def instance_uid(self, about: str = "") -> str:
        """UID of the object of this series that speaks of ``about`` (an image, say)."""
        return self._uid("instance", about)

    def arguments(self, number: int = 1, about: str = "") -> dict[str, Any]:
        """What every constructor of the library asks for."""
        model = self.request.reading.model
        return {
            "series_instance_uid": self._uid("series", ""),
            "series_number": _NUMBERS[self.kind] + self.request.revision,
            "sop_instance_uid": self.instance_uid(about),
            "instance_number": number,
            "manufacturer": manufacturer_of(model),
            "series_description": self.description,
            "series_date": self.created.date(),
            "series_time": self.created.time(),
            "transfer_syntax_uid": ExplicitVRLittleEndian,
        }

    def content_moment(self) -> dict[str, Any]:
        """Content Date and Time, for the kinds that have them."""
        return {"content_date": self.created.date(), "content_time": self.created.time()}

    def equipment(self) -> dict[str, Any]:
        """The further equipment arguments that some constructors insist on."""
        model = self.request.reading.model
        return {
            "manufacturer_model_name": MODEL_NAME,
            "software_versions": __version__,
            "device_serial_number": model.digest[:64],
        }

    def finished(self, made: Dataset) -> Dataset:
        """Add maker, patient and study, in the character set of the source."""
        made.InstanceCreationDate = self.created.strftime("%Y%m%d")
        made.InstanceCreationTime = self.created.strftime("%H%M%S")
        identify(made, self.request.reading.model, self.request.station_name, self.created)
        # After carrying, the library takes every VR as settled and would not write these.
        correct_ambiguous_vr(made, True)
        sets = character_sets(self.source)
        fit(made, sets)
        carry(self.source, made, sets)
        return made

    def evidence(self, image: ImageReference) -> Dataset:
        """An image as the library wants it; what is carried later stays empty."""
        found = Dataset()
        found.StudyInstanceUID = self.study.text
        found.SeriesInstanceUID = image.series_uid.text
        found.SOPInstanceUID = image.sop_instance_uid.text
        found.SOPClassUID = image.sop_class_uid.text
        found.Rows, found.Columns = image.rows, image.columns
        for keyword in _CARRIED:
            setattr(found, keyword, "")
        return found

    def _uid(self, what: str, about: str) -> str:
        request = self.request
        return result_uid(
            request.site_key,
            self.kind,
            what,
            about,
            self.study.text,
            request.revision,
            request.station_name,
            request.templates.version,
            __version__,
            self.description,
            self._said,
            *filter(None, [variant(request.series)]),
        ).text


def source_item(image: ImageReference) -> Dataset:
    """A reference to an image (PS3.3 Table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = image.sop_class_uid.text
    item.ReferencedSOPInstanceUID = image.sop_instance_uid.text
    return item


def _digest(request: ReportRequest) -> str:
    said = {"reading": asdict(request.reading), "decision": asdict(request.decision)}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
