"""Stored runs: rebuilt and compared, and continued by a person's question."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import select, update

from cxr_node.domain.errors import AnswerRefused, CxrNodeError, QuestionRefused
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Reply
from cxr_node.reasoning.open_model import read_facts
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.services.follow_up import FollowUps
from cxr_node.services.verification import Verdict, verify_study
from cxr_node.store.schema import FollowUpRow, InstanceRow, ReadingRow
from tests.builders import radiograph
from tests.contract.test_services_shadow import told
from tests.whole_node import WholeNode, configuration, script

CONTENT: dict[str, Any] = {
    "answers": {
        "overall": "abnormal",
        "presence/pneumothorax": 0.97,
        "side": "left",
        "follow_up": "Tension is unlikely: the mediastinum lies in the middle.",
    }
}
Read = Callable[[], str]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WholeNode]:
    model = script(tmp_path / "model.script.json", **CONTENT)
    made = WholeNode(configuration(tmp_path / "node", model))
    yield made
    made.stop()


@pytest.fixture
def study(node: WholeNode) -> str:
    """A study that was read and reported."""
    uid = node.read(radiograph())
    node.publish()
    return uid


def verdicts(node: WholeNode, study: str, model: str = "") -> list[Verdict]:
    chosen = node.node
    facts = read_facts(model or chosen.config.model.path)
    return verify_study(chosen.db, chosen.images, facts, Uid(study))


def change_document(node: WholeNode, change: Callable[[dict[str, Any]], None]) -> None:
    """Alter the stored full reading, as nobody should."""
    whole = ReadingRow.kind == ReadingKind.READ.value
    with node.node.db.begin() as session:
        document = session.scalars(select(ReadingRow.document).where(whole)).one()
        copy = json.loads(json.dumps(document))
        change(copy)
        session.execute(update(ReadingRow).where(whole).values(document=copy))


def change_file(node: WholeNode, *, pixels: bool) -> None:
    """Alter the received image in the spool: its picture, or only a text in its header."""
    (row,) = node.rows(InstanceRow)
    ds = dcmread(row["path"])
    if pixels:
        data = bytearray(ds.PixelData)
        data[: len(data) // 3] = bytes(len(data) // 3)
        ds.PixelData = bytes(data)
    else:
        ds.StudyDescription = "Something else"
    ds.save_as(row["path"])


def test_triage_and_full_reading_are_rebuilt(node: WholeNode, study: str) -> None:
    found = verdicts(node, study)
    assert [verdict.kind for verdict in found] == list(ReadingKind)
    assert all(verdict.identical for verdict in found)
    assert str(found[0]) == "triage: 20 prompts rebuilt, all identical"


def test_a_prior_is_shown_again(node: WholeNode) -> None:
    node.read(radiograph(StudyDate="20250101", StudyTime="100000"))
    node.clock.advance(60)
    later = node.read(radiograph(StudyDate="20250401", StudyTime="100000"))
    with node.node.db.read() as session:
        documents = session.scalars(select(ReadingRow.document)).all()
    assert sum(document["prior"] is not None for document in documents) == 1
    assert all(verdict.identical for verdict in verdicts(node, later))


def test_a_prior_that_could_not_be_shown_is_again_not(node: WholeNode) -> None:
    node.read(radiograph(StudyDate="20250101", StudyTime="100000"))
    (row,) = node.rows(InstanceRow)
    Path(row["path"]).write_bytes(b"no image")
    later = node.read(radiograph(StudyDate="20250401", StudyTime="100000"))
    whole = node.rows(ReadingRow)[-1]["document"]
    reasons = {skipped["stage"]: skipped["reason"] for skipped in whole["skipped"]}
    assert "could be prepared" in reasons["comparison"]
    assert all(verdict.identical for verdict in verdicts(node, later))


def test_an_altered_picture_is_named(node: WholeNode, study: str) -> None:
    change_file(node, pixels=True)
    for verdict in verdicts(node, study):
        assert not verdict.identical
        assert "turn 1 (quality_view, projection) differs: the digest of picture 1" in str(verdict)
        assert "is not the one received" in str(verdict)


def test_an_altered_header_is_named(node: WholeNode, study: str) -> None:
    change_file(node, pixels=False)
    (row,) = node.rows(InstanceRow)
    words = f"the file of image {row['sop_instance_uid']} is not the one received"
    assert [str(verdict) for verdict in verdicts(node, study)] == [
        f"triage: {words}",
        f"read: {words}",
    ]


def test_a_lost_file_is_named(node: WholeNode, study: str) -> None:
    (row,) = node.rows(InstanceRow)
    Path(row["path"]).unlink()
    for verdict in verdicts(node, study):
        assert not verdict.identical
        assert "cannot be prepared again" in verdict.words


def test_an_altered_turn_is_named(node: WholeNode, study: str) -> None:
    def change(document: dict[str, Any]) -> None:
        document["turns"][8]["prompt"] = "Is it bad?"

    change_document(node, change)
    triage, whole = verdicts(node, study)
    assert triage.identical
    assert whole.words == "turn 9 (findings, presence, atelectasis) differs: the prompt's bytes"


def test_another_model_is_said_so_and_can_be_named(
    node: WholeNode, study: str, tmp_path: Path
) -> None:
    other = script(tmp_path / "other.script.json", name="other")
    for verdict in verdicts(node, study, str(other)):
        assert not verdict.identical
        assert "read by scripted 1" in verdict.words
        assert "not by other 1" in verdict.words
        assert "--model" in verdict.words


def test_a_reading_from_before_is_said_to_be_so(node: WholeNode, study: str) -> None:
    def strip(document: dict[str, Any]) -> None:
        document.pop("pictures")
        for turn in document["turns"]:
            for key in ("settled", "scores", "raw", "truncated"):
                del turn[key]

    change_document(node, strip)
    triage, whole = verdicts(node, study)
    assert triage.identical
    assert (whole.identical, "before turns were kept whole" in whole.words) == (False, True)
    with pytest.raises(QuestionRefused, match="before turns were kept whole"):
        asking(node).ask(Uid(study), "Why?", "me")


def test_what_was_not_read_cannot_be_verified(node: WholeNode) -> None:
    with pytest.raises(CxrNodeError, match="never seen"):
        verdicts(node, "1.2.3")
    image = radiograph()
    node.receive(image)
    with pytest.raises(CxrNodeError, match="not been read"):
        verdicts(node, str(image.StudyInstanceUID))
    with pytest.raises(QuestionRefused, match="no full reading"):
        asking(node).ask(Uid(str(image.StudyInstanceUID)), "Why?", "me")


def asking(node: WholeNode, model: Any = None) -> FollowUps:
    chosen = node.node
    return FollowUps(
        db=chosen.db, clock=node.clock, images=chosen.images, model=model or chosen.model
    )


def test_a_question_is_the_next_turn_and_changes_nothing(node: WholeNode, study: str) -> None:
    before = told(node)
    first = asking(node).ask(Uid(study), "Is it under tension?", "reader")
    second = asking(node).ask(Uid(study), "Are you sure?", "reader")
    turns = len(first.run.reading.turns)
    assert (first.asked.turn, second.asked.turn) == (turns + 1, turns + 2)
    assert first.asked.answer.startswith("Tension is unlikely")
    assert first.asked.context_sha256 != second.asked.context_sha256
    assert first.run.study_uid == study
    kept = node.rows(FollowUpRow)
    assert [row["prompt"] for row in kept] == ["Is it under tension?", "Are you sure?"]
    assert kept[0]["model_digest"] == node.node.identity.digest
    assert kept[0]["asked_by"] == "reader"
    assert told(node) == before
    assert all(verdict.identical for verdict in verdicts(node, study))


class Watched(ScriptedModel):
    """Remembers the whole dialogue that stands before the model, and can lose its resume()."""

    def __init__(self, *, resumes: bool) -> None:
        super().__init__(CONTENT["answers"])
        self._resumes = resumes
        self.seen: list[str] = []

    def begin(self, images: Any) -> Any:
        opened = super().begin(images)
        return opened if self._resumes else _Plain(opened)

    def answer(self, asked: Any) -> list[Reply]:
        inner = [(getattr(talk, "inner", talk), ask) for talk, ask in asked]
        self.seen.append(inner[0][0].context)
        return super().answer(inner)


class _Plain:
    """A conversation that knows no more than it must."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def __enter__(self) -> Any:
        self.inner = self._opened.__enter__()
        return self

    def __exit__(self, *rest: Any) -> None:
        self._opened.__exit__(*rest)

    @property
    def context(self) -> str:
        return str(self.inner.context)

    def settle(self, answer: str) -> None:
        self.inner.settle(answer)


def test_without_resume_the_dialogue_is_asked_again_and_is_the_same(
    node: WholeNode, study: str
) -> None:
    quick, slow = Watched(resumes=True), Watched(resumes=False)
    question = (Uid(study), "Describe the pneumothorax in one sentence.", "me")
    first = asking(node, quick).ask(*question)
    assert len(quick.seen) == 1
    with node.node.db.begin() as session:
        session.execute(FollowUpRow.__table__.delete())  # type: ignore[attr-defined]
    second = asking(node, slow).ask(*question)
    assert len(slow.seen) == len(first.run.reading.turns) + 1
    assert slow.seen[-1] == quick.seen[-1]
    assert replace(second.asked, answer="", settled="") == replace(
        first.asked, answer="", settled=""
    )


def test_another_model_or_picture_cannot_go_on(node: WholeNode, study: str) -> None:
    with pytest.raises(QuestionRefused, match="read by scripted 1"):
        asking(node, ScriptedModel()).ask(Uid(study), "Why?", "me")
    change_file(node, pixels=True)
    with pytest.raises(QuestionRefused, match="not what it read"):
        asking(node).ask(Uid(study), "Why?", "me")
    assert node.rows(FollowUpRow) == []


def test_an_answer_of_no_use_is_not_kept(tmp_path: Path) -> None:
    content = {"answers": {**CONTENT["answers"], "follow_up": "no no no no no"}}
    node = WholeNode(configuration(tmp_path, script(tmp_path / "m.script.json", **content)))
    study = node.read(radiograph())
    with pytest.raises(AnswerRefused, match="repeats itself"):
        asking(node).ask(Uid(study), "Why?", "me")
    assert node.rows(FollowUpRow) == []
    node.stop()
