"""``make soak``: studies are sent while everything is killed at random; then an account.

    python -m tests.faults.soak --studies 2000 --seed 7 --minutes 30

Two nodes (listener and dispatcher each), reading and delivering workers, PostgreSQL, Redis
and a receiving PACS; with ``--embedded`` one node on SQLite. Which one is killed next comes
from the seed that is printed. Exit 0 only if every promise was kept.
"""

from __future__ import annotations

import argparse
import queue
import random
import shutil
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cxr_node.config import PeerSection
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.domain.errors import Undeliverable
from cxr_node.store.database import Database
from tests.builders import radiograph, save
from tests.faults import soak_parts
from tests.faults.soak_account import Account, account, unsettled
from tests.faults.soak_parts import Pacs, Victim
from tests.nodes import script
from tests.peers import free_port
from tests.running_node import toml

_SENDERS = 2
_LATE_EVERY = 20
"""Of so many studies one gets a second image when its first may have been reported."""
_SECTIONS: dict[str, dict[str, object]] = {
    "listener": {"max_associations_per_address": 16},
    "spool": {"reserve_bytes": 1_000_000},
    "assembly": {"quiet_seconds": 0.5},
    "jobs": {"lease_seconds": 6.0, "beat_seconds": 1.5, "max_attempts": 8, "retry_seconds": 0.5},
    "delivery": {"first_retry_seconds": 0.5, "longest_retry_seconds": 10.0, "timeout_seconds": 5.0},
    "log": {"level": "warning"},
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run. ``minutes`` is over how long the studies are spread, at least."""

    studies: int
    seed: int
    minutes: float
    kills: int
    embedded: bool = False
    settle_seconds: float = 900.0


@dataclass
class Site:
    """All processes of one run, and where they keep what they have."""

    folder: Path
    victims: list[Victim]
    ports: dict[str, int]
    database_url: str
    archive: Path


def embedded_site(folder: Path) -> Site:
    """One node with everything inside, and a PACS."""
    pacs = Pacs(folder / "pacs")
    ports = {"node": free_port()}
    database = f"sqlite:///{folder / 'data' / 'cxr-node.sqlite3'}"
    config = _write(folder, "node", ports["node"], pacs, {"database": {"url": database}})
    node = soak_parts.node(config, folder, "node", ports["node"])
    return Site(folder, [pacs, node], ports, database, pacs.folder)


def scaled_site(folder: Path, servers: Path) -> Site:
    """Two nodes, a reading and a delivering worker over PostgreSQL and Redis, and a PACS."""
    pacs = Pacs(folder / "pacs")
    database, url = soak_parts.postgresql(servers)
    broker, broker_url = soak_parts.redis(folder)
    shared: dict[str, dict[str, object]] = {
        "database": {"url": url},
        "doorbell": {"kind": "celery", "broker_url": broker_url},
    }
    ports = {"node-a": free_port(), "node-b": free_port()}
    configs = {name: _write(folder, name, port, pacs, shared) for name, port in ports.items()}
    nodes = [soak_parts.node(configs[name], folder, name, ports[name]) for name in ports]
    one = configs["node-a"]
    workers = [
        soak_parts.celery_worker(one, folder, "reader", "read"),
        soak_parts.celery_worker(one, folder, "publisher", "publish,deliver"),
    ]
    return Site(folder, [database, broker, pacs, *nodes, *workers], ports, url, pacs.folder)


def _write(
    folder: Path, name: str, port: int, pacs: Pacs, more: dict[str, dict[str, object]]
) -> Path:
    model = script(folder, answers={"overall": "normal"})
    sections = {
        "node": {"data_dir": str(folder / "data")},
        "web": {"port": free_port()},
        "model": {"path": model, "threads": 1},
        **_SECTIONS,
        **more,
    }
    sections["listener"] = {**_SECTIONS["listener"], "port": port}
    modality = PeerSection(name="modality", ae_title="MODALITY")
    archive = PeerSection(
        name="pacs",
        ae_title="PACS",
        host="127.0.0.1",
        port=pacs.port,
        receives_results=True,
        objects=(),
    )
    path = folder / f"{name}.toml"
    path.write_text(toml(sections, (modality, archive)))
    return path


@dataclass
class Traffic:
    """Modalities that send each image until some node has answered 0x0000."""

    site: Site
    plan: Plan
    acknowledged: dict[str, str] = field(default_factory=dict)
    refusals: int = 0

    def __post_init__(self) -> None:
        names = list(self.site.ports)
        nodes = [
            PeerSection(name=name, ae_title="CXRNODE", host="127.0.0.1", port=port)
            for name, port in self.site.ports.items()
        ]
        self._names = names
        self._sender = DimseSender("MODALITY", nodes, timeout_seconds=15.0)
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(self.plan.studies):
            self._waiting.put(number)
        self._threads = [
            threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(_SENDERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _run(self, number: int) -> None:
        pace = self.plan.minutes * 60.0 * _SENDERS / max(self.plan.studies, 1)
        while True:
            began = time.monotonic()
            try:
                study = self._waiting.get_nowait()
            except queue.Empty:
                return
            self._study(study, self.site.folder / f"sender-{number}")
            time.sleep(max(0.0, pace - (time.monotonic() - began)))

    def _study(self, number: int, folder: Path) -> None:
        image = radiograph(patient_id=f"SOAK{number}")
        study = str(image.StudyInstanceUID)
        self._send(save(image, folder), str(image.SOPInstanceUID), study, number)
        if number % _LATE_EVERY == 0:
            time.sleep(2.0)
            late = radiograph(study_uid=study, patient_id=f"SOAK{number}", view="LL")
            self._send(save(late, folder), str(late.SOPInstanceUID), study, number)

    def _send(self, path: Path, instance: str, study: str, turn: int) -> None:
        while True:
            try:
                self._sender.send(self._names[turn % len(self._names)], path)
            except Undeliverable:
                self.refusals += 1
                turn += 1
                time.sleep(0.3)
                continue
            self.acknowledged[instance] = study
            path.unlink()
            return


def _kill_one(victims: list[Victim], chance: random.Random) -> str:
    victim = chance.choice(victims)
    pause = chance.uniform(0.0, 2.0)
    victim.kill()
    time.sleep(pause)
    victim.start()
    return victim.name


def _disturb(site: Site, plan: Plan, traffic: Traffic) -> list[str]:
    """Kill at random until all is sent and the planned number of kills is reached."""
    chance = random.Random(plan.seed)
    killed: list[str] = []
    mean = max(plan.minutes * 60.0 / max(plan.kills, 1), 0.5)
    while traffic.busy or len(killed) < plan.kills:
        time.sleep(chance.uniform(0.4, 1.6) * mean if traffic.busy else 0.5)
        killed.append(_kill_one(site.victims, chance))
    return killed


def soak(plan: Plan, folder: Path, servers: Path) -> Account:
    """One run; raises nothing for what the node does wrong: that is in the account."""
    folder.mkdir(parents=True, exist_ok=True)
    site = embedded_site(folder) if plan.embedded else scaled_site(folder, servers)
    began = time.monotonic()
    with ExitStack() as stack:
        for victim in site.victims:
            victim.start()
            stack.callback(victim.stop)
        database = Database(site.database_url)
        stack.callback(database.dispose)
        database.migrate()
        traffic = Traffic(site, plan)
        traffic.start()
        killed = _disturb(site, plan, traffic)
        sent_after = time.monotonic() - began
        _settle(database, plan.settle_seconds)
        found = account(database, traffic.acknowledged, site.archive)
    found.counts["refused or lost on the way, sent again"] = traffic.refusals
    found.counts["kill -9 in all"] = len(killed)
    found.counts |= {f"kill -9 of {name}": killed.count(name) for name in sorted(set(killed))}
    found.counts["seconds until all was sent"] = round(sent_after)
    found.counts["seconds in all"] = round(time.monotonic() - began)
    return found


def _settle(database: Database, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while unsettled(database) and time.monotonic() < deadline:
        time.sleep(0.5)


def main(arguments: list[str] | None = None) -> int:
    """Run and print; the exit code."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=20.0, help="spread the studies over")
    parser.add_argument("--kills", type=int, default=0, help="default: one for 12 seconds")
    parser.add_argument("--embedded", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave logs and spool where they are")
    chosen = parser.parse_args(arguments)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10**6)
    kills = chosen.kills or max(3, round(chosen.minutes * 5))
    plan = Plan(chosen.studies, seed, chosen.minutes, kills, chosen.embedded)
    folder = Path(tempfile.mkdtemp(prefix="cxr-soak-"))
    servers = Path(tempfile.mkdtemp(prefix="cxr-soak-servers-"))
    servers.chmod(0o755)
    print(f"soak: {plan}\nlogs: {folder}", flush=True)
    try:
        found = soak(plan, folder / "site", servers / "postgresql")
    finally:
        shutil.rmtree(servers, ignore_errors=True)
    print(found.text(), flush=True)
    if not chosen.keep and not found.faults:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
