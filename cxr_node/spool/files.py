"""The spool: bytes written, fsynced, renamed and their folder fsynced before anyone is told.

A name owes nothing to the sender's bytes: it is made of two digests, of the SOP Instance
UID and of the content, so that a conflicting copy never overwrites the first one.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxr_node.domain.errors import SpoolFull
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import SpooledFile

_REASON = re.compile(r"[a-z][a-z-]{0,31}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
PARTIAL = "partial"
QUARANTINE = "quarantine"


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def spool_path(root: Path, instance: Uid, sha256: str) -> Path:
    """Where this content of this instance lives."""
    if not _SHA256.match(sha256):
        raise ValueError("a SHA-256 digest has 64 hexadecimal digits")
    name = hashlib.sha256(instance.text.encode("ascii")).hexdigest()
    return root / name[:2] / f"{name}-{sha256}.dcm"


class FileSpool:
    """:class:`cxr_node.domain.ports.Spool` on one local or shared file system."""

    def __init__(self, root: Path, reserve_bytes: int) -> None:
        self._root = root.absolute()
        self._reserve = reserve_bytes
        self._durable: set[Path] = set()
        self._partial: Path | None = None
        self._claim: int | None = None
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._root / PARTIAL).mkdir(mode=0o700, exist_ok=True)
        _sync_folder(self._root)
        _sync_folder(self._root.parent)

    @property
    def root(self) -> Path:
        return self._root

    def check_room(self) -> None:
        """Raise :class:`SpoolFull` when less than the reserve is free."""
        if shutil.disk_usage(self._root).free < self._reserve:
            raise SpoolFull("free space is below the reserve")

    def file(self, partial: Path, instance: Uid, sha256: str) -> SpooledFile:
        """Make ``partial`` durable; the same bytes twice end in the same one file."""
        self.check_room()
        return self._keep(partial, spool_path(self._root, instance, sha256), sha256)

    def write(self, name: Uid, data: bytes) -> SpooledFile:
        """Make the node's own object durable. May use the reserve: results come first."""
        partial = self.partial_folder() / secrets.token_hex(16)
        try:
            with _room():
                partial.write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            return self._keep(partial, spool_path(self._root, name, digest), digest)
        finally:
            partial.unlink(missing_ok=True)

    def quarantine(self, partial: Path, reason: str) -> Path:
        """Keep refused bytes aside under ``quarantine/<reason>``; ``reason`` is a code."""
        if not _REASON.match(reason):
            raise ValueError("a quarantine reason is a lower-case code")
        digest = sha256_of(partial)
        return self._keep(partial, self._root / QUARANTINE / reason / f"{digest}.dcm", digest).path

    def partial_folder(self) -> Path:
        """This process's own folder for unfinished files, on the spool's file system."""
        if self._partial is None:
            with self._partials_locked() as parent:
                folder = parent / secrets.token_hex(16)
                folder.mkdir(mode=0o700)
                # Held until this process ends, however it ends: a held lock means alive.
                self._claim = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                fcntl.flock(self._claim, fcntl.LOCK_EX)
                self._partial = folder
        return self._partial

    def sweep_partials(self) -> int:
        """Remove what processes that have ended left unfinished; the number of files."""
        removed = 0
        with self._partials_locked() as parent:
            for folder in parent.iterdir():
                if folder.is_dir() and folder != self._partial and _abandoned(folder):
                    removed += sum(1 for entry in folder.iterdir() if entry.is_file())
                    shutil.rmtree(folder)
        return removed

    def _keep(self, partial: Path, final: Path, sha256: str) -> SpooledFile:
        with _room():
            self._make_folder(final.parent)
            size = _sync_file(partial)
            partial.replace(final)
            _sync_folder(final.parent)
        return SpooledFile(final, sha256, size)

    def _make_folder(self, folder: Path) -> None:
        """Create below the root; synced once per process, as another may have created it."""
        if folder == self._root or folder in self._durable:
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)
        self._durable.add(folder)

    @contextmanager
    def _partials_locked(self) -> Iterator[Path]:
        """One process at a time: a folder is never swept between its making and its claim."""
        parent = self._root / PARTIAL
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield parent
        finally:
            os.close(descriptor)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise SpoolFull("no space is left for the spool") from error
        raise


def _sync_file(path: Path) -> int:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        return os.fstat(stream.fileno()).st_size


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _abandoned(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
