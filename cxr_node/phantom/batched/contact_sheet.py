"""A contact sheet: small phantoms side by side, each with its name, as one picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cxr_node.domain.findings import DevicePosition, Severity
from cxr_node.domain.instance import View
from cxr_node.phantom.batched.case import Case, make_case
from cxr_node.phantom.batched.make import Radiograph, radiographs
from cxr_node.phantom.batched.signs import Sign

_TEXT = 16
_GAP = 4
_S, _D = Severity, DevicePosition


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture of the sheet: what to draw and what to call it."""

    name: str
    seed: int
    view: View
    signs: tuple[Sign, ...] = ()
    severity: Severity | None = None
    position: DevicePosition | None = None
    zoom: bool = False
    """Show the middle of its first sign at twice the size."""

    def case(self) -> Case:
        return make_case(
            self.seed,
            view=self.view,
            signs=self.signs,
            severity=self.severity,
            position=self.position,
        )


EXHIBITS: tuple[Exhibit, ...] = (
    Exhibit("PA, normal", 18, View.PA),
    Exhibit("AP, normal", 35, View.AP),
    Exhibit("lateral, normal", 8, View.LATERAL),
    Exhibit("pneumothorax, moderate", 104, View.PA, (Sign.PNEUMOTHORAX,), _S.MODERATE),
    Exhibit("pneumothorax, severe", 115, View.AP, (Sign.PNEUMOTHORAX,), _S.SEVERE),
    Exhibit("effusion, moderate", 147, View.PA, (Sign.PLEURAL_EFFUSION,), _S.MODERATE),
    Exhibit("effusion, lateral", 127, View.LATERAL, (Sign.PLEURAL_EFFUSION,), _S.MODERATE),
    Exhibit("consolidation", 134, View.PA, (Sign.CONSOLIDATION,), _S.MODERATE),
    Exhibit("atelectasis, plates", 105, View.PA, (Sign.ATELECTASIS,), _S.MILD),
    Exhibit("atelectasis, lobe", 106, View.PA, (Sign.ATELECTASIS,), _S.MODERATE),
    Exhibit("edema", 110, View.AP, (Sign.EDEMA,), _S.SEVERE),
    Exhibit("cardiomegaly", 111, View.PA, (Sign.CARDIOMEGALY,), _S.MODERATE),
    Exhibit("nodule", 112, View.PA, (Sign.LUNG_LESION,), _S.MODERATE),
    Exhibit("mass", 113, View.PA, (Sign.LUNG_LESION,), _S.SEVERE),
    Exhibit("widened mediastinum", 141, View.PA, (Sign.ENLARGED_CARDIOMEDIASTINUM,), _S.MODERATE),
    Exhibit("rib fractures, enlarged", 135, View.PA, (Sign.FRACTURE,), _S.SEVERE, zoom=True),
    Exhibit("pleural thickening", 117, View.PA, (Sign.PLEURAL_OTHER,), _S.MODERATE),
    Exhibit("free air", 118, View.PA, (Sign.FREE_AIR,), _S.MODERATE),
    Exhibit("ET tube", 119, View.AP, (Sign.ENDOTRACHEAL_TUBE,), None, _D.CORRECT),
    Exhibit("ET tube, bronchus", 120, View.AP, (Sign.ENDOTRACHEAL_TUBE,), None, _D.MALPOSITIONED),
    Exhibit("enteric tube", 121, View.AP, (Sign.ENTERIC_TUBE,), None, _D.CORRECT),
    Exhibit("central line", 122, View.AP, (Sign.CENTRAL_VENOUS_CATHETER,), None, _D.CORRECT),
    Exhibit("port", 123, View.PA, (Sign.PORT,), None, _D.CORRECT),
    Exhibit("chest tube", 124, View.AP, (Sign.CHEST_TUBE, Sign.PNEUMOTHORAX), _S.MILD, _D.CORRECT),
    Exhibit("pacemaker", 125, View.PA, (Sign.PACEMAKER,)),
    Exhibit("pacemaker, lateral", 128, View.LATERAL, (Sign.PACEMAKER,)),
)
"""What the sheet in the documentation shows: every sign once, normal films first."""


def exhibit_sheet(size: int = 224, columns: int = 7) -> Image.Image:
    """The fixed sheet of :data:`EXHIBITS`, ``size`` pixels a picture."""
    films = radiographs((e.case() for e in EXHIBITS), 2 * size)
    shown = (
        (e.name, _enlarged(f, size) if e.zoom else f.image)
        for e, f in zip(EXHIBITS, films, strict=True)
    )
    return sheet(shown, size, columns)


def _enlarged(film: Radiograph, size: int) -> NDArray[np.float32]:
    """A square of ``size`` pixels around the middle of the first sign."""
    box = film.facts.signs[0].box
    left, top = (
        round(min(max((box[k] + box[k + 2]) / 2 - size / 2, 0), film.size - size)) for k in (0, 1)
    )
    return film.image[top : top + size, left : left + size]


def caption(film: Radiograph) -> str:
    """View and signs of a film in a few words."""
    names = [s.sign.value.replace("_", " ") for s in film.facts.signs]
    return f"{film.facts.seed} {film.facts.projection}: {', '.join(names) or 'normal'}"


def sheet(
    pictures: Iterable[tuple[str, NDArray[np.float32]]], size: int, columns: int
) -> Image.Image:
    """Named pictures (0 to 1) in rows of ``columns``, each ``size`` pixels."""
    cells = [_cell(name, picture, size) for name, picture in pictures]
    rows = -(-len(cells) // columns)
    wide, tall = size + _GAP, size + _TEXT + _GAP
    whole = Image.new("L", (columns * wide - _GAP, max(1, rows * tall - _GAP)), 255)
    for n, cell in enumerate(cells):
        whole.paste(cell, (n % columns * wide, n // columns * tall))
    return whole


def _cell(name: str, picture: NDArray[np.float32], size: int) -> Image.Image:
    grey = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
    cell = Image.new("L", (size, size + _TEXT), 255)
    cell.paste(grey.resize((size, size), Image.Resampling.LANCZOS), (0, _TEXT))
    text = _shortened(name, size)
    ImageDraw.Draw(cell).text((2, 1), text, fill=0, font=ImageFont.load_default(size=12))
    return cell


def _shortened(name: str, size: int) -> str:
    most = max(8, size // 6)
    return name if len(name) <= most else f"{name[: most - 1]}…"
