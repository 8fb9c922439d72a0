"""Sends result objects to their destinations by C-STORE, and asks them for an echo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import build_context

from cxr_node.config import PeerSection
from cxr_node.config_security import TlsSection
from cxr_node.dicom.calling import calling_options
from cxr_node.dicom.contexts import NATIVE, VERIFICATION
from cxr_node.dicom.reception import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION
from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.delivery import Verdict
from cxr_node.domain.errors import ClassNotTaken, Undeliverable

_LONGEST_CONNECT = 10.0


VERDICTS: tuple[tuple[int, int, Verdict], ...] = (
    (0xFFFF, 0x0000, Verdict.DONE),
    (0xF000, 0xB000, Verdict.DONE),  # stored, with a warning: coerced, elements discarded, …
    (0xFFFF, 0x0001, Verdict.DONE),
    (0xFFFF, 0x0107, Verdict.DONE),
    (0xFFFF, 0x0111, Verdict.DONE),  # it has this UID: what we send under one never changes
    (0xFFFF, 0x0116, Verdict.DONE),
    (0xFF00, 0xA700, Verdict.RETRY),  # out of resources
    (0xFFFF, 0x0110, Verdict.RETRY),  # processing failure
    (0xFFFF, 0x0210, Verdict.RETRY),  # duplicate invocation
    (0xFFFF, 0x0213, Verdict.RETRY),  # resource limitation
    (0xFFFF, 0xFE00, Verdict.RETRY),  # cancelled at the other end
    (0xFFFF, 0x0122, Verdict.NOT_TAKEN),  # SOP class not supported
    (0x0000, 0x0000, Verdict.REFUSED),  # A9xx, Cxxx, 0117, 0124, 0211, 0212: everything else
)
"""Mask, value, meaning; the first match decides (PS3.4 B.2.3 and GG.4, PS3.7 C)."""


def verdict_of(status: int) -> Verdict:
    """Look a C-STORE response status up in the table."""
    return next(found for mask, value, found in VERDICTS if status & mask == value)


class DimseSender:
    """Fulfils :class:`cxr_node.domain.ports.ObjectSender` for DICOM destinations.

    ``timeout_seconds`` bounds each wait of one attempt: connecting (at most 10 s),
    negotiating, the response, and the socket itself.
    """

    def __init__(
        self,
        own_ae: str,
        destinations: Sequence[PeerSection],
        timeout_seconds: float,
        max_pdu: int = 131_072,
        tls: TlsSection | None = None,
    ) -> None:
        self._own_ae = own_ae
        self._destinations = {peer.name: peer for peer in destinations}
        self._timeout = timeout_seconds
        self._max_pdu = max_pdu
        self._tls = tls or TlsSection()

    def send(self, destination: str, path: Path) -> int:
        """One C-STORE on its own association; returns 0x0000 or a warning status.

        Raises :class:`Undeliverable`, permanent where no repetition can help: the file
        cannot be read, the destination is not configured or refused the object;
        :class:`ClassNotTaken` where it takes no object of that class.
        """
        ds = _load(path)
        entity = self._entity()
        syntax = ds.file_meta.TransferSyntaxUID
        native = syntax in NATIVE
        entity.add_requested_context(ds.SOPClassUID, list(NATIVE) if native else [syntax])
        association = self._associate(entity, destination, ds.SOPClassUID.name)
        try:
            answer = association.send_c_store(ds)
        except (ValueError, AttributeError, RuntimeError) as error:
            lost = not association.is_established
            raise Undeliverable("the object could not be sent", permanent=not lost) from error
        finally:
            release(association)
        return _settled(answer, ds.SOPClassUID.name)

    def echo(self, destination: str) -> None:
        """C-ECHO. Raises :class:`Undeliverable` unless the answer is success."""
        entity = self._entity()
        entity.requested_contexts = [build_context(VERIFICATION, list(NATIVE))]
        association = self._associate(entity, destination)
        try:
            answer = association.send_c_echo()
        except (ValueError, RuntimeError) as error:
            raise Undeliverable("the echo could not be sent", permanent=False) from error
        finally:
            release(association)
        status = status_in(answer)
        if status != 0:
            raise Undeliverable("the echo was refused", permanent=False, status=status)

    def _entity(self) -> ApplicationEntity:
        entity = ApplicationEntity(self._own_ae)
        entity.implementation_class_uid = IMPLEMENTATION_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION
        entity.connection_timeout = min(_LONGEST_CONNECT, self._timeout)
        entity.acse_timeout = self._timeout
        entity.dimse_timeout = self._timeout
        entity.network_timeout = self._timeout
        return entity

    def _associate(
        self,
        entity: ApplicationEntity,
        destination: str,
        wanted: str = "Verification",
        roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    ) -> Association:
        peer = self._destinations.get(destination)
        if peer is None:
            raise Undeliverable("the destination is not configured", permanent=True)
        try:
            association = entity.associate(
                peer.host,
                peer.port,
                ae_title=peer.ae_title,
                max_pdu=self._max_pdu,
                ext_neg=list(roles),
                **calling_options(peer, self._tls, self._timeout),
            )
        except OSError as error:  # the name does not resolve
            raise Undeliverable("the destination has no address", permanent=False) from error
        if association.is_established:
            return association
        if association.rejected_contexts:
            raise ClassNotTaken(f"the destination takes no {wanted}")
        if association.is_rejected:
            raise Undeliverable("the association was rejected", permanent=False)
        raise Undeliverable("no association", permanent=False)


def _load(path: Path) -> FileDataset:
    try:
        return dcmread(path)
    except BROKEN_VALUE as error:
        raise Undeliverable("the object cannot be read", permanent=True) from error


def _settled(answer: Dataset, wanted: str) -> int:
    status = status_in(answer)
    verdict = verdict_of(status)
    if verdict is Verdict.NOT_TAKEN:
        raise ClassNotTaken(f"the destination takes no {wanted}", status=status)
    if verdict is Verdict.DONE:
        return status
    again = verdict is Verdict.RETRY
    words = "refused for now" if again else "refused"
    raise Undeliverable(f"{words}: 0x{status:04X}", permanent=not again, status=status)


def status_in(answer: Dataset) -> int:
    """The status of an answer. Raises :class:`Undeliverable` for an empty one.

    That is the library's way to say: aborted, or nothing came in time.
    """
    if "Status" not in answer:
        raise Undeliverable("no answer", permanent=False)
    return int(answer.Status)


def release(association: Association) -> None:
    """End it in the ordinary way, if it still is there."""
    if association.is_established:
        association.release()
