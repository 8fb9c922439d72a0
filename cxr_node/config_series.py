"""What the objects of a result are called at one destination (Series Description).

A worklist rule of a PACS acts on these words, so they are fixed by the site, never by a model.
"""

from __future__ import annotations

from string import Formatter
from typing import Literal

from pydantic import Field, field_validator

from cxr_node.config_section import Section

SeriesObject = Literal["sr", "page", "pdf", "key-object", "gsps", "seg"]
Described = dict[SeriesObject, str]
LONGEST = 64
"""Of the VR LO; the longest priority fits into it as well."""
_LONGEST_PRIORITY = "ROUTINE"


class SeriesSection(Section):
    """Series Descriptions of the objects that one destination gets."""

    mark_flagged: bool = Field(
        True, description="report and key object of a flagged study say AI TRIAGE and the priority"
    )
    described: Described = Field(
        {}, description="by object (sr, page, pdf, key-object, gsps, seg): its words"
    )
    flagged: Described = Field(
        {}, description="the same for flagged studies; {priority} is filled in"
    )

    @field_validator("described", "flagged")
    @classmethod
    def _usable(cls, found: Described) -> Described:
        for kind, words in found.items():
            names = {name for _, name, _, _ in Formatter().parse(words) if name is not None}
            if names - {"priority"}:
                raise ValueError(f"{kind}: only {{priority}} is filled in")
            shown = words.format(priority=_LONGEST_PRIORITY)
            if not shown.strip() or not shown.isprintable() or "\\" in shown:
                raise ValueError(f"{kind}: visible characters without a backslash")
            if len(shown) > LONGEST:
                raise ValueError(f"{kind}: longer than {LONGEST} characters")
        return found


USUAL_SERIES = SeriesSection()
"""Nothing of a destination's own."""
