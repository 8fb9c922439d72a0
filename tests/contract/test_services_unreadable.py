"""A picture that shows nothing is refused for that, whichever job finds out first."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.study import StudyState
from cxr_node.services.assembly import close_due
from cxr_node.store.schema import RevisionRow
from tests.builders import radiograph
from tests.whole_node import WholeNode, configuration, script


@pytest.mark.parametrize("closed_first", [True, False])
def test_a_blank_exposure_is_refused_as_such(closed_first: bool, tmp_path: Path) -> None:
    node = WholeNode(configuration(tmp_path / "node", script(tmp_path / "m.script.json")))
    blank = radiograph()
    blank.PixelData = bytes(len(blank.PixelData))
    node.receive(blank)
    if not closed_first:
        node.stations.read()  # the quick look finds out before the study is closed
    node.clock.advance(11)
    parts = node.node
    close_due(
        *(parts.db, node.clock, parts.config.assembly),
        *(parts.identity.digest, parts.templates.version, node.bell),
    )
    node.stations.read()
    [revision] = node.rows(RevisionRow)
    node.stop()
    assert (revision["state"], revision["reason"]) == (
        StudyState.NOT_ELIGIBLE,
        Reason.IMAGE_QUALITY,
    )
