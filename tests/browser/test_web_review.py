"""A person corrects and assesses on the page of a study, in headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from cxr_node.domain.errors import AmendmentConflict
from cxr_node.domain.ports import FakeClock
from cxr_node.web.app import create_app
from cxr_node.web.server import WebServer
from cxr_node.web.writing import Writing
from tests.browser.test_web_pages import _FLAGS
from tests.pages import NOON, STUDY, full_pages
from tests.peers import require
from tests.unit.test_web_writing import TOKEN, Desk

pytestmark = pytest.mark.peers


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def page(desk: Desk) -> Iterator[Page]:
    app = create_app(full_pages(), FakeClock(NOON + timedelta(minutes=9)), Writing(desk, TOKEN))
    server = WebServer(app, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.start()}"
    program = require("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        found = browser.new_page()
        complaints: list[str] = []
        found.on("pageerror", lambda error: complaints.append(str(error)))
        found.goto(f"{address}/studies/{STUDY}")
        yield found
        browser.close()
        assert complaints == []
    server.stop()


def fill(page: Page, **values: str) -> None:
    given = {"name": "Reader^Ruth", "organisation": "General Hospital", "token": TOKEN, **values}
    for name, value in given.items():
        page.locator(f"#review-form [name={name}]").fill(value)
    page.locator("#review-form [name=role]").select_option("attending")


def test_an_answer_is_corrected_and_sent(page: Page, desk: Desk) -> None:
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    page.locator("button.correct[data-place='findings.presence/pneumothorax']").click()
    page.locator("#review-corrections select").select_option("absent")
    fill(page, reason="skin fold")
    page.locator("#review-form [name=verified]").check()
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(page.locator("#review-answer")).to_contain_text("revision 2 is being read")
    ((_, wish),) = desk.wishes
    assert (wish.corrections[0].answer, wish.verified, wish.revision) == ("absent", True, 1)
    assert page.locator("#review-corrections li").count() == 0


def test_verdicts_are_sent(page: Page, desk: Desk) -> None:
    page.locator("select[data-verdict-of=pneumothorax]").select_option("supplemented")
    page.locator("#review-verdicts input").fill("under tension")
    fill(page)
    page.get_by_role("button", name="Record verdicts").click()
    expect(page.locator("#review-answer")).to_have_text("Recorded.")
    ((_, opinions, _, _),) = desk.opinions
    assert [(o.finding, o.verdict, o.comment) for o in opinions] == [
        ("pneumothorax", "supplemented", "under tension")
    ]


def test_what_the_node_answers_is_shown_as_text(page: Page, desk: Desk) -> None:
    desk.refusal = AmendmentConflict("<b>revision 1</b> is not the newest reading any more")
    fill(page, reason="r")
    page.locator("#review-form [name=priority]").select_option("LOW")
    sent: list[Any] = []
    page.on("request", lambda request: sent.append(request))
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(page.locator("#review-answer")).to_contain_text("<b>revision 1</b>")
    assert json.loads(sent[0].post_data or "")["priority"] == "LOW"
    assert TOKEN not in sent[0].url
    fill(page, token="another")
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(page.locator("#review-answer")).to_contain_text("the token is missing or wrong")
