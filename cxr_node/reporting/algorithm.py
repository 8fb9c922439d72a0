"""Algorithm Identification (PS3.16 TID 4019): which model, at which operating point."""

from __future__ import annotations

from collections.abc import Sequence

import highdicom.sr as hd

from cxr_node.domain.findings import Finding
from cxr_node.reporting.equipment import MODEL_NAME, manufacturer_of
from cxr_node.reporting.report_context import ReportContext
from cxr_node.reporting.text import clean_name


def _called(finding: Finding) -> list[str]:
    if finding.by_person:
        return ["presence stated by a person, not by the model"]
    kind = "calibrated" if finding.calibrated else "not calibrated"
    return [f"threshold {finding.threshold:.3g}", f"probability {kind}"]


def algorithm(
    context: ReportContext, finding: Finding | None = None, notes: Sequence[str] = ()
) -> hd.AlgorithmIdentification:
    """The model and the templates; for a finding also how it was called present."""
    model = context.reading.model
    parameters = [f"model digest {model.digest}", f"templates {context.templates.version}"]
    if finding is not None:
        parameters += _called(finding)
        if finding.confidence is not None:
            parameters.append(f"confidence {finding.confidence:.2f}")
    return hd.AlgorithmIdentification(
        name=clean_name(model.name) or MODEL_NAME,
        version=clean_name(model.version) or model.digest,
        parameters=[*parameters, *notes],
        family=context.codes.concepts.algorithm_family.code,
        manufacturer=manufacturer_of(model),
    )
