"""Dialogue records: read and written without loss, streamed, and refused with a place."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_node.domain.errors import RecordRefused
from cxr_node.training import record_files
from cxr_node.training.record_boxes import box_answer, boxes_in, unread_boxes
from cxr_node.training.record_counts import RecordCounts, oddities
from cxr_node.training.record_files import parse_records, read_records, text_of, write_records
from cxr_node.training.records import Record, checked

STUDY = """{"source": "made-up", "pat_id": 7, "study_id": "s1", "ref_study_id": null,
 "pos_study_id": "", "zeta": 1.50, "image": ["a.png"], "alpha": "caf\\u00e9 \\/ é",
 "content": [
  {"stage": 3, "task_type": "Findings_Detection", "qtype": "detection", "image_input_count": 1,
   "question": "<image>Where is the heart?", "link_tag": {"x": [1e3, -0.0, 10000000000000000001]},
   "answer": "<|ref|> heart <|/ref|><|box|>(10.00, 20.50), (60.25, 80.00)<|/box|>",
   "bbox_list": [[10.00, 20.50, 60.25, 80.00]], "qwen_accepted": "Y"}]}"""


def turn(**changes: Any) -> dict[str, Any]:
    plain = {
        "stage": 1,
        "task_type": "View_Information",
        "qtype": "captioning",
        "image_input_count": 1,
        "question": "Which projection?",
        "answer": "PA",
    }
    return plain | changes


def study(**changes: Any) -> dict[str, Any]:
    return {"study_id": "s1", "image": ["a"], "content": [turn()]} | changes


def parsed(text: str) -> list[Record]:
    return list(parse_records(io.StringIO(text)))


def squeezed(text: str) -> str:
    """JSON without the blanks between its tokens."""
    out, quoted, escaped = [], False, False
    for c in text:
        if quoted or not c.isspace():
            out.append(c)
        quoted = (quoted if escaped else not quoted) if c == '"' else quoted
        escaped = quoted and c == "\\" and not escaped
    return "".join(out)


@pytest.mark.parametrize("text", [STUDY, f"[{STUDY},\n {STUDY}]", f"{STUDY}\n{STUDY}", "[]", ""])
@pytest.mark.parametrize("name", ["out.json", "out.jsonl"])
def test_what_is_read_is_written_again_byte_for_byte(tmp_path: Path, text: str, name: str) -> None:
    records = parsed(text)
    assert write_records(tmp_path / name, records) == len(records)
    written = (tmp_path / name).read_text("utf-8")
    expected = ",".join([squeezed(STUDY)] * len(records))
    if name.endswith("l"):
        assert [squeezed(line) for line in written.splitlines()] == [squeezed(STUDY)] * len(records)
    else:
        assert squeezed(written) == f"[{expected}]"
    assert [r.document for r in read_records(tmp_path / name)] == [r.document for r in records]
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_fields_are_seen_and_unknown_ones_kept_in_order() -> None:
    (record,) = parsed(STUDY)
    assert (record.source, record.patient, record.study) == ("made-up", 7, "s1")
    assert record.reference_study is None
    assert record.following_study is None
    assert list(record.document)[5:8] == ["zeta", "image", "alpha"]
    (only,) = record.turns
    assert (only.stage, only.qtype, only.image_input_count) == (3, "detection", 1)
    assert boxes_in(only.answer)[0].box == (10.0, 20.5, 60.25, 80.0)


def test_a_changed_record_is_written_as_it_is_now() -> None:
    (record,) = parsed(STUDY)
    changed = checked({**record.document, "source": "mine"})
    assert json.loads(text_of(changed)) == {**json.loads(STUDY), "source": "mine"}


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(min_size=1), _json, max_size=4),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_any_further_field_survives(more: dict[str, Any], indent: int | None, ascii_: bool) -> None:
    document = {f"x-{key}": value for key, value in more.items()} | study()
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_)
    record, again = parsed(text + "\n" + text)
    assert squeezed(text_of(record)) == squeezed(text_of(again)) == squeezed(text)
    assert "\n" not in text_of(record)
    (fresh,) = parsed(text_of(checked(record.document)))
    assert fresh.document == document


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + f"{STUDY}\n{STUDY}\n".replace("\n", "\r\n").encode())
    assert len(list(read_records(path))) == 2


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: [1], "is not a JSON object"),
    (lambda: {"image": [], "content": []}, "study_id: is missing"),
    (lambda: study(image="a"), "image: must be a list of texts"),
    (lambda: study(image=[1]), "image: must be a list of texts"),
    (lambda: study(content={}), "content: must be a list"),
    (lambda: study(pat_id=1.5), "pat_id: must be a text, a whole number or null"),
    (lambda: study(ref_study_id=True), "ref_study_id: must be a text, a whole number or null"),
    (lambda: study(source=3), "source: must be a text"),
    (lambda: study(content=[turn(), 3]), "content[1]: is not a JSON object"),
    (
        lambda: study(content=[turn(stage=9)]),
        "content[0].stage: must be a whole number from 1",
    ),
    (lambda: study(content=[turn(stage=True)]), "content[0].stage: must be a whole number"),
    (lambda: study(content=[turn(stage="2")]), "content[0].stage: must be a whole number"),
    (lambda: study(content=[turn(image_input_count=-1)]), "content[0].image_input_count: must be"),
    (lambda: study(content=[turn(), turn(answer=["PA"])]), "content[1].answer: must be a text"),
    (
        lambda: study(content=[turn(question=" ")]),
        "content[0].question: must be a text that is not",
    ),
    (lambda: study(content=[turn(option_list="PA")]), "content[0].option_list: must be a list"),
    (lambda: study(content=[{"stage": 1}]), "content[0].task_type: is missing"),
]


@pytest.mark.parametrize(("make", "words"), BAD)
def test_a_malformed_record_is_named_with_its_field(make: Callable[[], Any], words: str) -> None:
    bad = make()
    lines = f"{json.dumps(study())}\n{json.dumps(bad[0] if isinstance(bad, list) else bad)}"
    with pytest.raises(RecordRefused) as refused:
        parsed(lines)
    assert str(refused.value).startswith("record 2")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"study_id": "s", "image": [], "content": [}', "record 1: is broken JSON"),
        (f"{json.dumps(study())} {{", "record 2: is broken JSON"),
        (f"[{json.dumps(study())}", "record 1: the file ends within the array"),
        (f"[{json.dumps(study())},]", "record 1: is followed by a comma and nothing more"),
        (f"[{json.dumps(study())} 7]", "record 1: is not followed by a comma"),
        (f"[{json.dumps(study())}] 7", "something stands behind the array"),
        ("[1]", "record 1: is not a JSON object"),
        ('{"a": 1, "a": 2}', "record 1: a key stands twice"),
        ('{"a": NaN}', "NaN is no JSON"),
        ('{"a": ' + "[" * 100_000, "record 1: is nested too deeply"),
        ('{"a": "' + "x" * 40 + "\n" + 'y"' + " " * 40 + "}", "record 1: is broken JSON"),
    ],
)
def test_broken_files_are_refused_with_the_record(text: str, words: str) -> None:
    with pytest.raises(RecordRefused) as refused:
        parsed(text)
    assert words in str(refused.value)
    assert "xxxx" not in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(json.dumps(study()).encode() + b"\n\xff\xfe{}")
    with pytest.raises(RecordRefused, match="not UTF-8"):
        list(read_records(path))
    with pytest.raises(RecordRefused, match="cannot be read"):
        list(read_records(tmp_path / "none.json"))


def test_records_are_found_whatever_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"[{STUDY}, {json.dumps(study())},{STUDY}]"
    whole = [r.document for r in parsed(text)]
    for chunk in (1, 2, 7, 64):
        monkeypatch.setattr(record_files, "_CHUNK", chunk)
        assert [r.document for r in parsed(text)] == whole


def test_a_big_file_is_read_record_by_record(tmp_path: Path) -> None:
    path, one = tmp_path / "big.json", checked(study(content=[turn(answer="word " * 200)] * 20))
    assert write_records(path, (one for _ in range(1500))) == 1500
    assert path.stat().st_size > 25_000_000
    tracemalloc.start()
    try:
        assert sum(len(record.turns) for record in read_records(path)) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_nothing_is_left_when_writing_ends_early(tmp_path: Path) -> None:
    def records() -> Iterator[Record]:
        yield checked(study())
        raise RecordRefused("no more")

    path = tmp_path / "out.jsonl"
    path.write_text("before")
    with pytest.raises(RecordRefused, match="no more"):
        write_records(path, records())
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]


def test_boxes_have_two_decimals_and_are_read_back() -> None:
    answer = box_answer("left lung", (1.0, 2.005, 99.999, 50.5))
    assert answer == "<|ref|> left lung <|/ref|><|box|>(1.00, 2.00), (100.00, 50.50)<|/box|>"
    (found,) = boxes_in(answer)
    assert (found.name, found.box, found.sound) == ("left lung", (1.0, 2.0, 100.0, 50.5), True)
    assert not boxes_in("<|box|>(60, 1), (20, 50)<|/box|>")[0].sound
    assert unread_boxes("<|box|>12 13 14 15<|/box|>")


def test_counts_and_oddities() -> None:
    counts = RecordCounts()
    counts.add(checked(study(ref_study_id="s0")))
    odd = [
        turn(stage=2),
        turn(qtype="essay"),
        turn(image_input_count=5),
        turn(qtype="single-choice", option_list=["AP", "lateral"]),
        turn(stage=5, task_type="Differences_Comparison"),
        turn(stage=3, task_type="Findings_Detection", qtype="detection", answer="there"),
        turn(stage=3, task_type="Phrase_Grounding", answer="<|box|>(1, 1), (500, 2)<|/box|>"),
    ]
    counts.add(checked(study(content=odd)))
    assert (counts.dialogues, counts.turns, counts.longest, counts.with_reference) == (2, 8, 7, 1)
    assert counts.stages[1].qtypes == {"captioning": 2, "essay": 1, "single-choice": 1}
    assert counts.stages[1].dialogues == 2
    assert sorted(counts.oddities) == [
        "a box that is no box in percent",
        "a detection answer without a box",
        "an answer that is none of its options",
        "image_input_count above the number of pictures",
        "qtype unknown: essay",
        "stage 5 without ref_study_id",
        "task_type of another stage: View_Information",
    ]
    assert set(counts.first_seen.values()) == {2}
    assert json.loads(json.dumps(counts.as_json()))["mean_turns"] == 4.0
    assert list(oddities(checked(study()))) == []
