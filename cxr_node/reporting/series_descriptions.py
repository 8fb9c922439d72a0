"""Series Description (0008,103E) of each object: fixed words that a PACS rule can act on.

A destination's own words come first, then those of the templates. The report and the key
object of a flagged study carry a marker with the priority, unless it is switched off there.
"""

from __future__ import annotations

import hashlib

from cxr_node.config_series import USUAL_SERIES, SeriesObject, SeriesSection
from cxr_node.domain.findings import Reading
from cxr_node.domain.priority import PriorityDecision, is_flag
from cxr_node.reporting.person_words import series_words
from cxr_node.reporting.text import clean_name
from cxr_node.reporting.wording import Wording


def series_description(
    kind: SeriesObject,
    reading: Reading,
    decision: PriorityDecision,
    wording: Wording,
    chosen: SeriesSection,
) -> str:
    """The words, fit for the VR LO."""
    flagged = chosen.mark_flagged and is_flag(decision.priority)
    usual = {
        "sr": series_words(reading, wording) or wording.markers.read,
        "page": wording.series.page,
        "pdf": wording.series.pdf,
        "key-object": wording.series.key_object_unmarked,
        "gsps": wording.series.presentation_state,
        "seg": wording.series.segmentation,
    } | chosen.described
    marks = {"sr": wording.markers.flagged, "key-object": wording.series.key_object}
    words = (marks | chosen.flagged).get(kind) if flagged else None
    return clean_name((words or usual[kind]).format(priority=decision.priority.value))


def variant(chosen: SeriesSection) -> str:
    """Empty for the usual words, else a short name for these; other words are other objects."""
    if chosen == USUAL_SERIES:
        return ""
    return hashlib.sha256(chosen.model_dump_json().encode()).hexdigest()[:4]
