"""Query/Retrieve SCU: finds and fetches images of an archive by C-FIND, C-MOVE and C-GET.

PS3.4 C, Study Root. Every wait ends with the deadline; an archive that refuses, hangs or
speaks nonsense is a :class:`PriorUnavailable`, never a hanging thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import build_context, build_role

from cxr_node.config import PeerSection
from cxr_node.dicom.contexts import IMAGE_CLASSES, IMAGE_SYNTAXES, NATIVE
from cxr_node.dicom.fetched import Keep, keep_fetched
from cxr_node.dicom.query_keys import (
    found_images,
    found_studies,
    image_keys,
    retrieve_keys,
    series_keys,
    study_keys,
    wanted_series,
)
from cxr_node.dicom.reception import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION, StoreCommand
from cxr_node.dicom.store_scp import status_of
from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.errors import CxrNodeError, PriorUnavailable
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.prior_search import Deadline, FoundImage, FoundStudy

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
"""Study Root Query/Retrieve Information Model."""

_MOST_ANSWERS = 500
_LONGEST_CONNECT = 5.0
_SUCCESS = (0x0000, 0xB000)
_TOO_LATE = 0xA700

Options = Callable[[PeerSection, float], dict[str, Any]]
"""Further keyword arguments of ``AE.associate``, for a peer and the longest wait in seconds."""


def _plain(peer: PeerSection, seconds: float) -> dict[str, Any]:
    return {}


class QueryRetrieve:
    """Fulfils :class:`cxr_node.domain.prior_search.PriorArchive` for one DICOM archive.

    With ``move`` the archive sends to this node's own listener (C-MOVE), else it sends on
    the same association (C-GET).
    """

    def __init__(
        self,
        own_ae: str,
        peer: PeerSection,
        *,
        move: bool,
        most_bytes: int,
        options: Options = _plain,
    ) -> None:
        self._own_ae = own_ae
        self._peer = peer
        self._move = move
        self._most_bytes = most_bytes
        self._options = options

    @property
    def name(self) -> str:
        return self._peer.name

    @property
    def ae_title(self) -> str:
        return self._peer.ae_title

    def studies(
        self, patient: PatientFacts, dates: tuple[str, str], until: Deadline
    ) -> list[FoundStudy]:
        """C-FIND at STUDY level. Raises :class:`PriorUnavailable`."""
        with self._associated([(FIND, list(NATIVE))], until) as association:
            return found_studies(self._find(association, study_keys(patient, dates), until))

    def images(self, found: FoundStudy, most: int, until: Deadline) -> list[FoundImage]:
        """C-FIND at SERIES and IMAGE level: chest radiographs. Raises :class:`PriorUnavailable`."""
        images: list[FoundImage] = []
        with self._associated([(FIND, list(NATIVE))], until) as association:
            answers = self._find(association, series_keys(found), until)
            for series in wanted_series(answers, found):
                keys = image_keys(found.study.study_uid, series)
                images += found_images(self._find(association, keys, until), found, series)
                if len(images) >= most:
                    break
        return images[:most]

    def retrieve(
        self, images: Sequence[FoundImage], folder: Path, keep: Keep, until: Deadline
    ) -> int:
        """Have ``images`` sent. Raises :class:`PriorUnavailable`."""
        if self._move:
            return self._by_move(images, until)
        return self._by_get(images, folder, keep, until)

    def _by_move(self, images: Sequence[FoundImage], until: Deadline) -> int:
        done = 0
        with self._associated([(MOVE, list(NATIVE))], until) as association:
            for keys in _by_series(images):
                answers = association.send_c_move(keys, self._own_ae, MOVE)
                done += self._completed(association, answers, until)
        return done

    def _by_get(
        self, images: Sequence[FoundImage], folder: Path, keep: Keep, until: Deadline
    ) -> int:
        taken = _Taking(self._peer, folder, keep, self._most_bytes, until)
        handlers: list[Any] = [(evt.EVT_C_STORE, taken.store)]
        storage = [
            (str(uid), [str(syntax)])
            for uid, syntax in itertools.product(IMAGE_CLASSES, IMAGE_SYNTAXES)
        ]
        contexts = [(GET, [str(uid) for uid in NATIVE]), *storage]
        roles = [build_role(uid, scp_role=True) for uid in IMAGE_CLASSES]
        with self._associated(contexts, until, handlers, roles) as association:
            for keys in _by_series(images):
                self._completed(association, association.send_c_get(keys, GET), until)
        return taken.number

    def _find(self, association: Association, keys: Dataset, until: Deadline) -> list[Dataset]:
        """Every pending answer. Raises :class:`PriorUnavailable` unless the last is success."""
        association.dimse_timeout = until.left
        found: list[Dataset] = []
        for status, identifier in association.send_c_find(keys, FIND):
            code = _checked(association, status, until)
            if code in (0xFF00, 0xFF01):
                found += [identifier] if identifier is not None else []
            elif code != 0x0000:
                raise PriorUnavailable(f"the query was refused: 0x{code:04X}")
            if len(found) >= _MOST_ANSWERS:
                association.abort()
                raise PriorUnavailable("the query has too many answers")
            association.dimse_timeout = until.left
        return found

    def _completed(
        self,
        association: Association,
        answers: Iterable[tuple[Dataset, Dataset | None]],
        until: Deadline,
    ) -> int:
        """Number of Completed Sub-operations (0000,1021) of the last answer."""
        code, completed = 0xFF00, 0
        association.dimse_timeout = until.left
        for status, _ in answers:
            code = _checked(association, status, until)
            completed = int(status.get("NumberOfCompletedSuboperations", completed) or 0)
            association.dimse_timeout = until.left
        if code not in _SUCCESS:
            raise PriorUnavailable(f"the retrieval was refused: 0x{code:04X}")
        return completed

    @contextmanager
    def _associated(
        self,
        contexts: Sequence[tuple[str, list[str]]],
        until: Deadline,
        handlers: list[Any] | None = None,
        roles: list[SCP_SCU_RoleSelectionNegotiation] | None = None,
    ) -> Iterator[Association]:
        if until.past:
            raise PriorUnavailable("no time is left")
        entity = self._entity(contexts, until)
        options = self._options(self._peer, until.left)
        handlers = [*options.pop("evt_handlers", []), *(handlers or [])]
        try:
            association = entity.associate(
                self._peer.host,
                self._peer.port,
                ae_title=self._peer.ae_title,
                ext_neg=[*(roles or [])],
                evt_handlers=handlers,
                **options,
            )
        except OSError as error:  # the name does not resolve
            raise PriorUnavailable("the archive has no address") from error
        if not association.is_established:
            raise PriorUnavailable("the archive accepts no association")
        try:
            yield association
        except BROKEN_VALUE as error:
            raise PriorUnavailable("the archive's answer cannot be used") from error
        finally:
            _end(association, until)

    def _entity(
        self, contexts: Sequence[tuple[str, list[str]]], until: Deadline
    ) -> ApplicationEntity:
        entity = ApplicationEntity(self._own_ae)
        entity.implementation_class_uid = IMPLEMENTATION_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION
        entity.requested_contexts = [build_context(uid, syntaxes) for uid, syntaxes in contexts]
        entity.connection_timeout = min(_LONGEST_CONNECT, until.left)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = until.left
        return entity


class _Taking:
    """Files what a C-GET brings, one data set at a time."""

    def __init__(
        self, peer: PeerSection, folder: Path, keep: Keep, most_bytes: int, until: Deadline
    ) -> None:
        self._peer = peer
        self._folder = folder
        self._keep = keep
        self._most_bytes = most_bytes
        self._until = until
        self.number = 0

    def store(self, event: evt.Event) -> int:
        """The C-STORE status (PS3.4 C.4.3)."""
        encoded = event.encoded_dataset(include_meta=False)
        if self._until.past or len(encoded) > self._most_bytes:
            return _TOO_LATE
        request = cast(C_STORE, event.request)
        command = StoreCommand(
            str(request.AffectedSOPClassUID),
            str(request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax),
        )
        try:
            keep_fetched(
                command, encoded, self._folder, (self._peer.ae_title, self._peer.host), self._keep
            )
        except CxrNodeError as error:
            return status_of(error)[0]
        self.number += 1
        return 0x0000


def _by_series(images: Sequence[FoundImage]) -> Iterator[Dataset]:
    for _, several in itertools.groupby(images, key=lambda image: image.series_uid):
        yield retrieve_keys(list(several))


def _checked(association: Association, status: Dataset, until: Deadline) -> int:
    """The status code; an empty status is the library's way to say: aborted, or too late."""
    if until.past:
        association.abort()
        raise PriorUnavailable("the archive takes too long")
    if "Status" not in status:
        raise PriorUnavailable("the archive stopped answering")
    return int(status.Status)


def _end(association: Association, until: Deadline) -> None:
    """Leave politely where there is time for it."""
    if not association.is_established:
        return
    if until.past:
        association.abort()
    else:
        association.acse_timeout = max(until.left, 0.1)
        association.release()
