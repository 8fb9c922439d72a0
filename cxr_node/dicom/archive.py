"""A small receiving AE that files what it is sent: the stand-in for a PACS in demo and tests.

Not an archive to rely on: it keeps one folder per study and answers C-ECHO and C-STORE.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

Answer = Callable[[Dataset], int]


class ReceivingAE:
    """Listens on loopback and writes ``folder/<study uid>/<modality>-<instance uid>.dcm``.

    ``answer`` may refuse: it is given each data set and returns the DIMSE status. SOP
    classes in ``without`` are not negotiated.
    """

    def __init__(
        self,
        folder: Path,
        ae_title: str = "PACS",
        answer: Answer | None = None,
        without: Collection[str] = (),
    ) -> None:
        self._folder = folder
        self._answer = answer or (lambda _: 0x0000)
        self._ae = AE(ae_title=ae_title)
        self._ae.require_called_aet = True
        self._ae.supported_contexts = [
            context
            for context in AllStoragePresentationContexts
            if context.abstract_syntax not in without
        ]
        self._ae.add_supported_context(Verification)
        self.port = 0

    def start(self, port: int = 0) -> int:
        """Listen; return the bound port."""
        server = self._ae.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        self.port = server.server_address[1] if server else port
        return self.port

    def stop(self) -> None:
        self._ae.shutdown()

    def _store(self, event: evt.Event) -> int:
        data_set = event.dataset
        data_set.file_meta = event.file_meta
        status = self._answer(data_set)
        if status != 0x0000:
            return status
        # UIDs become file names only after they proved to be UIDs.
        study, instance = data_set.StudyInstanceUID, data_set.SOPInstanceUID
        if not (study.is_valid and instance.is_valid):
            return 0xA900
        target = self._folder / study / f"{data_set.get('Modality', 'OT')}-{instance}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        data_set.save_as(target, enforce_file_format=True)
        return 0x0000
