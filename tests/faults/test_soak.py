"""The soak run at its smallest; ``make soak`` is the whole of it."""

from __future__ import annotations

from pathlib import Path

from tests.faults.soak import Plan, soak


def test_thirty_studies_and_three_kills(tmp_path: Path) -> None:
    plan = Plan(studies=30, seed=3, minutes=0.2, kills=3, embedded=True, settle_seconds=180.0)
    found = soak(plan, tmp_path / "site", tmp_path / "servers")
    assert found.faults == [], found.text()
    assert found.counts["studies"] == 30
    assert found.counts["reports at the PACS"] == 32
    assert found.counts["kill -9 in all"] >= 3
