"""The Structured Report: PS3.16 TID 1500 in a Comprehensive 3D SR or a Comprehensive SR.

Everything in it follows from the request, its UIDs included: building the same request
twice gives the same object.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import highdicom.sr as hd
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.uid import ExplicitVRLittleEndian

from cxr_node import __version__
from cxr_node.config import SrProfile
from cxr_node.config_series import USUAL_SERIES, SeriesObject, SeriesSection
from cxr_node.domain.assessment import Assessment
from cxr_node.domain.errors import NotConformant
from cxr_node.domain.findings import Reading
from cxr_node.domain.identifiers import Uid, result_uid
from cxr_node.domain.priority import PriorityDecision
from cxr_node.reporting import content_items as item
from cxr_node.reporting.amended import (
    amendment_items,
    assessment_items,
    date_verification,
    person_observer,
    verification,
)
from cxr_node.reporting.equipment import MODEL_NAME, identify, manufacturer_of
from cxr_node.reporting.evaluations import evaluations
from cxr_node.reporting.image_library import image_library
from cxr_node.reporting.measurement_groups import measurement_groups
from cxr_node.reporting.patient_study import (
    carry,
    character_sets,
    procedures,
    read_header,
    recorded_at,
)
from cxr_node.reporting.pixel_spacing import pixel_spacing
from cxr_node.reporting.report_context import ReportContext
from cxr_node.reporting.series_descriptions import series_description, variant
from cxr_node.reporting.templates import Templates
from cxr_node.reporting.text import clean_name, fit

SrClass = Literal["comprehensive-3d", "comprehensive"]
_CLASSES = {"comprehensive-3d": hd.Comprehensive3DSR, "comprehensive": hd.ComprehensiveSR}
_SERIES_NUMBER = 9000


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """All that a report is made of."""

    reading: Reading
    sources: tuple[Path, ...]
    """Files of the images that were read, the one with the findings first."""
    templates: Templates
    revision: int
    decision: PriorityDecision
    built_at: datetime
    """Aware; the moment the reading was done rather than that of writing it down."""
    predecessor: Path | None = None
    """The report of an earlier revision, which this one replaces."""
    sr_class: SrClass = "comprehensive-3d"
    sr_profile: SrProfile = "viewer"
    station_name: str = "CXR-NODE"
    site_key: str = ""
    series: SeriesSection = USUAL_SERIES
    """What the objects are called where they go to."""
    assessments: tuple[Assessment, ...] = ()
    """What persons think of the findings of this study's readings, oldest first."""


def build_report(request: ReportRequest) -> Dataset:
    """Build the report. Raises :class:`NotConformant` if the source names no study."""
    headers = [read_header(path) for path in request.sources]
    source = headers[0]
    study = _study_uid(source)
    previous = [read_header(request.predecessor)] if request.predecessor else []
    uid = _report_uid(request, study, previous)
    library, items = _tree(request, headers, study)
    created = recorded_at(source, request.built_at)
    report: Dataset = _CLASSES[request.sr_class](
        evidence=_evidence(request.reading, study),
        # The constructor copies and searches its content: it needs the images alone.
        content=library,
        series_instance_uid=result_uid("series", uid.text).text,
        series_number=_SERIES_NUMBER + request.revision,
        sop_instance_uid=uid.text,
        instance_number=1,
        is_complete=True,
        **verification(request.reading.amendment),
        previous_versions=previous or None,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_date=created.date(),
        content_time=created.time(),
        series_date=created.date(),
        series_time=created.time(),
        series_description=described(request, "sr"),
        content_qualification="RESEARCH",
        coding_schemes=[_private_scheme(request.templates)],
    )
    report.ContentSequence = items
    report.InstanceCreationDate = report.ContentDate
    report.InstanceCreationTime = report.ContentTime
    identify(report, request.reading.model, request.station_name, created)
    date_verification(report, source, request.reading.amendment)
    sets = character_sets(source)
    fit(report, sets)
    carry(source, report, sets)
    return report


def predecessor_uid(report: Dataset) -> str:
    """SOP Instance UID of the document that this one replaces; empty without one."""
    for study in report.get("PredecessorDocumentsSequence") or ():
        for series in study.ReferencedSeriesSequence:
            return str(series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    return ""


def _tree(request: ReportRequest, headers: list[Dataset], study: Uid) -> tuple[Dataset, item.Items]:
    """The items of TID 1500, row by row; and a tree of its image library alone."""
    templates = request.templates
    concepts = templates.codes.concepts
    context = _context(request, headers, study)
    groups = measurement_groups(context)
    said = [
        *evaluations(context, request.decision),
        *amendment_items(context),
        *assessment_items(context, request.assessments),
    ]
    library = image_library(
        request.reading.images, headers, context.spacings, request.reading.prior
    )
    items = [
        *_language(templates),
        *_observer(request),
        *(
            item.code(concepts.procedure_reported, procedure, "HAS CONCEPT MOD")
            for procedure in procedures(headers[0]) or [concepts.default_procedure.code]
        ),
        *library,
        *([item.container(concepts.imaging_measurements, groups)] if groups else []),
        item.container(concepts.qualitative_evaluations, said),
    ]
    root = hd.ContainerContentItem(concepts.report_title.code, template_id="1500")
    root.ContentSequence = hd.ContentSequence(library)
    return root, items


def _context(request: ReportRequest, headers: list[Dataset], study: Uid) -> ReportContext:
    def tracking_uid(image: Uid, key: str) -> Uid:
        return result_uid(request.site_key, "tracking", study.text, image.text, key)

    spacings = {}
    for header in headers:
        found = pixel_spacing(header)
        if found is not None:
            spacings[Uid(str(header.SOPInstanceUID))] = found
    return ReportContext(
        reading=request.reading,
        templates=request.templates,
        profile=request.sr_profile,
        tracking_uid=tracking_uid,
        spacings=spacings,
    )


def _language(templates: Templates) -> hd.LanguageOfContentItemAndDescendants:
    language = templates.wording.language
    return hd.LanguageOfContentItemAndDescendants(
        hd.CodedConcept(language.value, "RFC5646", language.meaning)
    )


def _observer(request: ReportRequest) -> hd.ObservationContext:
    """TID 1001: the observer is a device, namely the model on this station.

    So is the person, where one has amended what the model said.
    """
    model = request.reading.model
    return hd.ObservationContext(
        observer_person_context=person_observer(request.reading.amendment, request.templates.codes),
        observer_device_context=hd.ObserverContext(
            observer_type=standard.DCM.Device,
            observer_identifying_attributes=hd.DeviceObserverIdentifyingAttributes(
                uid=model.device_uid.text,
                name=clean_name(request.station_name) or MODEL_NAME,
                manufacturer_name=manufacturer_of(model),
                model_name=MODEL_NAME,
                serial_number=model.digest,
            ),
        ),
    )


def _private_scheme(templates: Templates) -> CodingSchemeIdentificationItem:
    scheme = templates.codes.private_scheme
    return CodingSchemeIdentificationItem(
        designator=scheme.designator,
        name=scheme.name,
        responsible_organization=scheme.organization,
    )


def described(request: ReportRequest, kind: SeriesObject) -> str:
    """Series Description of one kind of object made of the request."""
    wording = request.templates.wording
    return series_description(kind, request.reading, request.decision, wording, request.series)


def _evidence(reading: Reading, study: Uid) -> list[Dataset]:
    """What the library needs of the images; patient and study values are carried later."""
    named = [(study, image) for image in reading.images]
    if reading.prior is not None:
        named.append((reading.prior.study_uid, reading.prior.image))
    found = []
    for belongs_to, image in named:
        evidence = Dataset()
        evidence.StudyInstanceUID = belongs_to.text
        evidence.SeriesInstanceUID = image.series_uid.text
        evidence.SOPInstanceUID = image.sop_instance_uid.text
        evidence.SOPClassUID = image.sop_class_uid.text
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
            setattr(evidence, keyword, "")
        for keyword in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
            setattr(evidence, keyword, "")
        found.append(evidence)
    return found


def _study_uid(source: Dataset) -> Uid:
    try:
        return Uid(str(source.StudyInstanceUID))
    except AttributeError as error:
        raise NotConformant("the image names no study") from error


def _report_uid(request: ReportRequest, study: Uid, previous: list[Dataset]) -> Uid:
    """Computed from everything the report says, so changed content has another UID."""
    said = {
        "reading": asdict(request.reading),
        "decision": asdict(request.decision),
        "assessments": [asdict(assessed) for assessed in request.assessments],
    }
    content = json.dumps(said, sort_keys=True, default=str)
    return result_uid(
        request.site_key,
        "report",
        study.text,
        request.revision,
        request.sr_class,
        request.sr_profile,
        request.station_name,
        request.templates.version,
        __version__,
        hashlib.sha256(content.encode("utf-8")).hexdigest(),
        *(str(earlier.SOPInstanceUID) for earlier in previous),
        *filter(None, [variant(request.series)]),
    )
