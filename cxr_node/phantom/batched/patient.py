"""One patient and one exposure as numbers, drawn from a seed; lengths in centimetres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.streams import Purpose, stream

RIBS = 12


class Level(StrEnum):
    """Version of how conspicuous findings are; changes whenever the drawing does.

    ``HARD`` is the same anatomy with fainter and smaller findings, more noise and scatter,
    more faults and distractors.
    """

    STANDARD = "phantom-2"
    HARD = "phantom-2-hard"


@dataclass(frozen=True, slots=True)
class Patient:
    """What stays the same from film to film; x grows to the patient's left."""

    sex: str
    age: int
    stout: float
    """0 lean to 1 obese."""
    half_width: float
    """Widest inner half width of the rib cage."""
    depth: float
    apex: float
    height: float
    """From apex to right dome at full inspiration."""
    wall: float
    breast: float
    ratio: float
    """Cardiothoracic ratio of the healthy heart on a PA view."""
    bone: float
    rib_spacing: float
    rib_drop: float
    rib_jitter: tuple[float, ...]
    knob: float
    calcified: bool
    curve: float
    """Lateral bend of the spine."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one picture was taken. ``inspiration`` 1 is deep, 0 is poor."""

    view: View
    field: float
    centre: tuple[float, float]
    tilt: float
    """Radians."""
    rotation: float
    """Degrees about the long axis; positive turns the patient to his left."""
    inspiration: float
    scatter: float
    photons: float
    sharpness: float
    compression: float
    window: tuple[float, float]
    gamma: float
    collimation: tuple[float, float, float, float]
    """Dark borders left, top, right, bottom as a share of the picture."""
    marker: tuple[float, float]
    electrodes: int
    folds: int
    nipples: bool


def draw_patient(seed: int) -> Patient:
    """An adult of varied habitus."""
    rng = stream(seed, Purpose.PATIENT)
    sex = "F" if rng.random() < 0.48 else "M"
    stout = float(np.clip(rng.beta(2.0, 2.6), 0, 1))
    small = 0.93 if sex == "F" else 1.0
    return Patient(
        sex=sex,
        age=int(rng.integers(22, 92)),
        stout=stout,
        half_width=float(np.clip(rng.normal(13.4, 0.75), 11.6, 15.2)) * small,
        depth=float(rng.uniform(14.5, 18.0) + 2.5 * stout) * small,
        apex=float(rng.normal(-13.0, 0.45)),
        height=float(np.clip(rng.normal(22.3, 1.0), 19.5, 24.8)) * small,
        wall=1.3 + 3.6 * stout,
        breast=float(rng.uniform(1.2, 3.4) + 1.6 * stout) if sex == "F" else 0.0,
        ratio=float(rng.uniform(0.40, 0.475)),
        bone=float(rng.uniform(0.75, 1.15)),
        rib_spacing=float(rng.uniform(2.05, 2.4)),
        rib_drop=float(rng.uniform(7.0, 9.6)),
        rib_jitter=tuple(float(v) for v in rng.normal(0, 0.11, 2 * RIBS)),
        knob=float(rng.uniform(0.2, 1.0)),
        calcified=bool(rng.random() < 0.25),
        curve=float(rng.normal(0, 0.35)),
    )


_FAULTS = ("rotation", "inspiration", "exposure", "cut_off", "tilt")


def draw_exposure(seed: int, view: View, level: Level, take: int = 0) -> Exposure:
    """A bedside AP is noisier, more scattered, more turned and less deeply inspired."""
    rng = stream(seed, Purpose.EXPOSURE, take)
    bedside, hard = view is View.AP, level is Level.HARD
    faults = _faults(seed, view, level, take)
    border = np.where(rng.random(4) < 0.4, rng.uniform(0.005, 0.045, 4), 0.0)
    wide = 1.3 if hard else 1.0
    electrodes, folds, nipples = _distractors(seed, view, level, take)
    centre = (float(rng.normal(0, 0.4)), float(rng.normal(0.6, 0.4)))
    return Exposure(
        view=view,
        field=float(rng.uniform(33.5, 37.5)),
        centre=(centre[0] + faults.get("aside", 0.0), centre[1] + faults.get("cut_off", 0.0)),
        tilt=float(np.deg2rad(rng.normal(0, 1.6 if bedside else 0.8) + faults.get("tilt", 0.0))),
        rotation=float(np.clip(rng.normal(0, 2.4 if bedside else 1.5), -5, 5))
        + faults.get("rotation", 0.0),
        inspiration=float(np.clip(rng.normal(0.68 if bedside else 0.86, 0.09), 0.5, 1))
        - faults.get("inspiration", 0.0),
        scatter=wide * float(rng.uniform(0.3, 0.55) if bedside else rng.uniform(0.12, 0.3)),
        photons=float(rng.uniform(700, 1700) if bedside else rng.uniform(1500, 4000))
        / wide**2
        * faults.get("photons", 1.0),
        sharpness=float(rng.uniform(0.25, 0.8)),
        compression=float(rng.uniform(0.15, 0.45)),
        window=(
            float(rng.normal(0, 0.02)) + faults.get("exposure", 0.0),
            float(rng.normal(1, 0.03)) + faults.get("exposure", 0.0),
        ),
        gamma=float(rng.uniform(0.85, 1.2)),
        collimation=(float(border[0]), float(border[1]), float(border[2]), float(border[3])),
        marker=(float(rng.uniform(0.02, 0.06)), float(rng.uniform(0.02, 0.10))),
        electrodes=electrodes,
        folds=folds,
        nipples=nipples,
    )


def _distractors(seed: int, view: View, level: Level, take: int) -> tuple[int, int, bool]:
    """Electrodes, skin folds, and whether the nipples are seen."""
    rng = stream(seed, Purpose.DISTRACTORS, take)
    often = 1.6 if level is Level.HARD else 1.0
    bedside = view is View.AP
    leads = rng.random() < (0.5 if bedside else 0.05) * often
    folds = view is not View.LATERAL and rng.random() < (0.16 if bedside else 0.03) * often
    nipples = view is not View.LATERAL and rng.random() < 0.1 * often
    return (
        int(rng.integers(2, 6)) if leads else 0,
        int(rng.integers(1, 3)) if folds else 0,
        bool(nipples),
    )


def _faults(seed: int, view: View, level: Level, take: int) -> dict[str, float]:
    """At most two faults of quality, each clearly beyond the ordinary spread."""
    rng = stream(seed, Purpose.FAULTS, take)
    chance = (0.12 if view is View.AP else 0.06) * (1.5 if level is Level.HARD else 1.0)
    hit = [name for name in _FAULTS if rng.random() < chance][:2]
    sign = [float(v) for v in rng.choice((-1.0, 1.0), 5)]
    size = [float(v) for v in rng.random(5)]
    found: dict[str, float] = {}
    for name in hit:
        if name == "rotation" and view is not View.LATERAL:
            found["rotation"] = sign[0] * (10 + 11 * size[0])
        elif name == "inspiration":
            found["inspiration"] = 0.38 + 0.25 * size[1]
        elif name == "exposure":
            found["exposure"] = sign[2] * (0.15 + 0.13 * size[2])
            found["photons"] = 0.3 if sign[2] < 0 else 1.0
        elif name == "cut_off":
            found["cut_off"] = sign[3] * (3.4 + 2.6 * size[3])
        elif name == "tilt":
            found["tilt"] = sign[4] * (5.5 + 5 * size[4])
    return found


def quality(exposure: Exposure) -> dict[str, str]:
    """Grade the five quality dimensions from what was drawn."""
    shift = max(abs(exposure.window[0]), abs(1 - exposure.window[1]))
    return {
        "positioning": _grade(abs(float(np.rad2deg(exposure.tilt))), 4.5, 8.0),
        "inspiration": _grade(1 - exposure.inspiration, 0.5, 0.68),
        "exposure": _grade(shift, 0.10, 0.21),
        "rotation": _grade(abs(exposure.rotation), 7.0, 15.0),
        "coverage": _grade(abs(exposure.centre[1] - 0.6), 2.2, 4.6),
    }


def _grade(value: float, limited: float, inadequate: float) -> str:
    if value >= inadequate:
        return "inadequate"
    return "limited" if value >= limited else "adequate"
