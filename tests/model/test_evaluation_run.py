"""Runs of an evaluation: graded stage by stage, stored case by case, resumed, reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cxr_node.domain.errors import ConfigurationError, NotReadable
from cxr_node.domain.findings import FindingKind, Presence, ReadingKind
from cxr_node.domain.ports import FakeClock, ImagePolicy
from cxr_node.domain.stages import StageKey
from cxr_node.evaluation.batched_phantoms import Films, batched_items
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.items import Item, Opened
from cxr_node.evaluation.report import render
from cxr_node.evaluation.run import CASES, CaseStore, Evaluator
from cxr_node.evaluation.summary import About, evaluate
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import make_radiograph
from cxr_node.phantom.batched.patient import Level
from cxr_node.phantom.batched.signs import Sign
from cxr_node.reasoning.scripted import ScriptedModel

SIZE = 112
FIRST = 40
ABOUT = About(
    "six phantoms",
    "scripted <b>",
    "1",
    "0" * 64,
    "tests",
    "no model has looked",
    "Outside because of this.",
)
AIR = FindingKind.PNEUMOTHORAX


def phantom_items(
    count: int, first: int, size: int, kind: ReadingKind = ReadingKind.READ
) -> list[Item]:
    return batched_items(range(first, first + count), Films(Level.STANDARD, size, kind))


def seed_with(sign: Sign) -> int:
    """A seed whose frontal phantom has the sign."""
    for seed in range(FIRST, FIRST + 200):
        case = make_case(seed)
        if case.view != "LATERAL" and case.plan(sign):
            return seed
    raise AssertionError(sign)


def read(tmp_path: Path, model: ScriptedModel, items: list[Item], batch: int = 1) -> list[Case]:
    store = CaseStore(tmp_path / "out", {"run": 1})
    return Evaluator(model, FakeClock(), batch).run(items, store, lambda _: None)


def test_a_reading_is_graded_at_every_stage(tmp_path: Path) -> None:
    seed = seed_with(Sign.PNEUMOTHORAX)
    film = make_radiograph(make_case(seed), SIZE)
    truth = film.facts
    air = next(f for f in truth.signs if f.sign is Sign.PNEUMOTHORAX)
    wrong = "left" if air.side == "right" else "right"
    model = ScriptedModel(
        {
            "projection": truth.projection,
            "presence": 0.2,
            "presence/pneumothorax": 0.9,
            "side/pneumothorax": wrong,
            "zone/pneumothorax": str(air.zone),
            "box/pneumothorax": "({:.2f}, {:.2f}), ({:.2f}, {:.2f})".format(
                *(100 * edge / SIZE for edge in air.box)
            ),
            "box": "nowhere",
        }
    )
    (case,) = read(tmp_path, model, phantom_items(1, seed, SIZE))
    labels = {entry.label: entry for entry in case.labels}
    assert labels["pneumothorax"].called is Presence.PRESENT
    assert labels["pneumothorax"].probability == pytest.approx(0.9)
    assert all(
        entry.truth == (truth.presence[FindingKind(name)] == "present")
        for name, entry in labels.items()
    )
    answers = {(a.question, a.subject): a for a in case.answers}
    assert answers["projection", ""].given == answers["projection", ""].expected
    assert answers["side", AIR].given == wrong != answers["side", AIR].expected
    assert answers["zone", AIR].given == answers["zone", AIR].expected == air.zone
    boxes = {box.subject: box for box in case.boxes}
    assert boxes[AIR].said == pytest.approx(boxes[AIR].truth[0], abs=0.02)
    assert boxes["heart"].said is not None
    assert case.ratio is not None and case.ratio[0] == pytest.approx(truth.ratio, abs=1e-4)
    assert case.groups["view"] == truth.view
    report = next(text for text in case.texts if text.chain)
    assert report.reference == f"{film.findings_text} {film.impression}"
    assert report.said == "Scripted findings. Scripted impression."


def test_a_batch_gives_the_same_cases_in_the_same_order(tmp_path: Path) -> None:
    items = phantom_items(5, FIRST, SIZE)
    alone = read(tmp_path / "alone", ScriptedModel({"presence": 0.9}), items)
    together = read(tmp_path / "together", ScriptedModel({"presence": 0.9}), items, batch=3)
    assert alone == together
    assert [case.key for case in alone] == [item.key for item in items]


def counting(item: Item, opened: list[str]) -> Item:
    def open_(policy: ImagePolicy) -> Opened:
        opened.append(item.key)
        return item.open(policy)

    return Item(item.key, item.groups, open_)


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    opened: list[str] = []
    items = [counting(item, opened) for item in phantom_items(4, FIRST, SIZE)]
    whole = read(tmp_path, ScriptedModel(), items)
    path = tmp_path / "out" / CASES
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    opened.clear()
    again = read(tmp_path, ScriptedModel(), items)
    assert opened == [item.key for item in items[2:]]
    assert again == whole
    opened.clear()
    assert read(tmp_path, ScriptedModel(), items) == whole
    assert opened == []


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    CaseStore(tmp_path, {"digest": "a"})
    CaseStore(tmp_path, {"digest": "a"})
    with pytest.raises(ConfigurationError, match="another evaluation"):
        CaseStore(tmp_path, {"digest": "b"})


def test_a_line_that_is_no_case_is_told(tmp_path: Path) -> None:
    CaseStore(tmp_path, {})
    (tmp_path / CASES).write_text('{"key": "a"}\n{"kez": "b"}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 2"):
        CaseStore(tmp_path, {})


def test_an_unreadable_study_is_a_failed_case(tmp_path: Path) -> None:
    def broken(_: ImagePolicy) -> Opened:
        raise NotReadable("pixels", "cannot be decoded")

    items = [Item("broken", {"view": "PA"}, broken), *phantom_items(1, FIRST, SIZE)]
    first, second = read(tmp_path, ScriptedModel(), items, batch=2)
    assert first.failed == "pixels: cannot be decoded"
    assert not second.failed and second.asked


def test_refused_answers_are_counted(tmp_path: Path) -> None:
    (case,) = read(
        tmp_path, ScriptedModel({"anatomy_box/heart": "nowhere"}), phantom_items(1, FIRST, SIZE)
    )
    assert case.refused == 1
    assert {box.subject: box.said for box in case.boxes}["heart"] is None
    assert case.ratio is not None and case.ratio[1] is None


def test_triage_is_graded_by_what_it_asks(tmp_path: Path) -> None:
    items = phantom_items(1, FIRST, SIZE, ReadingKind.TRIAGE)
    (case,) = read(tmp_path, ScriptedModel(), items)
    assert {a.question for a in case.answers} == {"projection", "overall", "presence"}
    assert (case.ratio, case.boxes, case.texts) == (None, (), ())
    assert case.labels


def test_a_refused_text_says_nothing(tmp_path: Path) -> None:
    model = ScriptedModel({"limits": "noise noise noise noise noise"})
    (case,) = read(tmp_path, model, phantom_items(1, FIRST, SIZE))
    assert [text.said for text in case.texts if text.question == "limits"] == [""]
    assert case.refused == 1


def page(tmp_path: Path) -> str:
    answers: dict[str, str | float] = {"presence": 0.7, "overall": "abnormal"}
    cases = read(tmp_path, ScriptedModel(answers), phantom_items(6, FIRST, SIZE))
    cases.append(Case(key="<script>", failed="gone"))
    return render(evaluate(cases, ABOUT, resamples=20), cases)


def test_the_report_is_one_file_with_everything_in_it(tmp_path: Path) -> None:
    text = page(tmp_path)
    for words in (
        "Outside because of this.",
        "Intended use of this model: tests",
        "not evidence of diagnostic performance",
        "0" * 64,
        "pneumothorax",
        "Worst cases",
        "Subgroups",
        "RadRScore",
        "Sides taken for each other",
    ):
        assert words in text
    assert text.count("<svg") == 4
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text.replace("https://www.w3.org", "")
    assert "src=" not in text


def test_names_in_the_report_are_escaped(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "scripted &lt;b&gt;" in text and "scripted <b>" not in text
    assert "&lt;script&gt;" in text and "<script>" not in text


def test_the_stored_run_says_what_it_was(tmp_path: Path) -> None:
    CaseStore(tmp_path, {"digest": "a", "source": "x"})
    stored = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert stored == {"digest": "a", "source": "x"}
    assert StageKey.REPORT.number == 8
