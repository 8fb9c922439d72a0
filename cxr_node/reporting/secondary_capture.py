"""The readable page as a Secondary Capture (PS3.3 A.8): what any viewer can show.

RGB in Explicit VR Little Endian without compression, because some archives fail on other
forms of it. The words are part of the pixels, and the header says so.
"""

from __future__ import annotations

import highdicom as hd
import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from cxr_node.reporting.page.marks import DOTS_PER_INCH
from cxr_node.reporting.page.status import signed
from cxr_node.reporting.result_series import ResultSeries, source_item

_MILLIMETRES_AN_INCH = 25.4


def secondary_capture(series: ResultSeries, page: Image.Image) -> Dataset:
    """``page`` is RGB, A4 at 150 dots an inch."""
    wording = series.request.templates.wording
    made: Dataset = hd.sc.SCImage(
        pixel_array=np.asarray(page),
        photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=hd.CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "F"),
        study_instance_uid=series.study.text,
        **series.arguments(),
        **series.content_moment(),
    )
    # The page has a left and a right of its own, not the patient's.
    made.PatientOrientation = None
    made.Laterality = None
    made.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    made.BurnedInAnnotation = "YES"
    made.ConversionType = "WSD"
    made.LossyImageCompression = "00"
    pitch = f"{_MILLIMETRES_AN_INCH / DOTS_PER_INCH:.6f}"
    made.NominalScannedPixelSpacing = [pitch, pitch]
    made.DerivationDescription = f"{wording.page.title}; {signed(series.request.reading, wording)}"
    made.DateOfSecondaryCapture = series.created.strftime("%Y%m%d")
    made.TimeOfSecondaryCapture = series.created.strftime("%H%M%S")
    _refer(series, made)
    return series.finished(made)


def _refer(series: ResultSeries, made: Dataset) -> None:
    """The images the page was made from (PS3.3 C.7.6.1.1.4)."""
    purpose = Dataset()
    code = standard.DCM.SourceImageForImageProcessingOperation
    purpose.CodeValue = code.value
    purpose.CodingSchemeDesignator = code.scheme_designator
    purpose.CodeMeaning = code.meaning
    items = []
    for image in series.request.reading.images:
        item = source_item(image)
        item.PurposeOfReferenceCodeSequence = [purpose]
        items.append(item)
    made.SourceImageSequence = items
