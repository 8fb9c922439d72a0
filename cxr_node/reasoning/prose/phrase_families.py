"""Families of phrases: what differs in a word or two, and what names one structure.

Written as columns and crossed, so that one new word serves every phrase of its family.
"""

from __future__ import annotations

from itertools import product


def _crossed(*columns: str) -> str:
    """Every phrase with one word or phrase of each column; "-" stands for none."""
    rows = product(*([cell.strip() for cell in column.split("|")] for column in columns))
    return " | ".join(" ".join(cell for cell in row if cell != "-") for row in rows)


_EARLIER = "prior | previous | last | earlier | preceding | most recent | recent | old | baseline"
_STUDY = (
    "study | exam | examination | radiograph | film | image | imaging | x ray | chest x ray | cxr"
    " | chest radiograph | chest film | ct | one | control | portable | view | scan | comparison"
)
NOT_THEN = _crossed(
    "not | never",
    "there | present | seen | visible | noted | identified | evident | found | visualized",
    "before | previously | earlier | on prior | on the prior | then",
)
_SINCE_STUDY = _crossed(
    "than | since | from | to | with | compared to | compared with | as compared to | versus"
    " | as compared with | relative to | in comparison to | in comparison with",
    "the | - | his | her | your",
    _EARLIER,
    _STUDY,
)
THEN = _crossed("on | in", "the | - | his | her | your", _EARLIER, _STUDY)
_TIMES = "year | month | week | visit | time | admission | night | screening"
AGO = _crossed("last | previous | prior", "year | month | week | visit | time | night")
SINCE_TIMES = _crossed(
    "than | since | from | compared to | compared with", "last | previous | prior", _TIMES
)
GONE = _crossed(
    "complete | full | total | interval complete",
    "regression | resolution | clearing | clearance | disappearance | remission",
    "of",
)
SINCE = f"{_SINCE_STUDY} | {SINCE_TIMES}"
TYPICAL = _crossed(
    "typical | classic | classical | usual | common",
    "sign | feature | finding | appearance | manifestation | cause",
    "of",
)
NOT_THEN_STUDY = _crossed(NOT_THEN, "study | exam | film | radiograph | image | x ray | cxr | one")


CARDIAC_NAMES = (
    "heart | heart size | cardiac silhouette | cardiac size | cardiac shadow | cardiac contour"
    " | size of heart | heart shadow | heart contour | size of the heart | heart silhouette"
    " | cardiac outline | size of the cardiac silhouette | size of cardiac silhouette | cardiac"
    " | cardiothoracic ratio | heart outline"
)
MIDDLE_NAMES = (
    "mediastinum | mediastinal contour | mediastinal silhouette | mediastinal structure"
    " | upper mediastinum | superior mediastinum | mediastinal | mediastinal shadow"
    " | mediastinal width | mediastinal outline | mediastinal border"
)
BOTH_NAMES = (
    "cardiomediastinal silhouette | cardiomediastinal contour | cardiomediastinum"
    " | cardiomediastinal | cardiomediastinal shadow | cardiac mediastinal silhouette"
    " | cardiac mediastinal contour | cardiac and mediastinal contour | heart and mediastinum"
    " | cardiac and mediastinal silhouette | cardio mediastinal silhouette"
    " | cardiac silhouette and mediastinum | cardiomediastinal structure"
)

REWRITTEN = {
    "nothing acute": "no|acute|abnormality",
    "nothing active": "no|acute|abnormality",
    "nothing abnormal": "no|abnormality",
    "nothing wrong": "no|abnormality",
    "nothing significant": "no|significant|abnormality",
    "nothing going on": "no|abnormality",
}
"""Phrases that stand for others, in the words of :data:`PHRASES`."""
