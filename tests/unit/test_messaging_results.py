"""ORU^R01: whole, preliminary, coded, byte-true, and re-sent until it is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import hl7
import pytest
import yaml
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cxr_node.config_messaging import Hl7Section, OrdersSection
from cxr_node.domain.delivery import Verdict
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.notice import Coded, NotedOrder, Notice, NoticeEvent
from cxr_node.domain.priority import Priority
from cxr_node.messaging.hl7_message import read_message
from cxr_node.messaging.hl7_sender import Hl7Destination
from cxr_node.messaging.mllp_server import MllpServer
from cxr_node.messaging.person_names import to_pn
from cxr_node.messaging.result_mapping import ResultMapping
from cxr_node.messaging.result_message import control_id, result_message
from tests.certificates import Authority
from tests.notices import NAMES, parcel_of, sample_notice


def mapping(**changes: object) -> ResultMapping:
    text = resources.files("sr_templates").joinpath("messages", "oru.yaml").read_text()
    return ResultMapping.model_validate(yaml.safe_load(text) | changes)


def _section(port: int = 2575, **changes: object) -> Hl7Section:
    usual = {"name": "ris", "host": "127.0.0.1", "port": port, "timeout_seconds": 2.0}
    return Hl7Section.model_validate({**usual, **changes})


def _message(notice: Notice, **changes: object) -> hl7.Message:
    data = result_message(notice, _section(**changes), mapping())
    return hl7.parse(read_text(data))


def read_text(data: bytes) -> str:
    message = read_message(data)
    return data.decode(message.codec)


def _observations(message: hl7.Message, code: str) -> list[hl7.Segment]:
    return [obx for obx in message.segments("OBX") if str(obx[3][0][0]) == code]


def test_a_strict_library_finds_nothing_wrong() -> None:
    notice = sample_notice(order=NotedOrder("PL-1", "FI-1", Coded("LN", "36554-4", "Chest")))
    text = read_text(result_message(notice, _section(), mapping(zds=False)))
    checked = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT)
    assert checked.validate()
    assert checked.msh.msh_9.value == "ORU^R01^ORU_R01"


def test_what_the_result_says() -> None:
    message = _message(sample_notice(), application="RIS", facility="HOSPITAL")
    msh, obr = message.segment("MSH"), message.segment("OBR")
    assert [str(msh[n]) for n in (3, 4, 5, 6)] == ["CXRNODE", "CXR-NODE", "RIS", "HOSPITAL"]
    assert (str(msh[11]), str(msh[18])) == ("P", "UNICODE UTF-8")
    assert (str(obr[3]), str(obr[18]), str(obr[25])) == ("ACC-1", "ACC-1", "P")
    assert str(message.segment("PID")[3]) == "PAT-1^^^HOSPITAL"
    assert {str(obx[11]) for obx in message.segments("OBX")} == {"P"}
    (pneumothorax,) = _observations(message, "36118008")
    assert str(pneumothorax[3]) == "36118008^Pneumothorax^SCT"
    assert (str(pneumothorax[5]), str(pneumothorax[8])) == ("52101004^Present^SCT", "AA")
    (edema,) = _observations(message, "19242006")
    assert (str(edema[5]), str(edema[8])) == ("272519000^Absent^SCT", "")
    sure, doubtful = _observations(message, "111012")
    assert (str(sure[2]), str(sure[5]), str(sure[6])) == ("NM", "97.0", "%^percent^UCUM")
    assert (str(sure[4]), str(doubtful[4])) == (str(pneumothorax[4]), str(edema[4]))
    (side,) = _observations(message, "272741003")
    assert str(side[5]) == "7771000^Left^SCT"
    (priority,) = _observations(message, "TRIAGE")
    assert (str(priority[5]), str(priority[8])) == ("STAT", "AA")
    (study,) = _observations(message, "110180")
    assert str(study[5]) == "1.2.3.4.5"
    assert str(message.segment("ZDS")[1]) == "1.2.3.4.5^CXRNODE^Application^DICOM"


def test_an_order_gives_its_numbers_back() -> None:
    order = NotedOrder("PL-1", "FI-1", Coded("L", "CXR1", "Thorax | 1 view"))
    obr = _message(sample_notice(order=order)).segment("OBR")
    assert (str(obr[2]), str(obr[3])) == ("PL-1", "FI-1")
    assert str(obr[4]) == "CXR1^Thorax \\F\\ 1 view^L"


def test_a_correction_is_corrected_and_a_phantom_is_a_test() -> None:
    message = _message(sample_notice(event=NoticeEvent.CORRECTED, phantom=True))
    assert str(message.segment("OBR")[25]) == "C"
    assert {str(obx[11]) for obx in message.segments("OBX")} == {"C"}
    assert str(message.segment("MSH")[11]) == "T"


def test_an_unflagged_study_has_no_abnormal_flag_of_its_priority() -> None:
    message = _message(sample_notice(priority=Priority.ROUTINE))
    (priority,) = _observations(message, "TRIAGE")
    assert (str(priority[5]), str(priority[8])) == ("ROUTINE", "")


def test_a_final_result_cannot_be_configured() -> None:
    table = mapping().model_dump(mode="json")
    table["statuses"]["reported"] = "F"
    with pytest.raises(ValidationError):
        ResultMapping.model_validate(table)


def test_a_receiver_that_shows_little_is_sent_little() -> None:
    few = mapping().model_copy(
        update={"sections": ("priority", "findings"), "findings": "present", "details": ()}
    )
    message = hl7.parse(read_text(result_message(sample_notice(), _section(), few)))
    assert [str(obx[3][0][0]) for obx in message.segments("OBX")] == [
        "TRIAGE",
        "TRIAGE_REASON",
        "36118008",
    ]


@pytest.mark.parametrize(
    ("character_set", "name"), [(known, name) for known, names in NAMES.items() for name in names]
)
def test_names_leave_byte_true(character_set: str, name: str) -> None:
    notice = sample_notice(patient=PatientFacts("PAT-1", "HOSPITAL", name))
    data = result_message(notice, _section(character_set=character_set), mapping())
    (pid,) = read_message(data).named("PID")
    repetitions = [["".join(part) for part in parts] for parts in pid.repetitions(5)]
    assert to_pn(repetitions) == name


def test_a_way_of_writing_that_does_not_fit_is_left_out() -> None:
    notice = sample_notice(patient=PatientFacts("PAT-1", "", "Yamada^Tarou=山田^太郎"))
    (pid,) = read_message(
        result_message(notice, _section(character_set="8859/1"), mapping())
    ).named("PID")
    assert [parts[0][0] for parts in pid.repetitions(5)] == ["Yamada"]


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_no_text_of_a_model_breaks_the_message(text: str) -> None:
    notice = sample_notice(conclusion=text, priority_words=text)
    plain = read_message(result_message(sample_notice(), _section(), mapping()))
    broken = read_message(result_message(notice, _section(), mapping()))
    names = [segment.name for segment in broken.segments]
    assert names == [s.name for s in plain.segments] or (not text and len(names) < 99)
    conclusion = broken.value("OBX-5")
    for character in set(text) & set("|^&~\\"):
        assert character in conclusion


@contextmanager
def _receiver(answer: Callable[[bytes], bytes], **changes: object) -> Iterator[int]:
    server = MllpServer(OrdersSection.model_validate(changes), answer)
    try:
        yield server.start()
    finally:
        server.stop()


def _said(code: str, error: str = "") -> Callable[[bytes], bytes]:
    def answer(data: bytes) -> bytes:
        asked = read_message(data).value("MSH-10")
        reply = f"MSH|^~\\&|RIS|H|CXRNODE|N|20260101||ACK^R01|9|P|2.5.1\rMSA|{code}|{asked}\r"
        return (reply + error).encode()

    return answer


@pytest.mark.parametrize(
    ("code", "error", "verdict"),
    [
        ("AA", "", Verdict.DONE),
        ("CA", "", Verdict.DONE),
        ("AE", "", Verdict.RETRY),
        ("AE", "ERR||OBX^1^5|102^Data type error^HL70357|E\r", Verdict.REFUSED),
        ("AE", "ERR|||207^Internal^HL70357|E\r", Verdict.RETRY),
        ("AE", "ERR|||204^Unknown key^HL70357|E\r", Verdict.RETRY),
        ("AR", "", Verdict.REFUSED),
        ("AR", "ERR|||200^Type^HL70357|E\r", Verdict.REFUSED),
        ("AR", "ERR|||207^Internal^HL70357|E\r", Verdict.RETRY),
        ("XX", "", Verdict.REFUSED),
    ],
)
def test_what_an_acknowledgement_means(
    tmp_path: Path, code: str, error: str, verdict: Verdict
) -> None:
    with _receiver(_said(code, error)) as port:
        outcome = Hl7Destination(_section(port), mapping()).send(
            parcel_of(sample_notice(), tmp_path)
        )
    assert outcome.verdict is verdict


def test_the_control_id_is_the_same_at_every_attempt(tmp_path: Path) -> None:
    taken: list[bytes] = []

    def answer(data: bytes) -> bytes:
        taken.append(data)
        return _said("AE" if len(taken) < 2 else "AA")(data)

    parcel = parcel_of(sample_notice(), tmp_path)
    with _receiver(answer) as port:
        destination = Hl7Destination(_section(port), mapping())
        assert destination.send(parcel).verdict is Verdict.RETRY
        assert destination.send(parcel).verdict is Verdict.DONE
    assert taken[0] == taken[1]
    assert len(control_id(sample_notice())) == 20
    assert control_id(sample_notice()).encode() in taken[0]


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"hello",
        b"MSH|^~\\&|A|B|C|D|20260101||ACK|9|P|2.5.1\r",
        b"MSH|^~\\&|A|B|C|D|20260101||ACK|9|P|2.5.1\rMSA|AA|ANOTHER\r",
    ],
)
def test_an_answer_that_says_nothing_of_this_message_is_no_aa(tmp_path: Path, reply: bytes) -> None:
    with _receiver(lambda _data: reply) as port:
        outcome = Hl7Destination(_section(port), mapping()).send(
            parcel_of(sample_notice(), tmp_path)
        )
    assert outcome.verdict is Verdict.RETRY


def test_nobody_there_and_nothing_on_disk(tmp_path: Path) -> None:
    parcel = parcel_of(sample_notice(), tmp_path)
    destination = Hl7Destination(_section(9), mapping())
    assert destination.send(parcel).verdict is Verdict.RETRY
    parcel.path.unlink()
    assert destination.send(parcel).verdict is Verdict.REFUSED


def test_over_tls_only_to_whom_the_authority_vouches_for(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    ris, node = authority.issue("localhost"), authority.issue("node")
    tls = {
        "certificate_file": str(ris.certificate),
        "key_file": str(ris.key),
        "client_ca_file": str(authority.file),
    }
    ours = {
        "host": "localhost",
        "tls": True,
        "certificate_file": str(node.certificate),
        "key_file": str(node.key),
    }
    parcel = parcel_of(sample_notice(), tmp_path)
    with _receiver(_said("AA"), host="localhost", **tls) as port:
        good = _section(port, ca_file=str(authority.file), **ours)
        assert Hl7Destination(good, mapping()).send(parcel).verdict is Verdict.DONE
        bad = _section(port, ca_file=str(other.file), **ours)
        assert Hl7Destination(bad, mapping()).send(parcel).verdict is Verdict.RETRY
