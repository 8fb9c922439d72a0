"""Key Object Selection (PS3.3 A.35.4, PS3.16 TID 2010): look at this image first.

Built only for a flagged study. No title of CID 7010 means "time-critical": the title is
"Of Interest", and the description says why and how urgent.
"""

from __future__ import annotations

import highdicom as hd
import highdicom.sr as sr
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from cxr_node.domain.findings import ImageReference, Reading
from cxr_node.reporting.equipment import MODEL_NAME, manufacturer_of
from cxr_node.reporting.page.content import headline
from cxr_node.reporting.page.status import signed
from cxr_node.reporting.result_series import ResultSeries
from cxr_node.reporting.text import clean_line, clean_name

_LONGEST = 1_000


def key_objects(series: ResultSeries) -> Dataset:
    """The images that show what was flagged, and the reason in words."""
    request = series.request
    wording = request.templates.wording
    decision = request.decision
    words = wording.rules.get(decision.rule, decision.words).rstrip(".")
    reason = wording.page.proposal.format(priority=decision.priority, words=words)
    told = [signed(request.reading, wording), reason, headline(request.reading, wording)]
    evidence = [series.evidence(image) for image in key_images(request.reading)]
    content = hd.ko.KeyObjectSelection(
        document_title=standard.DCM.OfInterest,
        referenced_objects=evidence,
        observer_device_context=_observer(series),
        description=clean_line(". ".join((told[0], " ".join(told[1:]))), _LONGEST),
    )
    made: Dataset = hd.ko.KeyObjectSelectionDocument(
        evidence=evidence, content=content, **series.arguments(), **series.content_moment()
    )
    return series.finished(made)


def key_images(reading: Reading) -> list[ImageReference]:
    """Those with a box on them; without any box, the one read first."""
    boxed = {f.box.sop_instance_uid for f in reading.present if f.box}
    return [i for i in reading.images if i.sop_instance_uid in boxed] or [reading.images[0]]


def _observer(series: ResultSeries) -> sr.ObserverContext:
    model = series.request.reading.model
    return sr.ObserverContext(
        observer_type=standard.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=model.device_uid.text,
            name=clean_name(series.request.station_name) or MODEL_NAME,
            manufacturer_name=manufacturer_of(model),
            model_name=MODEL_NAME,
            serial_number=model.digest,
        ),
    )
