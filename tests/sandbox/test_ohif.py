"""The real OHIF over a real Orthanc: the report opens, its boxes are drawn and can be kept.

Set CXR_SCREENSHOT to a file's name to keep the picture that the documentation shows.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pydicom import dcmread

from cxr_node.domain.findings import PriorStudy, Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.reporting.measurement_report import build_report
from cxr_node.reporting.narrative import label
from tests.ohif import (
    CONFIGURATION,
    PLAIN,
    dicomweb_archive,
    drawing_browser,
    drawn_boxes,
    failed,
    open_report,
    outlines,
    restore,
    served,
    study_page,
)
from tests.page_examples import phantom_case
from tests.peers import Orthanc, until
from tests.readings import sample_image
from tests.reports import request, templates

pytestmark = pytest.mark.peers
PRIOR = PriorStudy(Uid("1.2.3.4"), sample_image(sop_instance_uid=Uid("1.2.3.4.5")), "20250301")


@dataclass(frozen=True)
class Room:
    """An archive, a browser, and a phantom with a reading of it."""

    archive: Orthanc
    browser: Browser
    image: Path
    reading: Reading

    def store(self, profile: str) -> str:
        """Put image and report into the archive, alone; the study's UID."""
        for study in self.archive.find("Study"):
            self.archive.call("DELETE", f"/studies/{study}")
        report = build_report(request(self.image, self.reading, sr_profile=profile))
        target = self.image.with_name(f"{profile}.dcm")
        report.save_as(target, enforce_file_format=True)
        for path in (self.image, target):
            sent = urllib.request.Request(
                f"{self.archive.base_url}/instances", data=path.read_bytes(), method="POST"
            )
            urllib.request.urlopen(sent, timeout=60).close()
        return str(report.StudyInstanceUID)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    path, reading, _ = phantom_case(tmp_path_factory.mktemp("phantom"))
    with dicomweb_archive() as archive, drawing_browser() as browser:
        yield Room(archive, browser, path, replace(reading, prior=PRIOR))


def test_the_viewer_opens_draws_names_and_keeps_the_findings(room: Room) -> None:
    study = room.store("viewer")
    wording = templates().wording
    named = [f for f in room.reading.present if f.box]
    with (
        served(room.archive, CONFIGURATION) as address,
        study_page(room.browser, address, study) as page,
    ):
        open_report(page)
        texts = drawn_boxes(page, len(named))
        if os.environ.get("CXR_SCREENSHOT"):
            page.screenshot(path=os.environ["CXR_SCREENSHOT"])
        for number, found in enumerate(named, 1):
            assert found.probability is not None
            words = f"F{number} {label(found, wording)}: Certainty of Finding: "
            certainty = f"{found.probability * 100:.2f} %"
            assert any(t.startswith(words) and t.endswith(certainty) for t in texts), (words, texts)
        assert any(t.startswith("CTR: Cardiothoracic ratio: ") for t in texts)
        spacing = [float(value) for value in dcmread(room.image).ImagerPixelSpacing]
        drawn = [points for points in outlines(page) if len(points) == 5]
        # A report that the viewer loaded twice has every annotation twice, in the same place.
        corners = sorted(
            {(points[0][0] / spacing[1] + 0.5, points[0][1] / spacing[0] + 0.5) for points in drawn}
        )
        boxes = sorted((max(f.box.x0, 0), max(f.box.y0, 0)) for f in named if f.box)
        assert sum(corners, ()) == pytest.approx(sum(boxes, ()), abs=0.1)
        kept = restore(page)
    assert sorted(m["label"] for m in kept) == sorted(f"AI: {label(f, wording)}" for f in named)
    assert {m["tool"] for m in kept} == {"RectangleROI"}


def test_a_viewer_that_was_not_prepared_opens_it_as_well(room: Room) -> None:
    study = room.store("ohif-native")
    wording = templates().wording
    named = [f for f in room.reading.present if f.box]
    with served(room.archive, PLAIN) as address, study_page(room.browser, address, study) as page:
        open_report(page)
        texts = drawn_boxes(page, len(named))
        for found in named:
            assert any(t.startswith(f"AI: {label(found, wording)}") for t in texts), texts


def test_groups_without_coordinates_still_break_this_version(room: Room) -> None:
    """Why there are shapes at all: when this fails, the viewer was mended."""
    study = room.store("air")
    with served(room.archive, PLAIN) as address, study_page(room.browser, address, study) as page:
        open_report(page)
        until(lambda: failed(page), "the error box", 180)
