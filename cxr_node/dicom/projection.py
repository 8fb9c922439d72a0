"""The projection a header claims: View Code Sequence first, then View Position."""

from __future__ import annotations

from pydicom.dataset import Dataset

from cxr_node.dicom import values
from cxr_node.domain.instance import View

# PS3.16 CID 4010, in SNOMED CT and in the older SNOMED RT spelling.
_CODES: dict[str, View] = {
    **dict.fromkeys(("272479007", "R-10214", "R-40888"), View.PA),
    **dict.fromkeys(("399348003", "R-10206"), View.AP),
    **dict.fromkeys(
        ("399067008", "399173006", "399198007", "R-102CD", "R-10236", "R-10232"), View.LATERAL
    ),
    **dict.fromkeys(
        ("399182000", "R-102C1", "399184004", "R-10238", "399236003", "R-10234"), View.OBLIQUE
    ),
    **dict.fromkeys(
        ("399135007", "R-10220", "399006002", "R-10212", "399356000", "R-40985"), View.OBLIQUE
    ),
    **dict.fromkeys(
        ("399038007", "R-10210", "399312000", "R-10208", "399059000", "R-10216"), View.OBLIQUE
    ),
    **dict.fromkeys(("399160007", "R-10204", "399260004", "399368009"), View.OBLIQUE),
}

# PS3.3 C.8.1.1 and what modalities write beside it. Decubitus views stand with the
# obliques: they are not the frontal projection a reading expects.
_POSITIONS: dict[str, View] = {
    "PA": View.PA,
    "AP": View.AP,
    **dict.fromkeys(("LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT", "L LAT", "R LAT"), View.LATERAL),
    **dict.fromkeys(("LEFT LATERAL", "RIGHT LATERAL", "ML", "LM"), View.LATERAL),
    **dict.fromkeys(("RAO", "LAO", "RPO", "LPO", "RLO", "LLO", "OBL", "OBLIQUE"), View.OBLIQUE),
    **dict.fromkeys(("RLD", "LLD", "DECUBITUS"), View.OBLIQUE),
}


def view(ds: Dataset) -> View:
    """UNKNOWN where the header is silent or names something else."""
    for item in values.items(ds, "ViewCodeSequence"):
        coded = _CODES.get(values.text(item, "CodeValue"))
        if coded is not None:
            return coded
    return _POSITIONS.get(values.text(ds, "ViewPosition").upper(), View.UNKNOWN)
