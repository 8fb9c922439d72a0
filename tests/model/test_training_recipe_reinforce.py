"""The recipe's last step: stored phantoms as studies, and a short run over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.embedded import embedded_manifest, new_model
from cxr_node.training.grpo import Settings
from cxr_node.training.live_plot import read_figures
from cxr_node.training.recipe.pool import Pool
from cxr_node.training.recipe.reinforce import reinforce, stored_studies
from cxr_node.training.recipe.samples import Kind, drawn, write_chunk
from cxr_node.training.run_folder import open_run

S = StageKey


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Pool]:
    root = tmp_path_factory.mktemp("data")
    found = {}
    for kind in (Kind.PAIR, Kind.VIEWS):
        (root / kind).mkdir()
        write_chunk(root / kind, 0, drawn(kind, range(33_000_000, 33_000_002)))
        found[kind] = Pool(root / kind, np.random.default_rng(0))
    return found


def test_stored_samples_become_studies_with_their_second_picture(
    pools: dict[Kind, Pool],
) -> None:
    (pair, _), (views, _) = (list(stored_studies(pools[kind], kind, 2)) for kind in pools)
    assert pair.earlier is not None
    assert len(pair.images) == 1
    assert views.earlier is None
    assert len(views.images) == 2
    assert views.images[0].gray != views.images[1].gray
    for study in (pair, views):
        asked = {
            subject
            for stage, key, subject in study.truth
            if (stage, key) == (S.FINDINGS, "presence")
        }
        assert asked == set(FindingKind)
    assert any(stage is S.COMPARISON for stage, _, _ in pair.truth)


def test_a_network_in_memory_is_reinforced(pools: dict[Kind, Pool], tmp_path: Path) -> None:
    untaught = tuple(stage for stage in S if stage not in (S.QUALITY_VIEW, S.COMPARISON))
    manifest = embedded_manifest(trained=True, pictures=2, untaught=untaught)
    network = new_model(0)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    run = open_run(tmp_path / "run", {}, resume=False)
    settings = Settings(steps=1, group=2, batch=1, rate=1e-3, warm_up=0)
    taught = reinforce(network, manifest, pools, run, settings=settings, studies=1)
    (figures,) = read_figures(run.figures)
    assert figures["rewards/quality_view/mean"] >= 0.0
    changed = taught.state_dict()
    assert changed.keys() == start.keys()
    assert any(not changed[name].equal(value) for name, value in start.items())
