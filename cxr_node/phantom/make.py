"""A synthetic radiograph from a seed: the same seed and arguments give the same picture."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cxr_node.domain.findings import FindingKind, Laterality, Severity, Zone
from cxr_node.domain.instance import View
from cxr_node.phantom import devices, lateral, lesions, skeleton, thorax
from cxr_node.phantom.anatomy import Exposure, draw_anatomy, draw_exposure, quality
from cxr_node.phantom.detector import expose, with_marker
from cxr_node.phantom.lesions import Plan, plan
from cxr_node.phantom.raster import frame
from cxr_node.phantom.report import prose
from cxr_node.phantom.scene import Scene
from cxr_node.phantom.truth import (
    DRAWN,
    Mask,
    Phantom,
    PhantomTruth,
    PixelBox,
    bounding_box,
)

_NOTHING = 0.15
_EACH = 0.4
_STREAM = {kind: 10 + n for n, kind in enumerate(DRAWN)}


def make_phantom(
    seed: int,
    *,
    size: int = 224,
    findings: Collection[FindingKind] | None = None,
    view: View = View.PA,
    severity: Severity | None = None,
) -> Phantom:
    """Draw the radiograph of case ``seed`` on ``size`` by ``size`` pixels.

    ``findings`` None draws them by chance, each independently; otherwise exactly these
    (of :data:`DRAWN`; a lateral view shows only :data:`lateral.SHOWN`). ``severity``
    fixes the grade of all of them. Anatomy and exposure depend on the seed and the view
    alone, so the same seed with and without a finding is a matched pair.
    """
    if view not in (View.PA, View.AP, View.LATERAL):
        raise ValueError("a phantom is PA, AP or LATERAL")
    exposure = draw_exposure(np.random.default_rng([seed, 1, len(view)]), view)
    patient = draw_anatomy(np.random.default_rng([seed, 2]), exposure)
    box = frame(size, exposure.field_cm, exposure.centre, exposure.tilt)
    whole = (
        lateral.body(box, patient) if view is View.LATERAL else thorax.body(box, patient, exposure)
    )
    scene = Scene(box, patient, exposure, whole)
    wanted = chosen(seed) if findings is None else frozenset(findings)
    plans = {
        kind: plan(np.random.default_rng([seed, _STREAM[kind]]), severity)
        for kind in DRAWN
        if kind in wanted
    }
    heart = _lateral(scene, plans, seed) if view is View.LATERAL else _frontal(scene, plans, seed)
    image = _finished(scene, np.random.default_rng([seed, 4, size]), view)
    return Phantom(seed, size, view, image, _truth(scene, heart, seed, view), scene.masks)


def chosen(seed: int) -> frozenset[FindingKind]:
    """The findings that chance gives this seed: none at all in 15 % of cases."""
    rng = np.random.default_rng([seed, 3])
    if rng.random() < _NOTHING:
        return frozenset()
    draws = rng.random(len(DRAWN))
    return frozenset(kind for kind, draw in zip(DRAWN, draws, strict=True) if draw < _EACH)


def _frontal(scene: Scene, plans: dict[FindingKind, Plan], seed: int) -> Mask:
    air, fluid, big = (
        plans.get(FindingKind.PNEUMOTHORAX),
        plans.get(FindingKind.PLEURAL_EFFUSION),
        plans.get(FindingKind.CARDIOMEGALY),
    )
    own = lesions.collapse(air) if air else None
    ratio = lesions.enlarged_ratio(big) if big else scene.anatomy.ratio
    shown = thorax.fill(scene, {air.side: own} if air and own else {}, ratio)
    silhouette: Mask = (shown > 0.001) & (
        scene.frame.y < thorax.dome(scene.anatomy, Laterality.LEFT, scene.frame.x) + 1.5
    )
    skeleton.add_bones(scene, np.random.default_rng([seed, 5]))
    if fluid:
        lesions.add_effusion(scene, fluid)
    skeleton.add_vessels(scene, np.random.default_rng([seed, 6]))
    if air:
        lesions.add_pneumothorax(scene, air)
    if big:
        scene.found(FindingKind.CARDIOMEGALY, silhouette, zone=Zone.HEART, severity=big.severity)
    for kind, draw in _DRAW.items():
        if kind in plans:
            draw(scene, plans[kind])
    devices.add_electrodes(scene, np.random.default_rng([seed, 7]))
    return silhouette


_DRAW = {
    FindingKind.CONSOLIDATION: lesions.add_consolidation,
    FindingKind.LUNG_LESION: lesions.add_lung_lesion,
    FindingKind.PACEMAKER: devices.add_pacemaker,
    FindingKind.ENDOTRACHEAL_TUBE: devices.add_endotracheal_tube,
    FindingKind.CENTRAL_VENOUS_CATHETER: devices.add_central_venous_catheter,
}


def _lateral(scene: Scene, plans: dict[FindingKind, Plan], seed: int) -> Mask:
    big = plans.get(FindingKind.CARDIOMEGALY)
    heart = lateral.fill(scene, lesions.enlarged_ratio(big) if big else scene.anatomy.ratio)
    lateral.add_vessels(scene, np.random.default_rng([seed, 6]))
    if FindingKind.PLEURAL_EFFUSION in plans:
        lateral.add_effusion(scene, plans[FindingKind.PLEURAL_EFFUSION])
    if FindingKind.CONSOLIDATION in plans:
        lateral.add_consolidation(scene, plans[FindingKind.CONSOLIDATION])
    if big:
        lateral.add_cardiomegaly(scene, big.severity, heart)
    return heart


def _finished(scene: Scene, rng: np.random.Generator, view: View) -> np.ndarray:
    image = expose(scene, rng)
    exposure: Exposure = scene.exposure
    left, top = exposure.collimation[0] + 0.03, exposure.collimation[1] + 0.03
    letters = {View.PA: "R", View.AP: "R AP", View.LATERAL: "L"}[view]
    return with_marker(image, letters, (left, top))


def _truth(scene: Scene, heart: Mask, seed: int, view: View) -> PhantomTruth:
    findings = tuple(scene.truths)
    text, impression = prose(findings, np.random.default_rng([seed, 8]))
    boxes: tuple[PixelBox | None, PixelBox | None] = (None, None)
    ratio = None
    if view is not View.LATERAL:
        boxes = (bounding_box(heart), bounding_box(_ribcage(scene)))
        widths = [b[2] - b[0] for b in boxes if b]
        ratio = widths[0] / widths[1]
    return PhantomTruth(
        projection=view,
        findings=findings,
        quality=quality(scene.anatomy, scene.exposure),
        heart=boxes[0],
        thorax=boxes[1],
        ratio=ratio,
        findings_text=text,
        impression=impression,
    )


def _ribcage(scene: Scene) -> Mask:
    """Inside the ribs, from apex to costophrenic angle, whatever fills it."""
    y = scene.frame.y
    across = np.abs(scene.frame.x) < thorax.outer_edge(scene.anatomy, y)
    return across & (y > scene.anatomy.apex) & (y < thorax.bottom(scene.anatomy))
