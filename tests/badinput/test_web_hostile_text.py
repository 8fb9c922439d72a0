"""Header text made to attack a page is shown cleaned, and nowhere executed (B35)."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.stages import StageKey
from cxr_node.web.app import create_app
from tests.pages import STUDY, FakePages, entry, study_page
from tests.readings import MODEL, sample_findings, sample_reading, turn

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' OR 1=1 --",
    "${jndi:ldap://x/a}",
    "{{ 7*1911 }}{% raw %}",
    "Doe^\r\nSet-Cookie: a=b",
    "\u202egnp.exe\u2066\u200b",
    "\x1b]0;owned\x07",
    "javascript:alert(1)",
    "A" * 10_240,
    "\ud800",
)

ASKED = turn(StageKey.REPORT, "impression", "")


class _Elements(HTMLParser):
    """What a browser would see: the names of elements and of attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: set[str] = set()
        self.sources: set[str] = set()
        self.scripts = 0
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.attributes |= {name for name, _ in attrs}
        self.sources |= {value or "" for name, value in attrs if name in ("src", "href")}

    def handle_data(self, data: str) -> None:
        self.words += data


def pages_with(text: str) -> FakePages:
    """A study in which every free text is ``text``."""
    line = entry(
        study=StudyFacts(STUDY, text, text, text, text, text, text),
        patient=PatientFacts(text, text, text, text, text),
        words=text,
        priority_words=text,
        sender=text,
        view=text,
        findings=(text,),
    )
    reading = sample_reading(
        model=replace(MODEL, name=text, statement=text, intended_use=text),
        findings=(replace(sample_findings()[0], description=text),),
        impression=text,
        findings_text=text,
        outside_intended_use=text,
        warnings=(text,),
        turns=(replace(ASKED, subject=text, answer=text, prompt=text, problem=text),),
    )
    page = study_page(entry=line, reading=reading)
    return FakePages(entries=(line,), pages={STUDY: page})


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("path", ["/", f"/studies/{STUDY}"])
def test_hostile_text_is_only_text(text: str, path: str) -> None:
    answer = TestClient(create_app(pages_with(text))).get(path)
    assert answer.status_code == 200
    seen = _Elements()
    seen.feed(answer.text)
    assert seen.scripts == 1
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert all(source.startswith(("/", "#")) for source in seen.sources)
    assert not {"\u202e", "\u2066", "\u200b", "\x1b", "\x07", "\r"} & set(answer.text)
    assert str(7 * 1911) not in seen.words


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_cleaned_in_the_api_too(text: str) -> None:
    node = TestClient(create_app(pages_with(text)))
    item = node.get("/api/v1/worklist").json()["studies"][0]
    assert len(item["patient_name"]) <= 200
    assert not {"\u202e", "\x1b", "\r", "\n"} & set(item["patient_name"])
    assert node.get(f"/api/v1/studies/{STUDY}").status_code == 200
