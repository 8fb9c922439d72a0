"""A codec that crashes, hangs or eats memory ends its process, never the node (F23, F24)."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr_node.config import ImagingSection
from cxr_node.domain.errors import CxrNodeError, NotReadable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import ImagePolicy, SizePolicy
from cxr_node.imaging.reader import PixelReader
from tests.builders import radiograph, save

POLICY = ImagePolicy(SizePolicy.STRETCH, side=128)
SCRIPT = """
import os, signal, sys, time
import numpy as np
from cxr_node.imaging import decode_child
honest = decode_child.decode

def decode(path, stored, claims):
    if not path.name.startswith("bad"):
        return honest(path, stored, claims)
    {fault}

decode_child.decode = decode
decode_child.main()
"""
FAULTS = {
    "segfault": ("os.kill(os.getpid(), signal.SIGSEGV)", "decode"),
    "abort": ("os.abort()", "decode"),
    "quiet-exit": ("os._exit(0)", "decode"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "too-large"),
    "hang": ("time.sleep(3600)", "too-large"),
    "endless": ("\n    while True: pass", "too-large"),
    "memory": ("return np.ones(1 << 34, np.uint8)", "too-large"),
    "surprise": ("raise KeyError('x')", "decode"),
    "noise": (
        "os.write(2, b'PATIENT NAME' * 9999); sys.stdout.write('{'); raise KeyError",
        "decode",
    ),
}

Scripted = Callable[[str], PixelReader]


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    made: list[PixelReader] = []

    def start(fault: str) -> PixelReader:
        script = tmp_path / "scripted.py"
        script.write_text(SCRIPT.format(fault=fault))
        config = ImagingSection(memory_bytes=1 << 28, seconds=1.5)
        made.append(PixelReader(config, command=(sys.executable, str(script))))
        return made[-1]

    yield start
    for reader in made:
        reader.close()


@pytest.mark.parametrize("name", FAULTS)
def test_the_node_lives_and_the_next_image_is_read(
    scripted: Scripted, tmp_path: Path, name: str
) -> None:
    fault, reason = FAULTS[name]
    reader, dataset = scripted(fault), radiograph()
    bad, good = save(dataset, tmp_path / "bad.dcm"), save(dataset, tmp_path / "good.dcm")
    instance, node = Uid(dataset.SOPInstanceUID), os.getpid()
    assert reader.prepare(good, instance, POLICY).width == 128
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    for _ in range(2):
        with pytest.raises(NotReadable) as refusal:
            reader.prepare(bad, instance, POLICY)
        assert refusal.value.reason == reason
    assert time.monotonic() - start < 10
    assert reader.prepare(good, instance, POLICY).width == 128
    assert os.getpid() == node
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_child_killed_between_two_images_is_replaced(tmp_path: Path) -> None:
    reader, dataset = PixelReader(ImagingSection()), radiograph()
    path, instance = save(dataset, tmp_path), Uid(dataset.SOPInstanceUID)
    try:
        reader.prepare(path, instance, POLICY)
        first = reader.decoder_pid
        assert first
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{first}/stat").read_text().split()[2] != "Z":
            assert time.monotonic() < deadline
        assert reader.prepare(path, instance, POLICY).width == 128
        assert reader.decoder_pid != first
    finally:
        reader.close()


def test_close_leaves_no_child_and_is_not_final(tmp_path: Path) -> None:
    reader, dataset = PixelReader(ImagingSection()), radiograph()
    path, instance = save(dataset, tmp_path), Uid(dataset.SOPInstanceUID)
    reader.prepare(path, instance, POLICY)
    child = reader.decoder_pid
    reader.close()
    assert not Path(f"/proc/{child}").exists()
    assert reader.prepare(path, instance, POLICY).width == 128
    reader.close()


def test_a_fork_does_not_share_its_parents_child(tmp_path: Path) -> None:
    reader, dataset = PixelReader(ImagingSection()), radiograph()
    path, instance = save(dataset, tmp_path), Uid(dataset.SOPInstanceUID)
    reader.prepare(path, instance, POLICY)
    mine = reader.decoder_pid
    fork = os.fork()
    if fork == 0:
        same = True
        try:
            reader.prepare(path, instance, POLICY)
            same = reader.decoder_pid == mine
            reader.close()
        finally:
            os._exit(int(same))
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert reader.prepare(path, instance, POLICY).width == 128
    assert reader.decoder_pid == mine
    reader.close()


def test_a_decoder_that_cannot_start_is_our_fault_not_the_images(tmp_path: Path) -> None:
    dataset = radiograph()
    reader = PixelReader(ImagingSection(), command=(sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(CxrNodeError) as failure:
        reader.prepare(save(dataset, tmp_path), Uid(dataset.SOPInstanceUID), POLICY)
    assert not isinstance(failure.value, NotReadable)


def test_the_child_sees_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "canary-7f")
    reader, dataset = PixelReader(ImagingSection()), radiograph()
    reader.prepare(save(dataset, tmp_path), Uid(dataset.SOPInstanceUID), POLICY)
    assert b"canary-7f" not in Path(f"/proc/{reader.decoder_pid}/environ").read_bytes()
    reader.close()
