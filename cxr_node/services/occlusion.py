"""Audit a study that the node has read: hide each finding's box and ask the model again.

Nothing is written and nothing delivered: the audit judges the model, not the patient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cxr_node.domain.errors import CxrNodeError, ModelRefused
from cxr_node.domain.findings import FindingKind, ModelIdentity, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import ImageReader, Progress, VisionModel
from cxr_node.reasoning.occlusion import Occlusion, occlusions
from cxr_node.reasoning.staged import StagedReader
from cxr_node.services.stored_runs import StoredRun, current_revision, stored_run
from cxr_node.store.database import Database


@dataclass(frozen=True, slots=True)
class OcclusionAudit:
    """What hiding did to each boxed finding of one study's current reading."""

    study_uid: str
    revision: int
    model: ModelIdentity
    findings: tuple[Occlusion, ...]
    without_box: tuple[FindingKind, ...]
    """Held present, but there is no place to hide."""


def auditable_run(db: Database, identity: ModelIdentity, study_uid: Uid) -> StoredRun:
    """The full reading of a study, if the model of ``identity`` made it from files still kept.

    Needs no weights. Raises :class:`CxrNodeError` saying what stands in the way.
    """
    with db.read() as session:
        run = stored_run(session, current_revision(session, study_uid.text), ReadingKind.READ)
    if run is None:
        raise CxrNodeError("the study has no full reading yet; there is no box to hide")
    reader = run.reading.model
    if reader.digest != identity.digest:
        raise ModelRefused(
            f"the study was read by {reader.name} {reader.version} ({reader.digest[:12]}), the "
            f"configured model is {identity.name} {identity.version} ({identity.digest[:12]})"
        )
    if altered := ", ".join(uid.text for uid in run.altered()):
        raise CxrNodeError(f"missing from the spool, or no longer what was received: {altered}")
    return run


def audit_run(
    run: StoredRun, images: ImageReader, model: VisionModel, progress: Progress = lambda: None
) -> OcclusionAudit:
    """Prepare the pictures of ``run`` again and hide box after box.

    Raises :class:`NotReadable` when a picture cannot be prepared, and errors of the model.
    """
    reader = StagedReader(model)
    request = replace(
        run.request(images, model.image_policy, progress),
        kind=ReadingKind.TRIAGE,
        prior=None,
        prior_unseen=False,
        prior_problem="",
    )
    present = run.reading.present
    return OcclusionAudit(
        study_uid=run.study_uid,
        revision=run.revision,
        model=run.reading.model,
        findings=occlusions(request, present, reader.read, progress),
        without_box=tuple(f.kind for f in present if f.box is None),
    )
