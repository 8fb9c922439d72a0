"""Chains of reasoning out of reports: nothing leaks, every step has its source, draws are fair."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.reasoning.labels import LABELS
from cxr_node.reasoning.prompts import LETTERS, REASON_ALOUD
from cxr_node.reasoning.prose.mentions import mentions
from cxr_node.reasoning.tags import read_tags
from cxr_node.training.chain_labels import labelled
from cxr_node.training.chain_leaks import leak
from cxr_node.training.chain_prompts import input_of
from cxr_node.training.chain_records import NO_EARLIER_REPORT, mined_records
from cxr_node.training.chain_reports import as_report, report_sections_of, stated
from cxr_node.training.chain_rules import RuleModel
from cxr_node.training.chain_tasks import Sampling, Task, TaskKind, draw
from cxr_node.training.chain_topics import OF_KIND, TOPICS
from cxr_node.training.chains import NOT_MENTIONED, Chain, Dropped, mine
from cxr_node.training.record_counts import oddities
from cxr_node.training.record_files import write_records
from cxr_node.training.records import Record, checked
from tests.leaking_sentences import DROPPED
from tests.phantom_reports import phantom_dialogue, phantom_dialogues

REPORTS = 600
RULES = Sampling(each=25, single=25, multiple=60, listed=REPORTS, temporal=60, seed=3)
GIVEN_AWAY = re.compile(
    r"report|dictat|radiolog|mention|describe|describing|documented|stated|states|impression|\bplan"
    r"|checklist|according|omit|comment|section|unchanged|stable|prior|previous|compar|interval"
    r"|histor|clinical|resolv|persist|worsen|improv|again|recommend|___|answer|label|question",
    re.IGNORECASE,
)
"""A net wider than the filter's and made apart from it."""
UNBORNE = "the report does not bear the answer out"
"""Of a fracture that "no acute fracture" leaves open."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "phantoms.jsonl"
    assert write_records(path, _everything()) == REPORTS
    return path


def _everything() -> list[Record]:
    """Every second case has an earlier study, which is a record of its own."""
    return [record for seed in range(2 * REPORTS // 3) for record in phantom_dialogues(seed)]


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    return {str(record.study): record for record in _everything()}


@pytest.fixture(scope="module")
def mined(corpus: Path) -> tuple[list[Record], Dropped]:
    dropped = Dropped()
    return list(mined_records(corpus, RuleModel(), RULES, dropped)), dropped


def chain_of(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = record.turns[0].document["chain"]
    return found


def kinds_of(key: str) -> tuple[FindingKind, ...]:
    if key == "support_devices":
        return TOPICS["Support Devices"].kinds
    return OF_KIND[FindingKind(key)].kinds


def test_nothing_leaks_from_the_phantoms_reports(mined: tuple[list[Record], Dropped]) -> None:
    records, dropped = mined
    assert len({record.study for record in records}) >= 500
    assert len(records) > 900
    assert not dropped.steps
    assert set(dropped.chains) <= {UNBORNE}
    assert dropped.chains.total() < 0.1 * len(records)
    for record in records:
        thoughts = read_tags(record.turns[0].answer).thoughts
        two = chain_of(record)["task"] == "temporal"
        assert leak(thoughts, two_pictures=two) is None
        assert GIVEN_AWAY.search(thoughts) is None, thoughts


def test_every_step_names_the_sentence_that_says_so(
    mined: tuple[list[Record], Dropped], records: dict[str, Record]
) -> None:
    kept = Counter[bool]()
    for record in mined[0]:
        chain = chain_of(record)
        reports = {"current": report_sections_of(records[str(record.study)])}
        if record.reference_study:
            reports["earlier"] = report_sections_of(records[str(record.reference_study)])
        for step in chain["steps"]:
            kinds, source = kinds_of(step["finding"]), step["source"]
            kept[source == NOT_MENTIONED] += 1
            if source == NOT_MENTIONED:
                assert step["status"] == "absent"
                continue
            sentence = reports[source["study"]][source["section"]][source["start"] : source["end"]]
            assert sentence[0].isupper() or sentence[0].islower()
            assert "." not in sentence[:-1]
            assert stated(mentions(sentence), kinds) == step["status"]
    assert kept[True] > 500
    assert kept[False] > 500


def test_every_step_is_true_of_the_phantom(
    mined: tuple[list[Record], Dropped], records: dict[str, Record]
) -> None:
    for record in mined[0]:
        chain = chain_of(record)
        said = labelled(records[str(record.study)], 1)
        assert said is not None
        for found in chain["key_findings"]:
            label = next(x for x, t in TOPICS.items() if t.kinds == kinds_of(found["finding"]))
            # A parent label is unknown beside its child, which then is what shows it.
            assert said.said.get(label, "present") == found["status"], (label, chain)


def test_chains_are_in_the_form_that_is_taught(mined: tuple[list[Record], Dropped]) -> None:
    for record in mined[0]:
        (turn,) = record.turns
        tagged, chain = read_tags(turn.answer), chain_of(record)
        assert tagged.answer == chain["answer"]
        assert tagged.thoughts == " ".join(
            [*(step["text"] for step in chain["steps"]), chain["conclusion"]]
        )
        assert turn.question.endswith(REASON_ALOUD)
        assert turn.question.count("<image>") == len(record.images)
        for letter, option in zip(LETTERS, chain["options"], strict=False):
            assert f"\n{letter}) {option}\n" in turn.question
        assert list(oddities(record)) == []
    pair = next(r for r in mined[0] if chain_of(r)["task"] == "temporal")
    later = pair.images[1]
    assert pair.images == (f"{later}-prior", later)


def test_answers_are_those_of_the_truth(
    mined: tuple[list[Record], Dropped], records: dict[str, Record]
) -> None:
    tasks = Counter[str]()
    for record in mined[0]:
        chain = chain_of(record)
        tasks[chain["task"]] += 1
        said = labelled(records[str(record.study)], 1)
        assert said is not None
        truth = {label for label, p in said.said.items() if p is Presence.PRESENT}
        if chain["task"] == "binary":
            assert (chain["answer"] == "A") == (chain["labels"][0] in truth)
        elif chain["task"] == "listed":
            assert chain["answer"].split(", ") == [x for x in LABELS if x in truth]
        elif chain["task"] != "temporal":
            right = [x for x, o in zip(LETTERS, chain["options"], strict=False) if o in truth]
            assert chain["answer"].split(", ") == right
    assert set(tasks) == set(TaskKind)


def tasks_of(records: Sequence[Record], rules: Sampling) -> list[Task]:
    found = [one for n, r in enumerate(records, 1) if (one := labelled(r, n)) is not None]
    return [task for theirs in draw(found, rules).values() for task in theirs]


def test_the_draw_is_balanced_limited_and_seeded(records: dict[str, Record]) -> None:
    everything = list(records.values())
    tasks = tasks_of(everything, RULES)
    binary = [task for task in tasks if task.kind is TaskKind.BINARY]
    for label in {task.labels for task in binary}:
        answers = Counter(task.answer for task in binary if task.labels == label)
        assert answers["A"] == answers["B"] == 25
    for task in tasks:
        if task.kind is TaskKind.SINGLE:
            assert (len(task.options), len(set(task.options))) == (4, 4)
            assert len(task.positives) == 1
        assert "Pleural Other" not in task.options
    places = Counter(task.answer for task in tasks if task.kind is TaskKind.SINGLE)
    assert set(places) == set("ABCD")
    assert tasks == tasks_of(everything, RULES)
    assert tasks != tasks_of(everything, replace(RULES, seed=4))
    assert Counter(t.kind for t in tasks)[TaskKind.LISTED] > 0.9 * REPORTS


def test_a_parent_label_is_not_asked_as_absent_beside_its_child(records: dict[str, Record]) -> None:
    for record in records.values():
        found = labelled(record, 1)
        assert found is not None
        if found.said["Consolidation"] is Presence.PRESENT:
            assert found.said.get("Lung Opacity") is not Presence.ABSENT


def one_task(label: str = "Pleural Effusion", *, present: bool = True) -> Task:
    answer = "A" if present else "B"
    positives = (label,) if present else ()
    return Task(TaskKind.BINARY, 1, (label,), positives, "Effusion?", ("Yes", "No"), answer)


REPORT = as_report(
    {
        "findings": "Small left pleural effusion. The heart is not enlarged.",
        "impression": "Effusion.",
    }
)


class Changed:
    """The rules, with one reply altered on its way."""

    def __init__(self, call: str, change: Callable[[dict[str, Any]], object]) -> None:
        self._call = call
        self._change = change

    def complete(self, prompt: str) -> str:
        reply = RuleModel().complete(prompt)
        if input_of(prompt)["call"] != self._call:
            return reply
        found = json.loads(reply)
        made = self._change(found)
        return made if isinstance(made, str) else json.dumps(found)


def attempt(model: Changed, task: Task | None = None) -> tuple[Chain | None, Dropped]:
    dropped = Dropped()
    return mine(task or one_task(), REPORT, model, dropped), dropped


LEAKS = (
    "The report states that the angle is blunted.",
    "As reported, fluid is there.",
    "No mention is made of the heart, so it is normal.",
    "Following the plan, look at the angle.",
    "The impression agrees.",
    "This is unchanged from the prior study.",
    "Given the history of heart failure, fluid is likely.",
    "The radiologist saw fluid.",
    "Since the answer is yes, there is fluid.",
    "The ___ is blunted.",
)


@pytest.mark.parametrize("words", LEAKS)
def test_a_model_that_leaks_loses_the_step_and_is_counted(words: str) -> None:
    def leaky(reply: dict[str, Any]) -> None:
        reply["steps"][0]["text"] += f" {words}"

    chain, dropped = attempt(Changed("refine", leaky))
    assert chain is not None
    assert GIVEN_AWAY.search(chain.thoughts) is None
    assert [reason.startswith("leak: it ") for reason in dropped.steps] == [True]
    assert dropped.steps.total() == 1

    def at_the_end(reply: dict[str, Any]) -> None:
        reply["conclusion"] = words

    chain, dropped = attempt(Changed("refine", at_the_end))
    assert chain is None
    assert next(iter(dropped.chains)).startswith("the conclusion leaks")


def set_all(name: str, **values: object) -> Callable[[dict[str, Any]], None]:
    def change(reply: dict[str, Any]) -> None:
        for entry in reply[name]:
            entry.update(values)

    return change


@pytest.mark.parametrize(
    ("call", "change", "reason"),
    [
        ("plan", set_all("plan", finding="Gout"), "the plan names nothing known"),
        ("plan", set_all("plan", study="earlier"), "the plan names nothing known"),
        ("plan", set_all("plan", why=""), "the plan's step has no words"),
        ("evidence", set_all("evidence", step=99), "the evidence belongs to no step"),
        ("evidence", set_all("evidence", step=True), "the evidence belongs to no step"),
        ("evidence", set_all("evidence", sentence=99), "the evidence names no sentence"),
        ("evidence", set_all("evidence", sentence=-1), "the evidence names no sentence"),
        ("evidence", set_all("evidence", sentence=1), "the sentence does not say so"),
        ("evidence", set_all("evidence", status="maybe"), "'maybe' is not a valid Presence"),
        (
            *("evidence", set_all("evidence", sentence=None, status="absent")),
            "the report speaks of what is taken as normal",
        ),
        ("refine", set_all("steps", evidence=99), "the thought rests on no evidence"),
        ("refine", set_all("steps", text="No pleural effusion."), "the thought says other than"),
        ("refine", set_all("steps", text="Fluid. " * 80), "the thought is too long"),
    ],
)
def test_a_step_that_is_not_borne_out_is_dropped(
    call: str, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    chain, dropped = attempt(Changed(call, change))
    assert any(found.startswith(reason) for found in dropped.steps)
    if chain is not None:
        assert all(step.label != "Pleural Effusion" or step.status for step in chain.steps)


@pytest.mark.parametrize(
    ("call", "change", "reason"),
    [
        ("plan", lambda _: "I cannot do that.", "the reply holds no plan"),
        ("plan", lambda _: '{"plan": []}', "the plan holds no step"),
        ("evidence", lambda _: '{"evidence": [', "the reply holds no evidence"),
        ("evidence", lambda _: "{'evidence': []}", "the reply is broken JSON"),
        ("refine", lambda _: '{"steps": [], "conclusion": "x"}', "no step on what was asked"),
        ("refine", lambda r: r.pop("conclusion") and None, "there is no conclusion"),
        ("refine", lambda r: r.update(conclusion="No effusion."), "the conclusion contradicts"),
        ("refine", lambda r: r["steps"].pop(), "no step on what was asked"),
    ],
)
def test_a_chain_without_substance_is_not_made(
    call: str, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    chain, dropped = attempt(Changed(call, change))
    assert chain is None
    assert [found.startswith(reason) for found in dropped.chains] == [True], dropped


@pytest.mark.parametrize("extra", [t for row in DROPPED.values() for t in row])
def test_what_a_report_gives_away_reaches_no_chain_of_the_rules(extra: str) -> None:
    report = as_report({"findings": f"{extra} There is cardiomegaly.", "impression": extra})
    chain = mine(one_task("Cardiomegaly"), report, RuleModel(), Dropped())
    # Where the words cast doubt on the heart there is none, which is right too.
    assert chain is None or GIVEN_AWAY.search(chain.thoughts) is None


def test_words_around_the_json_do_no_harm() -> None:
    talkative = Changed("plan", lambda reply: f"Sure!\n```json\n{json.dumps(reply)}\n```\nDone.")
    chain, dropped = attempt(talkative)
    assert chain is not None
    assert dropped == Dropped()


def test_a_label_that_the_report_does_not_bear_out_gives_no_chain() -> None:
    for task in (one_task(present=False), one_task("Pneumothorax"), one_task("Cardiomegaly")):
        chain, dropped = attempt(Changed("none", lambda _: None), task)
        assert chain is None
        assert list(dropped.chains) == ["the report does not bear the answer out"]


def test_a_parent_finding_is_never_called_absent_beside_its_child() -> None:
    report = as_report({"findings": "Right lower lobe consolidation. Left pleural effusion."})
    task = one_task("Pleural Effusion")
    wrong = {"finding": "Lung Opacity", "look_at": "lungs", "why": "they are large"}
    plan = Changed("plan", lambda reply: reply["plan"].append(wrong))
    dropped = Dropped()
    chain = mine(task, report, plan, dropped)
    assert chain is not None
    opacity = [step for step in chain.steps if step.label == "Lung Opacity"]
    assert {step.status for step in opacity} == {Presence.PRESENT}
    assert "consolidation" in " ".join(step.text for step in opacity)


def test_doubt_is_neither_yes_nor_no() -> None:
    report = as_report({"findings": "Possible left effusion. Cardiomegaly."})
    for present in (True, False):
        dropped = Dropped()
        assert mine(one_task(present=present), report, RuleModel(), dropped) is None
    chain = mine(one_task("Cardiomegaly"), report, RuleModel(), Dropped())
    assert chain is not None
    assert "effusion" not in chain.thoughts


def test_foreign_records_are_labelled_by_target_or_by_their_report() -> None:
    def turn(stage: int, task: str, answer: str, **more: object) -> dict[str, object]:
        plain = {"stage": stage, "task_type": task, "qtype": "yes_no", "image_input_count": 1}
        return plain | {"question": "?", "answer": answer} | more

    report = turn(8, "Report_Generation[Findings]", "Edema. No pneumothorax. Pacemaker in place.")
    asked = [
        turn(
            2, "Findings_Identification", "Yes, there is.", target="abnormality_[pleural effusion]"
        ),
        turn(2, "Findings_Identification", "No.", target="abnormality_[pneumothorax]"),
        turn(2, "Findings_Identification", "No.", target="yes_no_foreign_body"),
    ]
    document = {"study_id": "s", "image": ["i"], "content": [*asked, report]}
    by_target = labelled(checked(document), 1)
    assert by_target is not None
    assert by_target.said == {
        "Pleural Effusion": "present",
        "Pneumothorax": "absent",
        "Support Devices": "absent",
        "No Finding": "absent",
    }
    by_report = labelled(checked(document | {"content": [report]}), 1)
    assert by_report is not None
    assert {k: by_report.said[k] for k in ("Edema", "Pneumothorax", "Pacemaker")} == {
        "Edema": "present",
        "Pneumothorax": "absent",
        "Pacemaker": "present",
    }
    assert labelled(checked(document | {"content": asked}), 1) is None


def test_a_comparison_needs_the_earlier_report(tmp_path: Path) -> None:
    path, later = tmp_path / "odd.jsonl", [phantom_dialogue(n) for n in range(1, 80, 2)]
    write_records(path, later)
    dropped = Dropped()
    found = list(mined_records(path, RuleModel(), Sampling(0, 0, 0, 0, 60), dropped))
    assert found == []
    assert set(dropped.chains) == {NO_EARLIER_REPORT}
