"""Algorithm Identification (PS3.16 TID 4019): which model, at which operating point."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.sr.codedict import codes as standard

from cxr_node.domain.findings import Finding
from cxr_node.reporting import content_items as item
from cxr_node.reporting.equipment import MODEL_NAME, manufacturer_of
from cxr_node.reporting.report_context import ReportContext
from cxr_node.reporting.text import clean_name

_NAME, _VERSION = standard.DCM.AlgorithmName, standard.DCM.AlgorithmVersion
_MANUFACTURER = standard.DCM.AlgorithmManufacturer
_PARAMETERS, _FAMILY = standard.DCM.AlgorithmParameters, standard.DCM.AlgorithmFamily


def algorithm(
    context: ReportContext, finding: Finding | None = None, notes: Sequence[str] = ()
) -> item.Items:
    """The model and the templates; for a finding also how it was called present."""
    model = context.reading.model
    parameters = [f"model digest {model.digest}", f"templates {context.templates.version}"]
    if finding is not None:
        parameters += _called(finding)
    texts = [
        (_NAME, clean_name(model.name) or MODEL_NAME),
        (_VERSION, clean_name(model.version) or model.digest),
        (_MANUFACTURER, manufacturer_of(model)),
        *((_PARAMETERS, text) for text in (*parameters, *notes)),
    ]
    family = context.codes.concepts.algorithm_family
    return [
        *(item.text(name, text, "HAS CONCEPT MOD") for name, text in texts),
        item.code(_FAMILY, family, "HAS CONCEPT MOD"),
    ]


def _called(finding: Finding) -> list[str]:
    said = ["presence stated by a person, not by the model"]
    if not finding.by_person:
        kind = "calibrated" if finding.calibrated else "not calibrated"
        said = [f"threshold {finding.threshold:.3g}", f"probability {kind}"]
    if finding.confidence is not None:
        said.append(f"confidence {finding.confidence:.2f}")
    return said
