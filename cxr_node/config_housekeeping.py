"""What is kept for how long."""

from __future__ import annotations

from pydantic import Field

from cxr_node.config_section import Section


class RetentionSection(Section):
    """Days after which bytes are removed; 0 keeps them. Rows, and what they say, stay."""

    images_days: float = Field(0.0, ge=0, description="images of a study that came to its end")
    failed_days: float = Field(0.0, ge=0, description="images of a study that failed")
    results_days: float = Field(
        0.0, ge=0, description="what was delivered; Structured Reports are always kept"
    )
    quarantine_days: float = Field(0.0, ge=0, description="what was refused or in conflict")
    clean_below_bytes: int = Field(
        0, ge=0, description="with less free space, the oldest ended studies go first; 0 is off"
    )
