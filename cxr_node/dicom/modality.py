"""Sends files as a modality does: one association per study, the bytes exactly as they are.

For the demo and the tests. Files are not parsed beyond what the association needs, so that
a malformed one arrives malformed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from cxr_node.config import PeerSection
from cxr_node.config_security import TlsSection
from cxr_node.dicom.calling import calling_options
from cxr_node.dicom.values import BROKEN_VALUE

# A path given to send_c_store is then sent as it lies on disk, never decoded.
_config.STORE_SEND_CHUNKED_DATASET = True


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file; ``status`` is None when it could not be offered at all."""

    path: Path
    status: int | None
    words: str

    @property
    def taken(self) -> bool:
        return self.status == 0x0000


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    header: FileDataset
    sop_class: UID
    syntax: UID


class Modality:
    """One sender, bound to one receiver."""

    def __init__(
        self,
        own_ae: str,
        receiver: PeerSection,
        timeout_seconds: float = 30.0,
        tls: TlsSection | None = None,
    ) -> None:
        self._tls = tls or TlsSection()
        self._own_ae = own_ae
        self._receiver = receiver
        self._timeout = timeout_seconds

    def send(self, paths: Sequence[Path]) -> list[Sent]:
        """Send every file over one association; never raises for what the receiver refuses."""
        opened = [_open(path) for path in paths]
        files = [found for found in opened if isinstance(found, _File)]
        answers = [found for found in opened if isinstance(found, Sent)]
        if not files:
            return answers
        association = self._associate(files)
        if not association.is_established:
            return answers + [Sent(f.path, None, _no_association(association, f)) for f in files]
        try:
            answers += [_send(association, file) for file in files]
        finally:
            if association.is_established:
                association.release()
        return answers

    def _associate(self, files: Sequence[_File]) -> Association:
        entity = ApplicationEntity(self._own_ae)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._timeout
        for sop_class, syntax in sorted({(file.sop_class, file.syntax) for file in files}):
            entity.add_requested_context(sop_class, syntax)
        peer = self._receiver
        options = calling_options(peer, self._tls, self._timeout)
        return entity.associate(peer.host, peer.port, ae_title=peer.ae_title, **options)


def _open(path: Path) -> _File | Sent:
    try:
        header = dcmread(path, force=True, stop_before_pixels=True, defer_size=1024)
        sop_class = UID(str(header.file_meta.get("MediaStorageSOPClassUID") or header.SOPClassUID))
    except BROKEN_VALUE:
        return Sent(path, None, "not a DICOM file that can be sent")
    syntax = UID(str(header.file_meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian))
    return _File(path, header, sop_class, syntax)


def _send(association: Association, file: _File) -> Sent:
    try:
        answer = association.send_c_store(_sendable(file))
    except (ValueError, AttributeError, RuntimeError) as error:
        refused = "presentation context" in str(error)
        words = f"no {file.sop_class.name} is taken here" if refused else "cannot be sent"
        return Sent(file.path, None, words)
    if "Status" not in answer:
        return Sent(file.path, None, "the association ended without an answer")
    words = str(answer.get("ErrorComment", "")) or "taken"
    return Sent(file.path, int(answer.Status), words)


def _sendable(file: _File) -> Path | Dataset:
    """The file itself; one without preamble or file meta must be read to be sent."""
    if file.header.preamble and "MediaStorageSOPInstanceUID" in file.header.file_meta:
        return file.path
    data_set = dcmread(file.path, force=True)
    data_set.file_meta.TransferSyntaxUID = file.syntax
    return data_set


def _no_association(association: Association, file: _File) -> str:
    if association.is_rejected:
        return "the association was rejected"
    if association.rejected_contexts:
        return f"no {file.sop_class.name} is taken here"
    return "no association"
