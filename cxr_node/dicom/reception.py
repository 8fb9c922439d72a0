"""A data set on its way from the wire into a Part 10 file of the spool's partial folder.

Fragments go straight to disk: memory does not grow with the image. A failure is kept
until the whole message has passed, because only then may a status be answered.
"""

from __future__ import annotations

import errno
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pydicom.filebase import DicomIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta

from cxr_node.dicom.elements import Encoding, Walker
from cxr_node.domain.errors import (
    CxrNodeError,
    MalformedUid,
    SpoolFull,
    StoreUnavailable,
    Unreadable,
)
from cxr_node.domain.events import Event, emit_failure
from cxr_node.domain.identifiers import Uid, result_uid

IMPLEMENTATION_UID = UID(result_uid("cxr-node implementation").text)
IMPLEMENTATION_VERSION = "CXR-NODE"

_STUDY_TAG = 0x0020000D
_PEEK_BYTES = 65_536
_PROGRESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StoreCommand:
    """What a C-STORE command says of the data set that follows; unchecked text."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str


def write_head(file: BinaryIO, command: StoreCommand) -> None:
    """Preamble and file meta information (PS3.10 §7.1): the same bytes by whatever way it came."""
    file.write(bytes(128) + b"DICM")
    meta = create_file_meta(
        sop_class_uid=UID(command.sop_class_uid),
        sop_instance_uid=UID(command.sop_instance_uid),
        transfer_syntax=UID(command.transfer_syntax),
        implementation_uid=IMPLEMENTATION_UID,
        implementation_version=IMPLEMENTATION_VERSION,
    )
    write_file_meta_info(cast(DicomIO, file), meta)


class Progress:
    """Reports that bytes of a study are arriving, once a second for each association."""

    def __init__(self, report: Callable[[Uid], None]) -> None:
        self._report = report
        self._last = time.monotonic()

    def moved(self, study: Uid) -> None:
        now = time.monotonic()
        if now - self._last < _PROGRESS_SECONDS:
            return
        self._last = now
        try:
            self._report(study)
        except CxrNodeError as error:  # the instance itself will tell the sender
            emit_failure(Event.LOOP_FAILED, error, study=study)


class StudyPeek:
    """Finds the Study Instance UID in the first bytes of a data set."""

    def __init__(self, transfer_syntax: str) -> None:
        syntax = UID(transfer_syntax)
        self._encoding = Encoding(not syntax.is_implicit_VR, syntax.is_little_endian)
        self._head = bytearray()
        self.study: Uid | None = None

    def feed(self, fragment: bytes) -> None:
        """Look again with more bytes; gives up after 64 KiB."""
        if self.study is not None or len(self._head) >= _PEEK_BYTES:
            return
        self._head += fragment[: _PEEK_BYTES - len(self._head)]
        stream = io.BytesIO(self._head)
        try:
            for element in Walker(stream, 0, len(self._head), self._encoding).top_level():
                if element.tag == _STUDY_TAG:
                    stream.seek(element.offset)
                    raw = stream.read(element.length)
                    self.study = Uid(raw.decode("ascii", "replace").rstrip("\0 "))
                    return
        except (Unreadable, MalformedUid):
            return  # not there yet, or never; the header check decides later


class ArrivingDataSet(io.BytesIO):
    """Stands in for the library's memory buffer and writes to a file instead.

    ``failure`` holds what went wrong, if anything; after it, bytes are thrown away.
    ``too_long`` is called once when the message passes ``max_bytes``.
    """

    def __init__(
        self,
        command: StoreCommand,
        *,
        folder: Path,
        check_room: Callable[[], None],
        progress: Progress,
        max_bytes: int,
        too_long: Callable[[], None],
    ) -> None:
        super().__init__()
        self.command = command
        self.failure: CxrNodeError | None = None
        self.path: Path | None = None
        self._file: BinaryIO | None = None
        self._received = 0
        self._max_bytes = max_bytes
        self._too_long = too_long
        self._progress = progress
        self._peek = StudyPeek(command.transfer_syntax)
        self._attempt(lambda: self._open(folder, check_room))

    def write(self, fragment: object) -> int:
        """Take one fragment. Never raises: see ``failure``."""
        data = cast(bytes, fragment)
        before = self._received
        self._received += len(data)
        if self._received > self._max_bytes:
            if before <= self._max_bytes:
                self.discard()
                self._too_long()
            return len(data)
        self._attempt(lambda: self._append(data))
        return len(data)

    def finish(self) -> Path:
        """Close the file and hand it over. Raises the failure, if there was one."""
        self._attempt(self._close)
        if self.failure is not None or self.path is None:
            self.discard()
            raise self.failure or StoreUnavailable("nothing was written")
        return self.path

    def discard(self) -> None:
        """Remove the file, if it is still where it was written."""
        self._attempt(self._close)
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except CxrNodeError as error:
            self.failure = self.failure or error
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            kind = SpoolFull if full else StoreUnavailable
            self.failure = self.failure or kind("the data set cannot be written")

    def _open(self, folder: Path, check_room: Callable[[], None]) -> None:
        Uid(self.command.sop_instance_uid)
        Uid(self.command.sop_class_uid)
        check_room()
        handle, name = tempfile.mkstemp(prefix="in-", suffix=".part", dir=folder)
        self.path = Path(name)
        self._file = open(handle, "wb")  # noqa: PTH123, SIM115 - lives as long as the message
        write_head(self._file, self.command)

    def _append(self, data: bytes) -> None:
        if self._file is None or self.failure is not None:
            return
        self._file.write(data)
        self._peek.feed(data)
        if self._peek.study is not None:
            self._progress.moved(self._peek.study)

    def _close(self) -> None:
        if self._file is not None:
            opened, self._file = self._file, None
            opened.close()


class Reception:
    """The data sets of one association that are arriving or waiting for their handler."""

    def __init__(self, begin: Callable[[StoreCommand], ArrivingDataSet]) -> None:
        self._begin = begin
        self._open: list[ArrivingDataSet] = []

    def begin(self, command: StoreCommand) -> ArrivingDataSet:
        found = self._begin(command)
        self._open.append(found)
        return found

    def handled(self, data_set: ArrivingDataSet) -> None:
        """The handler is through with it: remove what it left."""
        data_set.discard()
        if data_set in self._open:
            self._open.remove(data_set)

    def end(self) -> None:
        """The association is over: nothing that was in flight stays behind."""
        for data_set in self._open:
            data_set.discard()
        self._open.clear()
