"""Phantoms of the second difficulty, graded: alone, from makers' files, and with a prior."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_node.config import ImagingSection
from cxr_node.domain.findings import Presence, ReadingKind
from cxr_node.domain.ports import FakeClock
from cxr_node.domain.stages import StageKey
from cxr_node.entry.evaluation_sets import PhantomWish, phantom_set
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.run import CaseStore, Evaluator
from cxr_node.phantom.batched.answers import paired_record, record
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import make_radiograph, pairs
from cxr_node.phantom.batched.pairs import make_pair
from cxr_node.phantom.batched.vendors import vendor_of
from cxr_node.reasoning.scripted import ScriptedModel

SIZE = 128


def read(folder: Path, model: ScriptedModel, wish: PhantomWish) -> list[Case]:
    with phantom_set(wish, ImagingSection()) as items:
        store = CaseStore(folder / "out", {})
        return Evaluator(model, FakeClock(), 2).run(items, store, lambda _: None)


def wish(seed: int, count: int = 1, **more: object) -> PhantomWish:
    seeds = range(seed, seed + count)
    return PhantomWish("phantom-2", seeds, SIZE, ReadingKind.READ, **more)  # type: ignore[arg-type]


def test_the_answers_of_the_record_are_what_is_expected(tmp_path: Path) -> None:
    """A model that says what the record says is right everywhere."""
    seed = next(s for s in range(500) if len(_present(s)) == 3)
    line = record(make_radiograph(make_case(seed), SIZE))
    stages = line["stages"]
    said: dict[str, object] = dict(stages["quality_view"])
    said |= {f"presence/{k}": 0.9 for k in _present(seed)}
    said |= {"overall": stages["findings"]["overall"], "presence": 0.1}
    for kind in _present(seed):
        known = stages["attributes_grounding"][kind]
        keys = ("side", "zone", "severity", "position")
        said |= {f"{key}/{kind}": known[key] for key in keys if known[key]}
        said[f"box/{kind}"] = "({}, {}), ({}, {})".format(*known["box"])
    for name, box in stages["attributes_grounding"]["anatomy"].items():
        if box:
            said[f"anatomy_box/{name}"] = "({}, {}), ({}, {})".format(*box)
    for one in stages["relationships"]:
        said[f"relation/{one['first']}+{one['second']}"] = one["relation"]
    said |= {"course": stages["future_trend"]["course"], **stages["advice"]}
    said |= stages["report"]
    (case,) = read(tmp_path, ScriptedModel(said), wish(seed))  # type: ignore[arg-type]
    wrong = [a for a in case.answers if a.given != a.expected]
    uncertain = [a for a in wrong if a.expected == Presence.UNCERTAIN]
    assert wrong == uncertain
    assert {a.stage for a in case.answers} == {1, 2, 3, 4, 6, 7}
    assert all((label.called is Presence.PRESENT) == label.truth for label in case.labels)
    assert all(box.said == pytest.approx(box.truth[0], abs=0.01) for box in case.boxes)
    report = next(text for text in case.texts if text.stage == StageKey.REPORT.number)
    assert report.said == report.reference
    assert set(case.groups) == {"view", "sex", "habitus", "quality"}


def _present(seed: int) -> list[str]:
    film = make_radiograph(make_case(seed), 64)
    return [kind.kind.value for kind in film.facts.kinds]


def test_through_a_makers_file_the_vendor_is_known(tmp_path: Path) -> None:
    cases = read(tmp_path, ScriptedModel(), wish(3, 3, files=tmp_path / "dicom"))
    assert [case.failed for case in cases] == ["", "", ""]
    assert [case.groups["vendor"] for case in cases] == [vendor_of(s).model for s in (3, 4, 5)]
    assert len(list((tmp_path / "dicom").iterdir())) == 3


def test_changes_since_the_prior_are_graded(tmp_path: Path) -> None:
    seed = next(s for s in range(300) if _changed(s))
    (both,) = pairs([make_pair(seed)], SIZE)
    changes = paired_record(both)["stages"]["comparison"]["change"]
    present = {kind.kind.value for kind in both.current.facts.kinds}
    model = ScriptedModel({"presence": 0.9, "change": "new"})
    (case,) = read(tmp_path, model, wish(seed, pairs=True))
    graded = {a.subject: a for a in case.answers if a.question == "change"}
    assert graded and present & set(graded)
    for kind, answer in graded.items():
        assert (answer.stage, answer.expected, answer.given) == (5, changes[kind], "new")


def _changed(seed: int) -> bool:
    pair = make_pair(seed)
    return len(pair.current.plans) > 2 and "worsened" in pair.changes.values()
