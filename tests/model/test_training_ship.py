"""A model that knows nothing is not shipped; one that is shipped says how it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cxr_node.domain.findings import FindingKind
from cxr_node.phantom.truth import DRAWN
from cxr_node.reasoning.embedded import new_model
from cxr_node.reasoning.profiles import load_manifest, verify
from cxr_node.training import ship as shipping
from cxr_node.training.samples import write_chunk


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_chunk(folder, 0, 500, 24)
    return folder


def test_an_untrained_model_is_not_shipped(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"
    card = shipping.ship(new_model(0), target, calibration=data, held_out=data, training={})
    assert card["macro_auroc"] < shipping.LEAST_MACRO
    assert not target.exists()


def test_what_is_shipped_is_sealed_small_and_honest(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "LEAST_MACRO", 0.0)
    target = tmp_path / "model"
    card = shipping.ship(new_model(0), target, calibration=data, held_out=data, training={"s": 1})
    manifest = load_manifest(target)
    verify(target, manifest)
    assert manifest.trained
    assert "not evaluated on patients" in manifest.statement
    told, left_out = set(manifest.profile.thresholds), set(manifest.profile.not_assessed)
    assert told <= set(DRAWN)
    assert told | left_out == set(FindingKind)
    assert not told & left_out
    assert json.loads((target / "card.json").read_text()) == card
    assert set(card["auroc"]) == {str(kind) for kind in DRAWN}
    assert sum(p.stat().st_size for p in target.iterdir()) < 10_000_000
