"""The pages for operators and PACS people say what the code does."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from cxr_node.config import Configuration
from cxr_node.dicom import contexts, listener, store_scp, worklist_scp
from cxr_node.domain.eligibility import WORDS
from cxr_node.domain.events import Event
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.entry.cli import app
from cxr_node.web import metrics

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
CONFORMANCE = (ROOT / "docs/conformance.md").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """The text under a heading, up to the next of the same or a higher level."""
    marks, _, _ = title.partition(" ")
    after = page.split(f"\n{title}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(marks)}}} ", after)[0]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel):
        return "a table"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    if isinstance(field.default, tuple):
        return json.dumps([str(value) for value in field.default])
    return str(field.default) or '""'


def _sections() -> dict[str, type[BaseModel]]:
    found = {}
    for name, field in Configuration.model_fields.items():
        several = typing.get_origin(field.annotation) is tuple
        model = typing.get_args(field.annotation)[0] if several else field.annotation
        found[f"[[{name}]]" if several else f"[{name}]"] = model
    return found


@pytest.mark.parametrize("title", _sections())
def test_every_key_of_the_configuration_is_explained(title: str) -> None:
    table = section(OPERATIONS, f"### `{title}`")
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{key}` | {_default(field)} | {field.description} |"
        for key, field in _sections()[title].model_fields.items()
    ]


def test_keys_that_a_page_names_exist() -> None:
    sections = {title.strip("[]"): model for title, model in _sections().items()}
    named = re.findall(r"`([a-z]+)\.([a-z_]+)(?: = [^`]+)?`", OPERATIONS + CONFORMANCE)
    known = [(name, key) for name, key in named if name in sections]
    assert [pair for pair in known if pair[1] not in sections[pair[0]].model_fields] == []
    assert len(known) > 10


def test_events_and_reasons_are_listed_once_and_all() -> None:
    events = section(OPERATIONS, "## Events in the log")
    first_cells = " ".join(line.split("|")[1] for line in events.splitlines() if "| `" in line)
    assert sorted(re.findall(r"`([a-z-]+)`", first_cells)) == sorted(Event)
    reasons = section(OPERATIONS, "## Why a study is not read")
    rows = re.findall(r"\| `([a-z-]+)` \| (.+) \|", reasons)
    assert rows == [(reason.value, words) for reason, words in WORDS.items()]


def test_every_state_is_explained() -> None:
    table = section(OPERATIONS, "## What a study can be")
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()[3:]]
    assert {row[1] for row in rows if len(row) > 2} == set(VisibleState)
    missing = [state for state in StudyState if state not in table]
    assert missing == []


def test_every_metric_and_no_other_is_named() -> None:
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    served = set(re.findall(r'"(cxr_node_[a-z_]+)"', source))
    assert set(re.findall(r"`(cxr_node_[a-z_]+)`", OPERATIONS)) == served


def test_commands_that_pages_show_exist() -> None:
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    pages = OPERATIONS + CONFORMANCE + (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\bcxr-node ([a-z-]+)\b(?! [a-z]*:)", pages))
    assert {"up", "check", "doctor", "replay", "model"} <= shown <= verbs.keys()
    groups = "|".join(name for name, verb in verbs.items() if hasattr(verb, "commands"))
    for group, verb in re.findall(rf"\bcxr-node ({groups}) ([a-z]+)\b", pages):
        assert verb in verbs[group].commands


def uids(text: str) -> list[str]:
    return re.findall(r"\b1\.2\.840\.10008\.[0-9.]*[0-9]", text)


def test_conformance_names_what_is_negotiated() -> None:
    storage = section(CONFORMANCE, "### 3.2 Listener AE as Storage SCP")
    offered = [str(uid) for uid in (*contexts.IMAGE_CLASSES, *contexts.IMAGE_SYNTAXES)]
    assert uids(storage) == offered
    results = section(CONFORMANCE, "### 3.3 Delivery AE as Storage SCU")
    assert sorted(uids(results)) == sorted(map(str, contexts.RESULT_CLASSES))
    everything = {str(context.abstract_syntax) for context in contexts.presentation_contexts()}
    assert everything <= set(uids(CONFORMANCE))


def _statuses(text: str) -> list[str]:
    return re.findall(r"^\| (0x[0-9A-F]{4}) \|", text, re.MULTILINE)


def test_conformance_lists_the_statuses_that_are_answered() -> None:
    storage = section(CONFORMANCE, "### 3.2 Listener AE as Storage SCP")
    answered = {status for _, status, _ in store_scp.STATUSES}
    answered |= {store_scp.SUCCESS, store_scp.PROCESSING_FAILURE, store_scp.SOP_CLASS_NOT_SUPPORTED}
    assert _statuses(storage) == [f"0x{status:04X}" for status in sorted(answered)]
    worklist = section(CONFORMANCE, "### 3.4 Listener AE as Modality Worklist SCP")
    found = {
        worklist_scp.PENDING,
        worklist_scp.CANCELLED,
        worklist_scp.OUT_OF_RESOURCES,
        worklist_scp.IDENTIFIER_WRONG,
        0x0000,
    }
    assert set(_statuses(worklist)) == {f"0x{status:04X}" for status in found}


def test_conformance_names_rejections_and_priorities() -> None:
    policies = section(CONFORMANCE, "### 3.1 Association policies")
    rejections = (listener.REJECT_CALLED, listener.REJECT_CALLING, listener.REJECT_BUSY)
    assert re.findall(r"\b\d/\d/\d\b", policies) == ["/".join(map(str, r)) for r in rejections]
    assert ", ".join(reversed(Priority)) in CONFORMANCE
