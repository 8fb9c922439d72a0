"""What hiding the boxes of a study did, in a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from cxr_node.services.occlusion import OcclusionAudit


def print_occlusions(audit: OcclusionAudit, console: Console) -> None:
    """One line a finding; probabilities in percent."""
    table = Table("finding", "whole", "box hidden", "elsewhere hidden", "present from", "verdict")
    for row in audit.findings:
        table.add_row(
            row.kind.value.replace("_", " "),
            *map(_percent, (row.before, row.after, row.control, row.threshold)),
            row.outcome.value,
        )
    if audit.findings:
        console.print(table)
    else:
        console.print("no finding with a box is held present: there is nothing to hide")
    if audit.without_box:
        names = ", ".join(kind.value.replace("_", " ") for kind in audit.without_box)
        console.print(f"present without a box, so not audited: {names}", soft_wrap=True)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def as_json(audit: OcclusionAudit) -> str:
    """The same for a program; probabilities from 0 to 1."""
    document = {
        "study_uid": audit.study_uid,
        "revision": audit.revision,
        "model": {"name": audit.model.name, "digest": audit.model.digest},
        "findings": [
            asdict(row) | {"outcome": row.outcome.name.lower(), "words": row.outcome.value}
            for row in audit.findings
        ],
        "without_box": list(audit.without_box),
    }
    return json.dumps(document, indent=1)
