"""Asks a worklist by C-FIND (PS3.4 K), as a modality or reading station would."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from cxr_node.dicom.calling import TlsArguments
from cxr_node.domain.errors import Undeliverable
from cxr_node.domain.priority import Priority

_PENDING = (0xFF00, 0xFF01)


def find_priorities(
    host: str,
    port: int,
    *,
    calling_ae: str,
    called_ae: str,
    timeout_seconds: float = 10.0,
    tls: TlsArguments | None = None,
) -> dict[str, Priority]:
    """Study Instance UID to Requested Procedure Priority, in the order answered.

    Raises :class:`Undeliverable` when no association or no answer is had.
    """
    ae = AE(ae_title=calling_ae)
    ae.add_requested_context(ModalityWorklistInformationFind)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = timeout_seconds
    association = ae.associate(host, port, ae_title=called_ae, tls_args=tls)
    if not association.is_established:
        raise Undeliverable("the worklist accepts no association", permanent=False)
    try:
        answers = association.send_c_find(_query(), ModalityWorklistInformationFind)
        return dict(_priorities(answers))
    finally:
        association.release()


def _query() -> Dataset:
    query = Dataset()
    query.StudyInstanceUID = ""
    query.RequestedProcedurePriority = ""
    query.ScheduledProcedureStepSequence = [Dataset()]
    return query


def _priorities(
    answers: Iterator[tuple[Dataset, Dataset | None]],
) -> Iterator[tuple[str, Priority]]:
    for status, identifier in answers:
        if "Status" not in status:
            raise Undeliverable("the worklist stopped answering", permanent=False)
        if status.Status in _PENDING and identifier is not None:
            uid = identifier.StudyInstanceUID
            yield str(uid), Priority(identifier.RequestedProcedurePriority)
