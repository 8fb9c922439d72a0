"""The composed hospital, from outside: a burst with an emergency, two crashes, every door.

Runs by ``make sandbox-test`` alone, which builds the images first.
"""

from __future__ import annotations

import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cxr_node.dicom.worklist_scu import find_priorities
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState
from tests.ohif import drawing_browser, drawn_boxes, failed, open_report, study_page
from tests.stack import Stack, docker, running_stack

BURST, EMERGENCY_AT = 51, 26
SIZE = "--size=256"
MEGABYTE = 1_000_000
NODE_IMAGE = 400 * MEGABYTE
READ_SECONDS = 420.0
_RESULT = re.compile(r"\S+ +(LOW|ROUTINE|MEDIUM|HIGH|STAT) +P ")


@dataclass(frozen=True)
class Sent:
    """Study Instance UIDs in the order in which the PACS took them."""

    studies: tuple[str, ...]
    emergency: str


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    began = time.monotonic()
    with running_stack() as found:
        print(f"\nall healthy after {time.monotonic() - began:.0f} s")
        yield found


def taken(sending: subprocess.Popen[str]) -> tuple[str, ...]:
    """Wait for the modality; the studies that it sent."""
    output, errors = sending.communicate(timeout=READ_SECONDS)
    sent = tuple(line.split()[1] for line in output.splitlines() if line.startswith("sent "))
    assert sending.returncode == 0 and len(sent) == BURST, output + errors
    return sent


def delivered(stack: Stack) -> set[str]:
    return {uid for uid, item in stack.studies().items() if item.state is StudyState.DELIVERED}


@pytest.fixture(scope="module")
def burst(stack: Stack) -> Sent:
    """The burst, read to its end although worker and broker die in its middle and come back."""
    began = time.monotonic()
    sending = stack.sending(f"--burst={BURST}", f"--emergency-at={EMERGENCY_AT}", "--seed=0", SIZE)
    sent = taken(sending)
    emergency = sent[EMERGENCY_AT - 1]
    print(f"{BURST} studies in the PACS after {time.monotonic() - began:.0f} s")
    stack.until(lambda: emergency in delivered(stack), READ_SECONDS, "the emergency reported")
    print(f"the emergency reported after {time.monotonic() - began:.0f} s")
    docker("kill", stack.container("worker"), stack.container("broker"))
    finished = delivered(stack)
    assert finished < set(sent), "the crash came after all was read"
    docker("start", stack.container("broker"), stack.container("worker"))
    stack.until(lambda: delivered(stack) >= set(sent), READ_SECONDS, "all read after the crash")
    print(f"crash with {len(finished)} read; all {BURST} after {time.monotonic() - began:.0f} s")
    return Sent(sent, emergency)


def test_crash_loses_nothing_and_every_study_has_one_report_in_the_pacs(
    stack: Stack, burst: Sent
) -> None:
    counts = {uid: len(stack.reports(uid)) for uid in burst.studies}
    assert set(counts.values()) == {1}, counts


def test_emergency_is_read_before_those_queued_ahead_of_it(stack: Stack, burst: Sent) -> None:
    known = stack.studies()
    emergency = known[burst.emergency]
    assert emergency.priority is Priority.STAT and emergency.reported_at is not None
    ahead = [known[uid] for uid in burst.studies[: EMERGENCY_AT - 1]]
    overtaken = [
        item.study_uid
        for item in ahead
        if item.priority is Priority.ROUTINE
        and item.reported_at is not None
        and item.reported_at > emergency.reported_at
        and item.received_at < emergency.received_at
    ]
    print(f"\nthe emergency overtook {len(overtaken)} of {len(ahead)} studies")
    assert len(overtaken) >= 3


def test_worklists_show_it_first(stack: Stack, burst: Sent) -> None:
    for port, called in (("NODE_DICOM", "CXRNODE"), ("PACS_DICOM", "ORTHANC")):
        answers = find_priorities(
            "127.0.0.1", stack.ports[port], calling_ae="DESK", called_ae=called
        )
        stats = [uid for uid, priority in answers.items() if priority is Priority.STAT]
        assert list(answers)[: len(stats)] == stats
        assert burst.emergency in stats


def test_labels_say_state_and_priority(stack: Stack, burst: Sent) -> None:
    stack.until(lambda: "CXR-STAT" in stack.labels(burst.emergency), 60, "labelled CXR-STAT")
    labelled = [bool(stack.labels(uid)) for uid in burst.studies]
    assert all(labelled)


def test_viewer_shows_the_report(stack: Stack, burst: Sent) -> None:
    with (
        drawing_browser() as browser,
        study_page(browser, stack.url("VIEWER"), burst.emergency) as page,
    ):
        open_report(page)
        texts = drawn_boxes(page, 1)
        assert not failed(page)
    assert any("neumothorax" in text for text in texts)


def test_ris_is_told_of_every_study_and_its_order_is_taken(stack: Stack, burst: Sent) -> None:
    def told() -> list[str]:
        lines = docker("logs", stack.container("ris")).splitlines()
        return [line for line in lines if _RESULT.match(line)]

    stack.until(lambda: len(told()) >= len(burst.studies), 120, "told to the RIS")
    assert any(" STAT " in f" {line}" for line in told())
    order = ("ris", "order", "--to=node:2575", "--accession=A-1", "--patient-id=P-1")
    assert docker("exec", stack.container("ris"), "cxr-node", *order).strip() == "AA"


def test_front_page_leads_to_every_door(stack: Stack) -> None:
    assert stack.get("PAGE", "/ports.json") == {
        name.lower(): stack.ports[name] for name in ("NODE", "PACS", "VIEWER")
    }
    assert stack.get("PAGE", "/state/node")["ready"] is True
    assert stack.get("PAGE", "/state/pacs")["CountStudies"] >= 0


@pytest.mark.parametrize("door", ["PAGE", "VIEWER", "PACS"])
def test_another_name_opens_no_door(stack: Stack, door: str) -> None:
    """What a page elsewhere could reach by a name that points to this machine."""
    request = urllib.request.Request(stack.url(door), headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(request, timeout=30)


def test_containers_are_closed(stack: Stack) -> None:
    for service in ("node", "worker", "publisher", "database", "broker", "pacs", "front", "ris"):
        found = stack.inspect(service)
        assert found["Config"]["User"] == "cxr"
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"]
        bound = [place for places in (host["PortBindings"] or {}).values() for place in places]
        assert {place["HostIp"] for place in bound} <= {"127.0.0.1"}


def test_node_image_is_small_and_without_torch(stack: Stack) -> None:
    sizes = {
        service: int(docker("image", "inspect", "--format={{.Size}}", f"cxr-node/{service}:0.1"))
        for service in ("node", "worker", "database", "broker", "pacs", "front")
    }
    print("\nimages, MB:", {name: size // MEGABYTE for name, size in sizes.items()})
    assert sizes["node"] <= NODE_IMAGE
    find = ("exec", stack.container("node"), "python", "-c")
    listed = docker(*find, "from importlib.util import find_spec; print(find_spec('torch'))")
    assert listed.strip() == "None"
