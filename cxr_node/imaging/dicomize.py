"""Wraps PNG and JPEG radiographs as DX files, so that they can be sent to a node.

The same picture always gets the same UIDs, and a patient id that names nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cxr_node.domain.errors import Unreadable
from cxr_node.imaging.radiograph import (
    GrayPixels,
    RadiographDetails,
    ViewPosition,
    build_radiograph,
)

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
_MAX_PIXELS = 64_000_000
_DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})


def dicomize(source: Path, target: Path, details: RadiographDetails) -> None:
    """Write the picture in ``source`` as a DX file at ``target``.

    Eight and sixteen bit grey pass unchanged, colour becomes luminance. Raises
    :class:`Unreadable` for anything that is not a PNG or JPEG picture.
    """
    pixels, jpeg_ratio = _read_picture(source)
    dataset = build_radiograph(pixels, replace(details, jpeg_ratio=jpeg_ratio))
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(target, enforce_file_format=True)


def dicomize_path(
    source: Path,
    out: Path,
    *,
    view: str,
    age: float | None,
    sex: str,
    patient_id: str | None = None,
) -> list[Path]:
    """Wrap one picture, or every PNG and JPEG below a folder; return the files written.

    ``out`` is a folder and mirrors the source's. ``view`` is PA, AP, LL or RL, ``age`` in
    years. Without ``patient_id`` each file name is a patient of its own. Raises
    :class:`Unreadable` for a source without pictures.
    """
    try:
        details = RadiographDetails("", sex=sex, age_years=age, view=ViewPosition(view.upper()))
    except ValueError as error:
        raise Unreadable("the view must be PA, AP, LL or RL") from error
    written = []
    for picture in _pictures(source):
        root = source if source.is_dir() else source.parent
        target = out / picture.relative_to(root).with_name(f"{picture.name}.dcm")
        identity = patient_id or anonymous_patient_id(picture)
        dicomize(picture, target, replace(details, patient_id=identity))
        written.append(target)
    if not written:
        raise Unreadable(f"{source.name}: no PNG or JPEG picture")
    return written


def anonymous_patient_id(picture: Path) -> str:
    """A patient id computed from the file name; says nothing and stays the same."""
    return f"ANON-{hashlib.sha256(picture.stem.encode()).hexdigest()[:12].upper()}"


def _pictures(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        yield source
        return
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix.lower() in _SUFFIXES:
            yield path


def _read_picture(source: Path) -> tuple[GrayPixels, float]:
    """Grey values, rows x columns, and the JPEG compression ratio (0 for PNG)."""
    try:
        with Image.open(source, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise Unreadable(f"{source.name}: more than {_MAX_PIXELS} pixels")
            pixels = _gray(ImageOps.exif_transpose(image))
            lossy = image.format == "JPEG"
    except Image.DecompressionBombError as error:
        raise Unreadable(f"{source.name}: more than {_MAX_PIXELS} pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise Unreadable(f"{source.name}: not a readable PNG or JPEG picture") from error
    return pixels, pixels.nbytes / source.stat().st_size if lossy else 0.0


def _gray(image: Image.Image) -> GrayPixels:
    if image.mode in _DEEP_MODES:
        return np.asarray(image).clip(0, 65535).astype(np.uint16)
    if image.mode == "P":
        image = image.convert("RGB")
    return np.asarray(image.convert("L"), np.uint8)
