"""The readable page as Encapsulated PDF (PS3.3 A.45.1), for archives that keep documents."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from cxr_node.reporting.page.status import is_verified, signed
from cxr_node.reporting.result_series import ResultSeries, source_item

_TITLE = ("18748-4", "LN", "Diagnostic imaging report")
"""Document title (PS3.16 CID 7020)."""


def encapsulated_pdf(series: ResultSeries, pdf: bytes) -> Dataset:
    """``pdf`` is a whole PDF file."""
    reading, wording = series.request.reading, series.request.templates.wording
    made = _series(series)
    made.InstanceNumber = 1
    made.ContentDate = series.created.strftime("%Y%m%d")
    made.ContentTime = series.created.strftime("%H%M%S")
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "YES"
    made.RecognizableVisualFeatures = "NO"
    made.DocumentTitle = f"{wording.page.title}; {signed(reading, wording)}"
    made.VerificationFlag = "VERIFIED" if is_verified(reading) else "UNVERIFIED"
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = _TITLE
    made.ConceptNameCodeSequence = [title]
    made.SourceInstanceSequence = [source_item(image) for image in series.request.reading.images]
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return series.finished(made)


def _series(series: ResultSeries) -> Dataset:
    arguments = series.arguments()
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = EncapsulatedPDFStorage
    made.SOPInstanceUID = arguments["sop_instance_uid"]
    made.StudyInstanceUID = series.study.text
    made.SeriesInstanceUID = arguments["series_instance_uid"]
    made.SeriesNumber = arguments["series_number"]
    made.SeriesDescription = series.description
    made.SeriesDate = series.created.strftime("%Y%m%d")
    made.SeriesTime = series.created.strftime("%H%M%S")
    made.Modality = "DOC"
    made.ConversionType = "WSD"
    return made
