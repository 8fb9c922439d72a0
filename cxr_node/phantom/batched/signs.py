"""What can be drawn, and what follows from it: the table of implications.

The 18 finding kinds of the domain are answered by these rules and no others:

* every sign that has a finding kind makes that kind present;
* consolidation, atelectasis, edema and lung_lesion each imply lung_opacity (the parent
  label of CheXpert's hierarchy, arXiv 1901.07031);
* consolidation implies pneumonia: a phantom's consolidation is drawn as one, patchy with air
  bronchograms. Beside edema it is uncertain, for there no radiologist would separate them;
* cardiomegaly does not imply enlarged_cardiomediastinum: that kind means a widened
  mediastinum above the heart, and is asked for separately;
* free air under the diaphragm has no finding kind. It is kept as an "other" finding, makes
  a study abnormal and is named in the report;
* all else is absent.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from cxr_node.domain.findings import FindingKind, Presence

_K = FindingKind


class Sign(StrEnum):
    """One thing that is drawn. The order is part of the drawing: append only."""

    PNEUMOTHORAX = "pneumothorax"
    PLEURAL_EFFUSION = "pleural_effusion"
    CONSOLIDATION = "consolidation"
    ATELECTASIS = "atelectasis"
    EDEMA = "edema"
    CARDIOMEGALY = "cardiomegaly"
    LUNG_LESION = "lung_lesion"
    ENLARGED_CARDIOMEDIASTINUM = "enlarged_cardiomediastinum"
    FRACTURE = "fracture"
    PLEURAL_OTHER = "pleural_other"
    FREE_AIR = "free_air"
    ENDOTRACHEAL_TUBE = "endotracheal_tube"
    ENTERIC_TUBE = "enteric_tube"
    CENTRAL_VENOUS_CATHETER = "central_venous_catheter"
    PORT = "port"
    CHEST_TUBE = "chest_tube"
    PACEMAKER = "pacemaker"

    @property
    def kind(self) -> FindingKind | None:
        """The finding of the vocabulary; None for what is outside it."""
        return None if self is Sign.FREE_AIR else FindingKind(self.value)

    @property
    def is_device(self) -> bool:
        return self.kind is not None and self.kind.is_device

    @property
    def number(self) -> int:
        return list(Sign).index(self)


OPACITIES = (Sign.CONSOLIDATION, Sign.ATELECTASIS, Sign.EDEMA, Sign.LUNG_LESION)

IMPLIED: dict[Sign, tuple[FindingKind, ...]] = {
    **dict.fromkeys(OPACITIES, (_K.LUNG_OPACITY,)),
    Sign.CONSOLIDATION: (_K.LUNG_OPACITY, _K.PNEUMONIA),
}
"""A sign to the kinds that follow from it, besides its own."""

SHOWN_ON_LATERAL = frozenset(
    {
        Sign.PLEURAL_EFFUSION,
        Sign.CONSOLIDATION,
        Sign.EDEMA,
        Sign.CARDIOMEGALY,
        Sign.LUNG_LESION,
        Sign.FREE_AIR,
        Sign.ENTERIC_TUBE,
        Sign.PACEMAKER,
    }
)
"""What a lateral view is drawn with; the truth of one names nothing else."""


def presences(signs: Collection[Sign]) -> dict[FindingKind, Presence]:
    """The answer for each of the 18 kinds, by the rules above."""
    found = dict.fromkeys(FindingKind, Presence.ABSENT)
    for sign in signs:
        for kind in (sign.kind, *IMPLIED.get(sign, ())):
            if kind is not None:
                found[kind] = Presence.PRESENT
    if Sign.CONSOLIDATION in signs and Sign.EDEMA in signs:
        found[_K.PNEUMONIA] = Presence.UNCERTAIN
    return found
