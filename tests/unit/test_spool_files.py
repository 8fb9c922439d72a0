"""The spool: names, durability, watermark, leftovers."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_node.domain.errors import MalformedUid, SpoolFull
from cxr_node.domain.identifiers import Uid
from cxr_node.spool import files
from cxr_node.spool.files import FileSpool, spool_path
from cxr_node.spool.sweep import orphans

UID = Uid("1.2.3")


@pytest.fixture
def spool(tmp_path: Path) -> FileSpool:
    return FileSpool(tmp_path / "spool", reserve_bytes=0)


def _partial(spool: FileSpool, data: bytes, name: str = "half") -> Path:
    path = spool.partial_folder() / name
    path.write_bytes(data)
    return path


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_filed_bytes_are_whole_and_the_partial_is_gone(spool: FileSpool) -> None:
    partial = _partial(spool, b"image")
    kept = spool.file(partial, UID, _sha(b"image"))
    assert kept.path.read_bytes() == b"image"
    assert (kept.sha256, kept.size) == (_sha(b"image"), 5)
    assert not partial.exists()


def test_the_same_bytes_twice_are_one_file(spool: FileSpool) -> None:
    first = spool.file(_partial(spool, b"image"), UID, _sha(b"image"))
    again = spool.file(_partial(spool, b"image"), UID, _sha(b"image"))
    assert first == again
    assert len(list(spool.root.glob("??/*.dcm"))) == 1


def test_other_bytes_under_one_uid_overwrite_nothing(spool: FileSpool) -> None:
    first = spool.file(_partial(spool, b"image"), UID, _sha(b"image"))
    other = spool.file(_partial(spool, b"other"), UID, _sha(b"other"))
    assert first.path.read_bytes() == b"image"
    assert other.path.read_bytes() == b"other"


def test_everything_is_synced_before_and_after_the_rename(
    spool: FileSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        order.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real_fsync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    kept = spool.file(_partial(spool, b"image"), UID, _sha(b"image"))
    shard = kept.path.parent.name
    assert order == ["sync spool", "sync half", "rename", f"sync {shard}"]


def test_own_objects_are_written_whole(spool: FileSpool) -> None:
    kept = spool.write(UID, b"report")
    assert kept.path == spool_path(spool.root, UID, _sha(b"report"))
    assert kept.path.read_bytes() == b"report"
    assert list(spool.partial_folder().iterdir()) == []


def test_below_the_reserve_nothing_is_taken_but_results_are_written(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path / "spool", reserve_bytes=1 << 62)
    with pytest.raises(SpoolFull):
        spool.check_room()
    partial = _partial(spool, b"image")
    with pytest.raises(SpoolFull):
        spool.file(partial, UID, _sha(b"image"))
    assert spool.write(UID, b"report").path.exists()


def test_a_full_disk_is_spool_full(spool: FileSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    partial = _partial(spool, b"image")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SpoolFull):
        spool.file(partial, UID, _sha(b"image"))
    with pytest.raises(SpoolFull):
        spool.write(UID, b"report")


def test_quarantine_keeps_the_bytes_under_the_reason(spool: FileSpool) -> None:
    kept = spool.quarantine(_partial(spool, b"bad"), "wrong-sop-class")
    assert kept.parent == spool.root / "quarantine" / "wrong-sop-class"
    assert kept.read_bytes() == b"bad"


@pytest.mark.parametrize("reason", ["", "../x", "a/b", "A", "x" * 40, "a\n"])
def test_a_quarantine_reason_is_a_code(spool: FileSpool, reason: str) -> None:
    with pytest.raises(ValueError, match="code"):
        spool.quarantine(_partial(spool, b"bad"), reason)


@given(text=st.text(max_size=70), digest=st.text(alphabet="0123456789abcdef./", max_size=70))
def test_no_text_leads_out_of_the_spool(text: str, digest: str) -> None:
    root = Path("/spool")
    try:
        path = spool_path(root, Uid(text), digest)
    except (MalformedUid, ValueError):
        return
    assert path.resolve().is_relative_to(root)
    assert text not in path.name


def test_leftovers_of_ended_processes_are_swept_and_of_living_ones_kept(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    leave = (
        "import sys; from pathlib import Path; from cxr_node.spool.files import FileSpool\n"
        "folder = FileSpool(Path(sys.argv[1]), 0).partial_folder()\n"
        "(folder / 'half').write_bytes(b'x')\n"
    )
    subprocess.run([sys.executable, "-c", leave, str(root)], check=True)
    living, sweeper = FileSpool(root, 0), FileSpool(root, 0)
    mine = _partial(living, b"still arriving")
    assert sweeper.sweep_partials() == 1
    assert mine.exists()
    assert [path.name for path in (root / files.PARTIAL).iterdir()] == [mine.parent.name]


def test_orphans_are_files_that_no_row_names(spool: FileSpool) -> None:
    kept = spool.write(UID, b"known")
    lost = spool.write(UID, b"lost")
    spool.quarantine(_partial(spool, b"bad"), "unreadable")
    later = time.time() + 60
    assert orphans(spool.root, {str(kept.path)}, written_before=later) == [lost.path]
    assert orphans(spool.root, set(), written_before=later - 3600) == []
