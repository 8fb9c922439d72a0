"""A copy of database and spool, taken in either order from a working node, is a node again."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_node.config import Configuration
from cxr_node.domain.delivery import Outcome, Parcel, Verdict
from cxr_node.services.verify_store import Fault, StoreVerification
from cxr_node.store.schema import DeliveryRow, InstanceRow, RevisionRow
from tests.builders import radiograph
from tests.databases import BOTH
from tests.whole_node import WholeNode, configuration, script


class Taker:
    """A PACS that takes everything."""

    def send(self, parcel: Parcel) -> Outcome:
        return Outcome(Verdict.DONE, status=0)


class Site:
    """One node's folder and database, and a place for their copies."""

    def __init__(self, folder: Path, url: str) -> None:
        model = script(folder / "model.script.json", answers={"overall": "normal"})
        found = configuration(folder / "data", model)
        self.config: Configuration = found.model_copy(
            update={"database": found.database.model_copy(update={"url": url})}
        )
        self.url = url
        self.spool = folder / "data" / "spool"
        self.copy = folder / "copy"
        self.copy.mkdir()

    def copy_spool(self) -> None:
        shutil.copytree(self.spool, self.copy / "spool")

    def copy_database(self) -> None:
        if self.url.startswith("sqlite"):
            with sqlite3.connect(self._file) as live, sqlite3.connect(self.copy / "db") as copied:
                live.backup(copied)
        else:
            self._run("pg_dump", "--format=custom", f"--file={self.copy / 'db'}", self._plain)

    def restore(self) -> None:
        """All that was is lost; both copies take its place."""
        shutil.rmtree(self.spool)
        shutil.copytree(self.copy / "spool", self.spool)
        if self.url.startswith("sqlite"):
            for name in (self._file, f"{self._file}-wal", f"{self._file}-shm"):
                Path(name).unlink(missing_ok=True)
            shutil.copy(self.copy / "db", self._file)
        else:
            options = ("--clean", "--if-exists", f"--dbname={self._plain}")
            self._run("pg_restore", *options, str(self.copy / "db"))

    @property
    def _file(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def _plain(self) -> str:
        return self.url.replace("postgresql+psycopg://", "postgresql://")

    def _run(self, program: str, *arguments: str) -> None:
        folder = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        subprocess.run([str(folder / program), *arguments], check=True, capture_output=True)


@pytest.fixture(params=BOTH)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "sqlite":
        return Site(tmp_path, f"sqlite:///{tmp_path / 'node.sqlite3'}")
    return Site(tmp_path, str(request.getfixturevalue("new_postgresql")))


@pytest.fixture
def nodes(site: Site) -> Iterator[list[WholeNode]]:
    opened: list[WholeNode] = [WholeNode(site.config)]
    yield opened
    for node in opened:
        node.stop()


@pytest.mark.parametrize("order", ["database first", "spool first"])
def test_a_restored_node_finishes_its_work_and_names_what_the_copy_lacks(
    site: Site, nodes: list[WholeNode], order: str
) -> None:
    (node,) = nodes
    node.read(radiograph(patient_id="BEFORE"))
    between = radiograph(patient_id="BETWEEN")
    steps = [site.copy_database, site.copy_spool]
    first, second = steps if order == "database first" else steps[::-1]
    first()
    node.receive(between)
    second()
    node.receive(radiograph(patient_id="AFTER"))
    node.stop()

    site.restore()
    restored = WholeNode(site.config)
    nodes[:] = [restored]
    restored.clock.advance(10**9)
    look = StoreVerification(restored.node.db, restored.clock, restored.node.spool.root)
    faults = [found.fault for found in look.findings()]
    assert faults == [Fault.ORPHAN if order == "database first" else Fault.MISSING]
    restored.receive(between)
    assert list(look.findings()) == []
    restored.publish()
    restored.node.__dict__["destinations"] = {"pacs": Taker()}
    restored.node.delivery.work()
    assert [row["state"] for row in restored.rows(DeliveryRow)] == ["sent"]
    assert restored.rows(RevisionRow)[0]["state"] == "delivered"
    assert len(restored.rows(InstanceRow)) == 2
