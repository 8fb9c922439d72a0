"""Third step: the whole model is reinforced on its own staged readings of stored phantoms.

Only options and boxes are drawn: texts were taught in the words of the script, and nothing here
says which other words are as good. A small rate and the divergence from the model before keep
its probabilities; operating points and calibration are fitted afterwards all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.ports import PreparedImage
from cxr_node.reasoning.embedded import save_embedded
from cxr_node.reasoning.profiles import Manifest
from cxr_node.reasoning.transformers_model import load_model
from cxr_node.training.chat_processor import load_processor
from cxr_node.training.grpo import Settings, reinforce_readings
from cxr_node.training.grpo_advantages import Credit
from cxr_node.training.grpo_marks import truth_in
from cxr_node.training.grpo_rollout import Study
from cxr_node.training.phantom_folder import answered_stages
from cxr_node.training.recipe.pool import Pool
from cxr_node.training.recipe.samples import Kind
from cxr_node.training.record_stages import turns_of
from cxr_node.training.run_folder import RunFolder
from cxr_node.training.trainer_parts import Watch

SETTINGS = Settings(steps=50, group=6, batch=4, rate=3e-5, beta=0.04, warm_up=5, save_every=25)
PENALTIES: Mapping[str, float] = {"contradictions": 0.5}


def reinforce(
    network: Any,
    manifest: Manifest,
    pools: Mapping[Kind, Pool],
    run: RunFolder,
    *,
    settings: Settings = SETTINGS,
    studies: int = 256,
    follow: float = 0.5,
    watch: Watch = lambda *_: None,
) -> Any:
    """Reinforce ``network`` on ``studies`` samples of every pool; returns the new network.

    ``manifest`` says which stages are walked and how many pictures are looked at; its files
    need not be known. Goes on from the newest checkpoint in ``run``, given the same network.
    """
    before = run.root / "before"
    save_embedded(before, network, manifest)
    model = load_model(before, device="cpu")
    cases = [
        study
        for kind, pool in pools.items()
        for study in stored_studies(pool, kind, min(studies, len(pool)))
    ]
    return reinforce_readings(
        model,
        load_processor(before, manifest),
        cases,
        run,
        settings,
        credit=Credit(follow),
        penalties=PENALTIES,
        texts=False,
        title="The embedded model, GRPO",
        watch=watch,
    )


def stored_studies(pool: Pool, kind: Kind, count: int) -> Iterator[Study]:
    """The first ``count`` samples of a pool as studies to be read."""
    for number in range(count):
        one = pool.get([number])
        truth = truth_in(turns_of(answered_stages(one.truths[0]["stages"])))
        name = f"{kind} {number}"
        own = [stored_picture(one.images[0], name, "first")]
        second = stored_picture(one.others[0], name, "second") if one.others.size else None
        if kind is Kind.VIEWS and second is not None:
            own, second = [*own, second], None
        yield Study(name, tuple(own), truth, earlier=second)


def stored_picture(gray: NDArray[np.uint8], *name: str) -> PreparedImage:
    """A stored picture, which has the model's size."""
    height, width = gray.shape
    return PreparedImage(
        sop_instance_uid=result_uid("recipe", *name),
        width=width,
        height=height,
        gray=gray.tobytes(),
        left=0,
        top=0,
        content_width=width,
        content_height=height,
        original_columns=width,
        original_rows=height,
    )
