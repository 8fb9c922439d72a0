"""HL7 v2 orders: what is read out of them, in every character set, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cxr_node.domain.errors import ConfigurationError, MessageRefused, NotConformant
from cxr_node.domain.orders import Heard, OrderState
from cxr_node.domain.policy import PatientClass
from cxr_node.domain.priority import Priority
from cxr_node.messaging.acknowledgement import acknowledgement
from cxr_node.messaging.hl7_message import read_message
from cxr_node.messaging.hl7_text import CODECS, decoded, encoded, escaped, unescaped
from cxr_node.messaging.order_mapping import OrderMapping
from cxr_node.messaging.order_messages import OrderReader
from cxr_node.messaging.person_names import to_pn, to_xpn
from cxr_node.reporting.templates import load_file
from tests.hl7_orders import a08, a40, header, message, omi, orm, pid, shipped_mapping

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


def _read(text: str, codec: str = "utf-8", mapping: OrderMapping | None = None) -> Heard:
    data = text.encode(codec)
    return OrderReader(mapping or shipped_mapping()).read(read_message(data), data)


def test_an_order_is_read_whole() -> None:
    heard = _read(orm())
    (order,) = heard.orders
    assert (heard.sender, heard.control_id, heard.kind) == ("RIS|HOSPITAL", "M1", "ORM^O01")
    assert (order.patient.patient_id, order.patient.issuer) == ("PAT-1", "HOSPITAL")
    assert (order.patient.name, order.patient.birth_date, order.patient.sex) == (
        "Doe^Jane",
        "19700102",
        "F",
    )
    assert (order.accession_number, order.placer_number, order.filler_number) == (
        "ACC-1",
        "PL-1",
        "FI-1",
    )
    assert order.priority is Priority.STAT
    assert order.patient_class is PatientClass.EMERGENCY
    assert order.reason == "Sudden chest pain"
    assert order.study_uid == "1.2.3.4.5"
    assert order.scheduled_at == "20260304060000"
    assert order.procedure is not None
    assert (order.procedure.scheme, order.procedure.value) == ("LN", "36554-4")
    assert order.referring_physician == "Heart^Harriet^^Dr"
    assert order.state is OrderState.OPEN


def test_several_orders_of_one_message_keep_their_own_facts() -> None:
    first, second = _read(omi()).orders
    assert (first.accession_number, second.accession_number) == ("ACC-2", "ACC-3")
    assert (first.priority, second.priority) == (Priority.HIGH, Priority.ROUTINE)
    assert (first.reason, second.reason) == ("Chronic cough", "")
    assert (first.study_uid, second.study_uid) == ("1.2.3.4.6", "1.2.3.4.7")
    assert {order.patient_class for order in (first, second)} == {PatientClass.INPATIENT}


def test_an_order_that_is_taken_back() -> None:
    assert _read(orm(control="CA")).orders[0].state is OrderState.CANCELLED


def test_an_update_and_a_merge() -> None:
    update = _read(a08()).change
    assert update is not None and update.merged_from is None
    assert update.patient.name == "Doe-Smith^Jane"
    merge = _read(a40()).change
    assert merge is not None and merge.merged_from is not None
    assert (merge.patient.patient_id, merge.merged_from.patient_id) == ("PAT-9", "PAT-1")


@pytest.mark.parametrize(
    ("character_set", "name", "pn"),
    [
        ("ASCII", "Doe^Jane^Ann^Jr^Dr", "Doe^Jane^Ann^Dr^Jr"),
        ("8859/1", "Muñoz^José", "Muñoz^José"),
        ("8859/5", "Иванова^Анна", "Иванова^Анна"),
        ("8859/6", "محمد^علي", "محمد^علي"),
        ("UNICODE UTF-8", "Иванова^Анна~محمد^علي", "Иванова^Анна"),
        (
            "~ISO IR87",
            "Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        ("UNICODE UTF-8", "山田^太郎^^^^^L^I", "=山田^太郎"),
    ],
)
def test_names_arrive_byte_true(character_set: str, name: str, pn: str) -> None:
    codec = CODECS[character_set.rpartition("~")[2]]
    heard = _read(orm(name=name, character_set=character_set), codec)
    assert heard.orders[0].patient.name == pn


def test_two_byte_characters_that_look_like_delimiters() -> None:
    """In ISO 2022 the bytes of some characters are those of | ^ and &."""
    risky = [c for c in map(chr, range(0x4E00, 0x9FA0)) if _has_delimiters(c)][:40]
    assert len(risky) == 40
    name = f"{''.join(risky[:20])}^{''.join(risky[20:])}"
    heard = _read(orm(name=f"{name}^^^^^L^I", character_set="~ISO IR87"), "iso2022_jp_ext")
    assert heard.orders[0].patient.name == f"={name}"


def _has_delimiters(character: str) -> bool:
    try:
        body = character.encode("iso2022_jp")[3:-3]
    except UnicodeEncodeError:
        return False
    return any(byte in b"|^&~\\" for byte in body)


def test_bytes_that_are_not_in_their_character_set_are_not_guessed() -> None:
    data = orm(name="Muñoz^José", character_set="UNICODE UTF-8").encode("latin-1")
    with pytest.raises(NotConformant):
        read_message(data)
    with pytest.raises(NotConformant):
        read_message(orm(character_set="KLINGON").encode())


@pytest.mark.parametrize(
    ("text", "answer", "condition", "place"),
    [
        (message(header("ORU^R01", "M1"), pid()), "AR", 200, "MSH-9"),
        (message(header("ADT^A99", "M1"), pid()), "AR", 201, "MSH-9"),
        (message(header("ORM^O01", ""), pid()), "AE", 101, "MSH-10"),
        (message(header("ORM^O01", "M1"), "PID|1||||Doe^Jane", "OBR|1|P|F"), "AE", 101, "PID-3.1"),
        (message(header("ORM^O01", "M1"), pid()), "AE", 101, "OBR"),
        (message(header("ORM^O01", "M1"), pid(), "OBR|1"), "AE", 101, "IPC-1.1"),
        (message(header("ADT^A40", "M1"), pid()), "AE", 101, "MRG-1.1"),
    ],
)
def test_what_is_refused_names_code_and_field(
    text: str, answer: str, condition: int, place: str
) -> None:
    with pytest.raises(MessageRefused) as refused:
        _read(text)
    assert (refused.value.answer, refused.value.condition) == (answer, condition)
    assert refused.value.place == place
    reply = hl7.parse(acknowledgement(read_message(text.encode()), NOW, refused.value).decode())
    assert str(reply.segment("MSA")[1]) == answer
    assert str(reply.segment("ERR")[3][0][0]) == str(condition)


def test_another_ris_needs_only_another_mapping() -> None:
    table = shipped_mapping().model_dump(mode="json")
    table["order"]["reason"] = ["ZRX-4.2"]
    table["order"]["accession_number"] = ["ZRX-2"]
    mapping = OrderMapping.model_validate(table)
    text = orm() + "ZRX|1|OTHER-1||X^Trauma\r"
    (order,) = _read(text, mapping=mapping).orders
    assert (order.accession_number, order.reason) == ("OTHER-1", "Trauma")


@pytest.mark.parametrize("place", ["PID", "PID-0", "pid-3", "PID-3.", "PID-3.4.5.6", "PID-3.a"])
def test_a_mapping_with_a_broken_place_is_refused(place: str) -> None:
    table = shipped_mapping().model_dump(mode="json")
    table["patient"]["patient_id"] = [place]
    with pytest.raises(ValidationError):
        OrderMapping.model_validate(table)


def test_the_explicit_null_is_nothing_said() -> None:
    assert _read(orm(reason='""')).orders[0].reason == ""


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_escaping_comes_back(text: str) -> None:
    said = escaped(text)
    assert unescaped(said) == text
    assert not set(said) & set("|^&~\r\n\x0b\x1c")


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_no_text_ends_a_field_or_the_message(text: str) -> None:
    data = encoded(escaped(text), "UNICODE UTF-8")
    assert not set(data) & set(b"|^&~\r\n\x0b\x1c\x1b")
    parsed = hl7.parse(f"MSH|^~\\&|A\rOBX|1|TX|C||{escaped(text)}|end")
    assert str(parsed.segment("OBX")[6]) == "end"


@settings(max_examples=30, deadline=None)
@given(TEXT.filter(str.strip))
def test_a_library_of_others_reads_our_escapes(text: str) -> None:
    checked = parse_message(
        f"MSH|^~\\&|A|B|C|D|20260101||ORU^R01|1|P|2.5.1\rOBX|1|ST|C||{escaped(text)}|u",
        find_groups=False,
    )
    assert unescaped(checked.obx.obx_5.value) == text
    assert checked.obx.obx_6.value == "u"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, b"MSH|^~\\&|" + data, orm().encode() + data):
        try:
            heard = OrderReader(shipped_mapping()).read(read_message(candidate), candidate)
        except (NotConformant, MessageRefused):
            continue
        assert heard.control_id


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["|", "^", "~", "\\", "&", "\r", "A", "PID", "ORC", "é", '""'])))
def test_any_arrangement_of_delimiters_is_read_or_refused(parts: list[str]) -> None:
    data = (orm() + "".join(parts)).encode()
    try:
        decoded(data)
        OrderReader(shipped_mapping()).read(read_message(data), data)
    except (NotConformant, MessageRefused):
        pass


NAME = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="^=\\", categories=["L"]), min_size=1
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(NAME, min_size=1, max_size=5), min_size=1, max_size=3))
def test_names_keep_their_parts_both_ways(groups: list[list[str]]) -> None:
    pn = "=".join("^".join(parts) for parts in groups)
    assert to_pn(to_xpn(pn)) == pn


def test_an_acknowledgement_answers_to_the_sender() -> None:
    reply = hl7.parse(acknowledgement(read_message(orm().encode()), NOW).decode())
    msh, msa = reply.segment("MSH"), reply.segment("MSA")
    assert [str(msh[n]) for n in (3, 4, 5, 6)] == ["CXRNODE", "NODE", "RIS", "HOSPITAL"]
    assert str(msh[9]) == "ACK^O01^ACK"
    assert (str(msa[1]), str(msa[2])) == ("AA", "M1")
    assert parse_message(str(reply)).validate()


def test_bytes_that_are_no_message_are_answered_all_the_same() -> None:
    refusal = MessageRefused("AE", 102, "MSH", "the message cannot be split")
    reply = hl7.parse(acknowledgement(None, NOW, refusal).decode())
    assert str(reply.segment("MSA")[1]) == "AE"


def test_a_site_says_only_what_differs(tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "orders.yaml").write_text("order: {reason: [ZRX-4.2]}\n")
    site = load_file("messages/orders.yaml", OrderMapping, tmp_path)
    assert site.order.reason == ("ZRX-4.2",)
    assert site.order.accession_number == shipped_mapping().order.accession_number
    (folder / "orders.yaml").write_text("order: {reason: [ZRX]}\n")
    with pytest.raises(ConfigurationError, match=r"orders\.yaml:1"):
        load_file("messages/orders.yaml", OrderMapping, tmp_path)
