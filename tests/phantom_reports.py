"""Dialogue records over phantoms' truths that nobody had to draw: many reports in a second."""

from __future__ import annotations

import numpy as np

from cxr_node.domain.findings import Zone
from cxr_node.domain.stages import QUALITY_DIMENSIONS
from cxr_node.phantom.batched.answers import paired_record, record
from cxr_node.phantom.batched.case import Case, Plan, make_case
from cxr_node.phantom.batched.make import Radiograph, RadiographPair
from cxr_node.phantom.batched.pairs import make_pair
from cxr_node.phantom.batched.prose import report
from cxr_node.phantom.batched.truth import Facts, SignTruth
from cxr_node.training.phantom_folder import film_records
from cxr_node.training.records import Record

SIZE = 224
_ZONES = (Zone.UPPER, Zone.MIDDLE, Zone.LOWER)


def made_up(case: Case) -> Radiograph:
    """The film of a case and its report without a picture; zones by chance, boxes mean nothing."""
    rng = np.random.default_rng([case.seed, 99])
    facts = Facts(
        seed=case.seed,
        view=case.view,
        difficulty=case.level.value,
        signs=tuple(_sign(plan, rng) for plan in case.plans),
        quality=dict.fromkeys(QUALITY_DIMENSIONS, "adequate"),
        heart=(80.0, 90.0, 150.0, 170.0),
        thorax=(30.0, 30.0, 190.0, 190.0),
        ratio=0.44,
    )
    return Radiograph(case, np.zeros((SIZE, SIZE), np.float32), facts, {}, *report(facts))


def _sign(plan: Plan, rng: np.random.Generator) -> SignTruth:
    return SignTruth(
        plan.sign,
        (20.0, 20.0, 60.0, 60.0),
        side=plan.side,
        zone=_ZONES[rng.integers(3)],
        severity=None if plan.sign.is_device else plan.severity,
        position=plan.position if plan.sign.is_device else None,
        detail=plan.variant,
    )


def phantom_dialogues(seed: int) -> list[Record]:
    """The dialogue over it; every odd seed has an earlier study, which comes first."""
    name = f"i{seed}"
    if seed % 2 == 0:
        return list(film_records(record(made_up(make_case(seed))) | {"image": name}))
    pair = make_pair(seed)
    told = paired_record(RadiographPair(pair, made_up(pair.prior), made_up(pair.current)))
    told["prior"] |= {"image": f"{name}-prior"}
    return list(film_records(told | {"image": name}))


def phantom_dialogue(seed: int) -> Record:
    """The later of them."""
    return phantom_dialogues(seed)[-1]
