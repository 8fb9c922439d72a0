"""The pages as a person meets them: a served node in headless Chromium at 1280 by 800."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

from cxr_node.domain.ports import FakeClock
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import VisibleState
from cxr_node.web.app import create_app
from cxr_node.web.server import WebServer
from tests.pages import NOON, STUDY, FakePages, entry, full_pages
from tests.peers import require

pytestmark = pytest.mark.peers

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_TOLERANCE = 1.7
"""Screen pixels: what is measured includes the line of 1.6, half of it on each side."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = require("chromium", "chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def serve() -> Iterator[Callable[[FakePages], str]]:
    servers: list[WebServer] = []

    def start(pages: FakePages) -> str:
        clock = FakeClock(NOON + timedelta(minutes=9))
        servers.append(WebServer(create_app(pages, clock), "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].start()}"

    yield start
    for server in servers:
        server.stop()


class Watched:
    """A browser page with everything it complained about or asked of others."""

    def __init__(self, browser: Browser, *, scripts: bool = True) -> None:
        self.context = browser.new_context(
            viewport={"width": 1280, "height": 800}, java_script_enabled=scripts
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if not request.url.startswith("http://127.0.0.1:"):
            self.foreign.append(request.url)


@pytest.fixture
def watched(browser: Browser, serve: Callable[[FakePages], str]) -> Iterator[Watched]:
    """Closed before the servers are: a page complains when its node goes away."""
    found = Watched(browser)
    yield found
    found.context.close()
    assert found.complaints == []
    assert found.foreign == []


def place(of: Locator) -> tuple[float, float, float, float]:
    box = of.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def names(page: Page) -> list[str]:
    return page.locator("tbody a").all_inner_texts()


def no_sideways_scroll(page: Page) -> bool:
    found: bool = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    return found


def test_the_worklist_shows_the_flagged_study_first(
    watched: Watched, serve: Callable[[FakePages], str]
) -> None:
    watched.page.goto(serve(full_pages()))
    assert names(watched.page)[:2] == ["Doe, Jane", "Roe, Person 1"]
    first = watched.page.locator("tbody tr").first
    assert "STAT" in first.inner_text()
    assert "Flagged" in first.inner_text()
    assert no_sideways_scroll(watched.page)


def test_the_worklist_follows_the_node_by_itself(
    watched: Watched, serve: Callable[[FakePages], str]
) -> None:
    pages = full_pages()
    watched.page.goto(serve(pages))
    expect(watched.page.locator("#live-status")).to_have_text(re.compile("^live"))
    watched.page.get_by_role("link", name="Roe, Person 2").focus()
    risen = entry(
        study=pages.entries[4].study,
        patient=pages.entries[4].patient,
        visible=VisibleState.FLAGGED,
        priority=Priority.HIGH,
    )
    pages.entries = [pages.entries[0], risen, *pages.entries[1:4]]
    watched.page.locator("tbody tr:nth-child(2)", has_text="Roe, Person 4").wait_for(timeout=8000)
    assert names(watched.page)[2:] == ["Roe, Person 1", "Roe, Person 2", "Roe, Person 3"]
    assert watched.page.evaluate("document.activeElement.innerText") == "Roe, Person 2"


def test_the_first_study_replaces_the_empty_page(
    watched: Watched, serve: Callable[[FakePages], str]
) -> None:
    pages = FakePages()
    watched.page.goto(serve(pages))
    assert watched.page.get_by_text("No study has arrived yet").is_visible()
    pages.entries = [entry()]
    watched.page.get_by_role("link", name="Doe, Jane").wait_for(timeout=8000)
    assert not watched.page.get_by_text("No study has arrived yet").is_visible()


def test_a_list_that_is_not_live_says_so(
    browser: Browser, serve: Callable[[FakePages], str]
) -> None:
    pages = full_pages()
    seen = Watched(browser)
    seen.page.goto(serve(pages))
    pages.down = True
    seen.page.get_by_text("NOT LIVE since").wait_for(timeout=8000)
    assert names(seen.page)[0] == "Doe, Jane"
    seen.context.close()


def test_keys_alone_reach_a_study(watched: Watched, serve: Callable[[FakePages], str]) -> None:
    watched.page.goto(serve(full_pages()))
    for key in ("j", "j", "k", "Enter"):
        watched.page.keyboard.press(key)
    watched.page.wait_for_url(f"**/studies/{STUDY}")
    assert watched.page.get_by_role("heading", name="Doe, Jane").is_visible()


def test_without_scripts_the_list_is_there(
    browser: Browser, serve: Callable[[FakePages], str]
) -> None:
    seen = Watched(browser, scripts=False)
    seen.page.goto(serve(full_pages()))
    assert names(seen.page)[0] == "Doe, Jane"
    seen.context.close()


def test_a_box_lies_where_the_reading_put_it(
    watched: Watched, serve: Callable[[FakePages], str]
) -> None:
    page = watched.page
    page.goto(f"{serve(full_pages())}/studies/{STUDY}")
    left, top, width, height = place(page.locator(".picture svg image"))
    assert width / height == pytest.approx(400 / 512, rel=0.01)
    drawn = place(page.locator("g[data-finding=pneumothorax] rect"))
    scale = width / 400
    wanted = (left + 40.5 * scale, top + 30.25 * scale, 109.5 * scale, 110.5 * scale)
    assert drawn == pytest.approx(wanted, abs=_TOLERANCE)
    loaded = "document.querySelector('.picture svg image').getBBox().width"
    assert page.evaluate(loaded) == 400


def test_boxes_can_be_hidden_and_found_from_the_table(
    watched: Watched, serve: Callable[[FakePages], str]
) -> None:
    page = watched.page
    page.goto(f"{serve(full_pages())}/studies/{STUDY}")
    box = page.locator("g[data-finding=pneumothorax]")
    page.locator("tr[data-finding=pneumothorax]").focus()
    assert "pointed" in (box.get_attribute("class") or "")
    assert not page.locator("g[data-finding=heart]").is_visible()
    page.get_by_label("Heart and thorax width").check()
    assert page.locator("g[data-finding=heart]").is_visible()
    page.get_by_role("checkbox", name="Boxes").uncheck()
    assert not box.is_visible()


def test_the_study_page_fits_and_shows_all_eight_steps(
    watched: Watched, serve: Callable[[FakePages], str]
) -> None:
    page = watched.page
    page.goto(f"{serve(full_pages())}/studies/{STUDY}")
    assert page.locator(".steps li").count() == 8
    assert page.get_by_text("AI result, unverified").is_visible()
    assert place(page.locator(".conclusion"))[1] < 800
    assert no_sideways_scroll(page)
