"""The OHIF viewer over Orthanc's DICOMweb: one origin, and a browser that looks at it.

The viewer is the published package, unchanged; its configuration is the one of a plain
archive. It is served from this machine and loads nothing else.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from tests.peers import Orthanc, missing, orthanc_server, require

VERSION = "3.12.10"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SECONDS = 300.0
"""Longest any step in the browser may take; a busy machine of two cores needs a tenth."""
_LOADS = 3
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    "--ignore-gpu-blocklist",
)
_TEXTS = "() => [...document.querySelectorAll('svg.svg-layer text')].map(t => t.textContent)"
_DRAW = """() => window.cornerstoneTools.utilities.triggerAnnotationRenderForViewportIds(
    window.cornerstone.getEnabledElements().map(e => e.viewport.id))"""
_PASSED_ON = ("Accept", "Content-Type", "Content-Length", "Host")
CONFIGURATION = (Path(__file__).parents[1] / "docs" / "ohif-config.js").read_text("utf-8")
PLAIN = CONFIGURATION.replace("onBeforeSRAddMeasurement", "unused")
"""The same without the name beside the box: what a hospital's own OHIF is like."""


def viewer_folder() -> Path:
    """Where ``.ci/viewer.sh`` puts the viewer."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(cache) / "cxr-node" / f"ohif-{VERSION}"
    if not (folder / "index.html").exists():
        missing("the OHIF viewer", "npm, then .ci/viewer.sh")
    return folder


class _Handler(SimpleHTTPRequestHandler):
    """Files of the viewer, its configuration, and DICOMweb handed on to Orthanc."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, orthanc: Orthanc, configuration: str, **named: Any) -> None:
        self._orthanc = orthanc
        self._configuration = configuration
        super().__init__(*args, **named)

    def do_GET(self) -> None:
        """One file, the page for every unknown address, or an answer of Orthanc."""
        if self.path.startswith("/dicom-web"):
            self._hand_on()
        elif self.path.startswith("/app-config.js"):
            self._answer(self._configuration.encode())
        else:
            if not Path(self.translate_path(self.path)).is_file():
                self.path = "/index.html"
            super().do_GET()

    def _hand_on(self) -> None:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._orthanc.http_port, timeout=SECONDS
        )
        named = {name: value for name, value in self.headers.items() if name in _PASSED_ON}
        try:
            connection.request("GET", self.path, headers=named)
            answer = connection.getresponse()
            kind = answer.getheader("Content-Type", "application/octet-stream")
            self._answer(answer.read(), kind, answer.status)
        finally:
            connection.close()

    def _answer(self, body: bytes, kind: str = "text/javascript", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served(orthanc: Orthanc, configuration: str) -> Iterator[str]:
    """Address of the viewer in front of ``orthanc``."""
    folder = str(viewer_folder())
    handler = partial(_Handler, orthanc=orthanc, configuration=configuration, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def dicomweb_archive() -> Iterator[Orthanc]:
    """An Orthanc that speaks DICOMweb."""
    if not PLUGIN.exists():
        missing("DICOMweb for Orthanc", "orthanc-dicomweb")
    web = {"Enable": True, "Root": "/dicom-web/"}
    with orthanc_server(Plugins=[str(PLUGIN)], DicomWeb=web) as peer:
        yield peer


@contextmanager
def drawing_browser() -> Iterator[Browser]:
    """Debian's Chromium, drawing without a graphics card."""
    program = require("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield browser
        browser.close()


@contextmanager
def study_page(browser: Browser, viewer: str, study_uid: str) -> Iterator[Page]:
    """The study in the viewer, its image on the screen."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.add_init_script("""localStorage.setItem("shownTours", '["basicViewerTour"]')""")
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    try:
        _show(page, f"{viewer}/viewer?StudyInstanceUIDs={study_uid}")
        yield page
    finally:
        context.close()


def _show(page: Page, address: str) -> None:
    """Load the study; once more where a busy machine let the viewer lose a request, which it
    never asks again."""
    for again in reversed(range(_LOADS)):
        page.goto(address, wait_until="commit")
        try:
            page.wait_for_selector("canvas", timeout=SECONDS * 1000 / _LOADS)
        except TimeoutError:
            if not again:
                raise
        else:
            return


def open_report(page: Page) -> None:
    """Double click on the series without a picture."""
    page.locator('[data-cy="study-browser-thumbnail-no-image"]').first.dblclick()


def failed(page: Page) -> bool:
    """Whether the viewer shows its error box."""
    return page.get_by_text("Something went wrong").count() > 0


def drawn_boxes(page: Page, count: int) -> list[str]:
    """Wait until ``count`` boxes are drawn with their texts; the texts beside what is drawn.

    The state is ready before the picture, the boxes before the texts, and the viewer loads a
    report more than once: ask it to draw again until two looks see the same.
    """
    deadline, before = time.monotonic() + SECONDS, None
    while time.monotonic() < deadline and not failed(page):
        page.evaluate(_DRAW)
        page.wait_for_timeout(1000)
        found: list[str] = page.evaluate(_TEXTS)
        boxes = page.locator("svg.svg-layer polyline").count()
        if boxes >= count <= len(found) and found == before:
            return found
        before = found
    pytest.fail("the viewer shows its error box" if failed(page) else "no boxes were drawn")


def outlines(page: Page) -> list[list[list[float]]]:
    """Points of every annotation that was read from the report, in the viewer's world."""
    found: list[list[list[float]]] = page.evaluate(
        """() => window.cornerstoneTools.annotation.state.getAllAnnotations()
            .filter(a => a.metadata.toolName === 'DICOMSRDisplay')
            .map(a => Object.values(a.data.renderableData)[0][0])"""
    )
    return found


def restore(page: Page) -> list[dict[str, Any]]:
    """Answer Yes; the measurements that come of it, with their names."""
    page.get_by_text("Yes", exact=True).first.click()
    read = """() => window.services.measurementService.getMeasurements()
        .map(m => ({label: m.label, tool: m.toolName}))"""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found: list[dict[str, Any]] = page.evaluate(read)
        if found:
            return found
        page.wait_for_timeout(500)
    pytest.fail("no measurement was restored")
