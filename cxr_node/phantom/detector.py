"""From thickness to picture: attenuation, scatter, noise, display window, collimation."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxr_node.phantom.anatomy import Exposure
from cxr_node.phantom.raster import blurred
from cxr_node.phantom.scene import Scene
from cxr_node.phantom.truth import Pixels

# Effective linear attenuation at about 110 kVp, per centimetre.
SOFT, LUNG, BONE, METAL = 0.175, 0.045, 0.30, 2.2


def attenuation(scene: Scene) -> Pixels:
    """Line integral of each pixel."""
    lungs = np.minimum(scene.lungs, scene.body)
    aerated = np.clip(lungs - scene.soft, 0, None)
    gas = scene.air + scene.gas
    solid = np.clip(scene.body - lungs - gas, 0, None) + (lungs - aerated)
    total = SOFT * solid + LUNG * scene.density * aerated + BONE * scene.bone
    return np.asarray(total + METAL * scene.metal, dtype=np.float32)


def expose(scene: Scene, rng: np.random.Generator) -> Pixels:
    """The displayed picture, 0 to 1, bones bright."""
    exposure, scale = scene.exposure, scene.frame.pixels_per_cm
    primary = blurred(np.exp(-attenuation(scene)).astype(np.float32), max(0.035 * scale, 0.3))
    inside = scene.body > 0.5
    scatter = exposure.scatter * blurred(primary * inside, 5 * scale)
    signal = primary + scatter
    # Photons per pixel fall with its area; 224 pixels are the reference.
    photons = exposure.photons * 100 * (5.6 / scale) ** 2
    grain = np.asarray(rng.standard_normal(signal.shape), dtype=np.float32)
    level = -np.log(np.maximum(signal + grain * np.sqrt(signal / photons), 1e-4))
    level += exposure.sharpness * (level - blurred(level, 1.6 * scale))
    return _displayed(level, inside, exposure)


def _displayed(level: Pixels, inside: np.ndarray, exposure: Exposure) -> Pixels:
    step = max(1, level.shape[0] // 112)
    body = level[::step, ::step][inside[::step, ::step]]
    low, high = np.percentile(body, (1.5, 98.0)) if body.size > 50 else (0.0, 1.0)
    span = max(float(high - low), 1e-3)
    low, high = low + span * exposure.window[0], low + span * exposure.window[1]
    shown = 0.06 + 0.86 * (level - low) / (high - low)
    shown = np.clip(shown, 0, 1) ** exposure.gamma
    return _collimated(np.asarray(shown, np.float32), exposure)


def _collimated(image: Pixels, exposure: Exposure) -> Pixels:
    size = image.shape[0]
    left, top, right, bottom = (round(size * share) for share in exposure.collimation)
    lit = np.zeros_like(image)
    lit[top : size - bottom, left : size - right] = 1.0
    return image * lit


def with_marker(image: Pixels, letters: str, share: tuple[float, float]) -> Pixels:
    """Lay a lead letter on the picture; ``share`` is its place in parts of the picture."""
    size = image.shape[0]
    stamp = Image.new("L", (size, size), 0)
    font = ImageFont.load_default(size=max(8, round(size * 0.055)))
    place = (share[0] * size, share[1] * size)
    ImageDraw.Draw(stamp).text(place, letters, fill=255, font=font)
    lead = np.asarray(stamp, dtype=np.float32) / 255
    return np.maximum(image, 0.97 * lead)
