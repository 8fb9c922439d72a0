"""The plugin's way of a study without Orthanc: ledger, sweep, failures, what is shown."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.fake_orthanc import FakeOrthanc, loaded

NEVER = lambda: False  # noqa: E731 - nobody ends


@pytest.fixture
def orthanc() -> FakeOrthanc:
    return FakeOrthanc()


@pytest.fixture
def plugin(orthanc: FakeOrthanc) -> Iterator[ModuleType]:
    with loaded(orthanc) as module:
        yield module


@pytest.fixture
def listening() -> Iterator[int]:
    """A port that takes connections and ends them."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


class Bench:
    """The plugin's parts on a fake Orthanc, without their threads."""

    def __init__(self, plugin: ModuleType, folder: Path, port: int, **section: Any) -> None:
        self.plugin = plugin
        self.settings = plugin.settings_of(
            {"Host": "127.0.0.1", "Port": port, "QuietSeconds": 0, "RetrySeconds": 0.1, **section}
        )
        self.ledger = plugin.Ledger(folder / "ledger.sqlite3")
        self.display = plugin.Display(self.settings)
        transport = plugin.DicomTransport(self.settings, plugin.Jobs())
        transport.prepare()
        self.intake = plugin.Intake(self.settings, self.ledger, lambda: None)
        self.sender = plugin.Sender(self.settings, self.ledger, transport, self.display, NEVER)

    def sweep(self, most: int = 10_000) -> int:
        """Sweep and send to the end, or for ``most`` pages; the most that waited at once."""
        waited = 0
        for _ in range(most):
            if not self.intake.sweep["Running"]:
                break
            self.intake._sweep_page()
            waited = max(waited, self.ledger.counts()["waiting"])
            self.send()
        return waited

    def send(self) -> None:
        while self.ledger.next_due(self.plugin.time.time()):
            self.sender._not_before = 0.0
            self.sender.step()


@pytest.fixture
def bench(plugin: ModuleType, tmp_path: Path, listening: int) -> Bench:
    return Bench(plugin, tmp_path, listening)


def test_ten_thousand_studies_at_first_install_in_bounded_steps_that_resume(
    plugin: ModuleType, orthanc: FakeOrthanc, tmp_path: Path, listening: int
) -> None:
    for number in range(10_000):
        body_part = "CHEST" if number % 10 == 0 else "HAND"
        old = number < 5_000
        updated = "20000101T000000" if old else "20990101T000000"
        orthanc.add_study(number, updated=updated, BodyPartExamined=body_part)
    first = Bench(plugin, tmp_path, listening, MaxWaiting=100)
    first.intake.start_sweep()
    assert first.sweep(most=150) < 100 + plugin.Intake.PAGE
    assert first.intake.sweep == {"Running": True, "Position": 7_500}
    sent = len(orthanc.orders)
    assert sent == 250

    first.ledger.close()
    resumed = Bench(plugin, tmp_path, listening, MaxWaiting=100)
    resumed.intake.start_sweep()
    assert resumed.intake.sweep["Position"] == 7_500
    orthanc.calls.clear()
    resumed.sweep()
    assert [len(order) for order in orthanc.orders] == [1] * 500
    assert len({order[0] for order in orthanc.orders}) == 500, "nothing twice"
    pages = [call for call in orthanc.calls if call.startswith("/studies?")]
    assert len(pages) == (2_500 + 7_500) / plugin.Intake.PAGE + 1
    counts = resumed.ledger.counts()
    assert counts == {"waiting": 0, "sent": 500, "kept back": 4_500, "given up": 0}

    resumed.intake.start_sweep()  # the next start has nothing left to do
    orthanc.calls.clear()
    resumed.sweep()
    assert len(orthanc.orders) == 500
    assert not any(call.startswith("/instances/") for call in orthanc.calls)


def test_enough_waiting_studies_stop_the_sweep(
    plugin: ModuleType, orthanc: FakeOrthanc, tmp_path: Path, listening: int
) -> None:
    for number in range(500):
        orthanc.add_study(number)
    bench = Bench(plugin, tmp_path, listening, MaxWaiting=60)
    bench.intake.start_sweep()
    for _ in range(20):
        bench.intake._sweep_page()
    assert bench.ledger.counts()["waiting"] == 100
    assert bench.intake.sweep["Position"] == 100


def test_a_new_study_goes_before_the_swept_ones(bench: Bench, orthanc: FakeOrthanc) -> None:
    for number in range(5):
        orthanc.add_study(number)
    bench.intake.start_sweep()
    bench.intake._sweep_page()
    new = orthanc.add_study(99)
    bench.intake._take("stable", new)
    bench.send()
    assert orthanc.orders[0] == [f"image-{new}"]
    assert len(orthanc.orders) == 6


def test_too_many_events_mean_a_sweep_and_nothing_blocks(
    bench: Bench, orthanc: FakeOrthanc
) -> None:
    for number in range(30):
        orthanc.add_study(number)
    for number in range(bench.intake.MOST_EVENTS + 5):
        bench.intake.event("stable", f"gone-{number}")
    while not bench.intake._events.empty():
        bench.intake.step()
    assert not bench.intake.sweep["Running"]
    bench.intake.step()
    bench.sweep()
    assert len(orthanc.orders) == 30


def test_a_second_image_goes_alone_and_a_deleted_study_is_forgotten(
    bench: Bench, orthanc: FakeOrthanc
) -> None:
    study = orthanc.add_study(1)
    bench.intake._take("instance", f"image-{study}")
    bench.send()
    orthanc.add_image(study, "second", **orthanc.studies[study]["images"][f"image-{study}"])
    bench.intake._take("stable", study)
    bench.send()
    assert orthanc.orders == [[f"image-{study}"], ["second"]]
    del orthanc.studies[study]
    bench.intake._take("deleted", study)
    bench.send()
    assert bench.ledger.entry(study) is None
    assert bench.ledger.images(study) == frozenset()


def test_an_order_to_send_again_that_comes_while_sending_is_not_lost(
    bench: Bench, orthanc: FakeOrthanc
) -> None:
    study = orthanc.add_study(1)

    def asked_meanwhile(resources: list[str]) -> str:
        if len(orthanc.orders) == 1:
            bench.ledger.again(study, bench.plugin.time.time())
        return "Success"

    orthanc.job_state = asked_meanwhile
    bench.intake._take("stable", study)
    bench.send()
    assert orthanc.orders == [[f"image-{study}"]] * 2


def test_failures_back_off_are_shown_and_end(
    plugin: ModuleType, orthanc: FakeOrthanc, tmp_path: Path, listening: int
) -> None:
    bench = Bench(plugin, tmp_path, listening, RetrySeconds=10, LongestRetrySeconds=40)
    study = orthanc.add_study(1)
    orthanc.job_state = lambda resources: "Failure"
    now = plugin.time.time()
    bench.ledger.wait(study, now, now)
    waits = []
    for _ in range(4):
        entry = bench.ledger.entry(study)
        bench.sender._handle(entry, orthanc.studies[study])
        waits.append(round(bench.ledger.entry(study).due - plugin.time.time()))
    assert waits == [10, 20, 40, 40]
    assert bench.sender.step() > 25, "one study every half a minute, however many wait"
    assert orthanc.metadata[study]["4120"] == "waiting for the node"
    assert bench.ledger.entry(study).why == "the DICOM association ended: Timeout"

    bench.ledger.wait(study, now, now)
    assert bench.ledger.entry(study).attempts == 4, "an event does not shorten the wait"
    with bench.ledger._changing() as db:
        db.execute("UPDATE study SET since = 0")
    bench.sender._handle(bench.ledger.entry(study), orthanc.studies[study])
    assert bench.ledger.counts()["given up"] == 1
    assert orthanc.metadata[study]["4120"] == "failed: never reached the node"
    orthanc.job_state = lambda resources: "Success"
    bench.ledger.again(study, plugin.time.time())
    bench.send()
    assert bench.ledger.counts()["sent"] == 1


def test_after_a_failure_nobody_listening_costs_orthanc_no_job(
    plugin: ModuleType, orthanc: FakeOrthanc, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    bench = Bench(plugin, tmp_path, port)
    study = orthanc.add_study(1)
    orthanc.job_state = lambda resources: "Failure"
    for _ in range(3):
        bench.ledger.again(study, 0.0)
        bench.sender._not_before = 0.0
        bench.sender.step()
    assert len(orthanc.orders) == 1
    assert "nothing listens" in bench.sender.last_failure


def test_a_job_that_left_the_history_is_known_by_its_event(plugin: ModuleType) -> None:
    jobs = plugin.Jobs()
    jobs.tell("7", well=True)
    assert jobs.outcome("7", NEVER) == ""
    assert jobs.outcome("8", NEVER) == "Orthanc's job is unknown"
    jobs.tell("9", well=False)
    assert "association" in jobs.outcome("9", NEVER)
    for number in range(10, 1_000):
        jobs.tell(str(number), well=True)
    assert len(jobs._ended) == 256


ITEM = {"study_uid": "1.2.1", "visible_state": "flagged", "priority": "STAT", "state": "delivered"}
GARBAGE: list[Any] = [
    None,
    [],
    "text",
    {"studies": None},
    {"studies": {"a": 1}},
    {"studies": [None, 5, [], {}, {**ITEM, "study_uid": 5}]},
    {"studies": [{**ITEM, "study_uid": "1.2/../../x"}]},
    {"studies": [{**ITEM, "visible_state": "fine"}]},
    {"studies": [{**ITEM, "visible_state": []}]},
    {"studies": [{**ITEM, "priority": "NOW"}]},
    {"studies": [{**ITEM, "study_uid": "1.2." + "1" * 4000}]},
]


class Answers:
    """A node that says what the test last set."""

    def __init__(self, document: Any) -> None:
        self.listed = document
        self.single: Any = None
        self.asked: list[str] = []

    def document(self, path: str) -> Any:
        self.asked.append(path)
        return self.listed if path.endswith("worklist") else self.single


@pytest.mark.parametrize("document", GARBAGE, ids=range(len(GARBAGE)))
def test_a_node_that_answers_garbage_changes_nothing(
    bench: Bench, orthanc: FakeOrthanc, document: Any
) -> None:
    orthanc.add_study(1)
    node = Answers(document)
    watcher = bench.plugin.Watcher(bench.settings, bench.ledger, node, bench.display)
    assert watcher.step() > 0
    assert (orthanc.metadata, orthanc.labels) == ({}, {})


def test_priority_and_state_are_shown_once_and_labels_replace_each_other(
    bench: Bench, orthanc: FakeOrthanc
) -> None:
    study = orthanc.add_study(1)
    orthanc.labels[study] = {"TEACHING", "CXR-RUNNING", "CXR-ROUTINE"}
    long = {**ITEM, "words": "tension\r\npneumothorax\\" * 50, "patient_name": 7}
    node = Answers({"studies": [long, {**ITEM, "study_uid": "1.2.777"}]})
    watcher = bench.plugin.Watcher(bench.settings, bench.ledger, node, bench.display)
    watcher.step()
    assert orthanc.metadata[study] == {"4120": "flagged", "4121": "STAT"}
    assert orthanc.labels[study] == {"TEACHING", "CXR-FLAGGED", "CXR-STAT"}
    words = watcher.item("1.2.1").texts["words"]
    assert len(words) <= 64 and words.isprintable() and "\\" not in words
    orthanc.metadata.clear()
    watcher.step()
    assert orthanc.metadata == {}


def test_a_study_that_left_the_list_is_asked_for_alone_until_it_ends(
    bench: Bench, orthanc: FakeOrthanc
) -> None:
    study = orthanc.add_study(1)
    bench.intake._take("stable", study)
    bench.send()
    node = Answers({"studies": []})
    watcher = bench.plugin.Watcher(bench.settings, bench.ledger, node, bench.display)
    watcher.step()
    node.single = {"study": ITEM}
    watcher.step()
    assert orthanc.metadata[study]["4120"] == "flagged"
    watcher.step()
    assert node.asked.count("/api/v1/studies/1.2.1") == 2


def test_a_worklist_item_in_the_callback_needs_no_node(bench: Bench) -> None:
    node = Answers({"studies": [{**ITEM, "patient_name": "DOE^JANE"}]})
    watcher = bench.plugin.Watcher(bench.settings, bench.ledger, node, bench.display)
    watcher.step()
    asked, given = len(node.asked), []

    class Query:
        def WorklistIsMatch(self, dicom: bytes) -> bool:  # noqa: N802 - Orthanc's name
            return json.loads(dicom)["PatientName"] == "DOE^JANE"

    class Given:
        def WorklistAddAnswer(self, query: Query, dicom: bytes) -> None:  # noqa: N802
            given.append(json.loads(dicom)["RequestedProcedurePriority"])

    watcher.answer(Given(), Query(), "RIS", "ORTHANC")
    assert (given, len(node.asked)) == (["STAT"], asked)


def test_a_loop_goes_on_after_any_error_and_its_words_stay_out_of_the_log(
    plugin: ModuleType, orthanc: FakeOrthanc
) -> None:
    steps: list[int] = []

    def step() -> float:
        steps.append(1)
        if len(steps) == 1:
            raise ValueError("DOE^JANE")
        loop.end()
        return 0.0

    loop = plugin.Loop("test", step)
    loop.start()
    loop.wake()
    while not steps:
        pass
    loop.wake()
    loop.join(20)
    assert len(steps) == 2
    assert "ValueError" in orthanc.logged[-1]
    assert "DOE" not in "".join(orthanc.logged)


def test_other_rules_look_again_at_what_was_kept_back(
    plugin: ModuleType, orthanc: FakeOrthanc, tmp_path: Path
) -> None:
    orthanc.configuration = {"IndexDirectory": str(tmp_path)}
    settings = plugin.settings_of({"Host": "h"})
    ledger = plugin.open_ledger(settings)
    ledger.wait("a", 0, 0)
    ledger.settle(ledger.entry("a"), plugin.KEPT, "no rule holds", "1.2", "")
    ledger.close()
    again = plugin.open_ledger(settings)
    assert again.counts()["kept back"] == 1
    again.close()
    changed = plugin.open_ledger(plugin.settings_of({"Host": "h", "Rules": []}))
    assert changed.counts()["kept back"] == 0
    changed.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, None])
def test_a_ledger_that_cannot_be_used_is_named(
    plugin: ModuleType, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "ledger"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(plugin.BadConfiguration, match=r"CxrNode\.Ledger: cannot be used"):
        plugin.open_ledger(plugin.settings_of({"Host": "h", "Ledger": str(path)}))
