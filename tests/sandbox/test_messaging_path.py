"""Orders in, flags out, through a real node: a stand-in RIS over MLLP and a webhook receiver."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from cxr_node.config_messaging import OrdersSection
from cxr_node.domain.ports import SystemClock
from cxr_node.domain.study import StudyState
from cxr_node.messaging.hl7_sender import read_acknowledgement
from cxr_node.messaging.mllp import exchange
from cxr_node.messaging.mllp_server import MllpServer
from cxr_node.messaging.stand_in_ris import Ordered, ResultDesk, ResultHeard, order_message
from tests.builders import radiograph, save
from tests.http_receivers import Receiver, receiving
from tests.nodes import script
from tests.peers import free_port
from tests.running_node import RunningNode

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Ris:
    """A RIS that takes results, and says no to the first of them."""

    def __init__(self) -> None:
        self.heard: list[ResultHeard] = []
        self.refused = 0
        self._desk = ResultDesk(SystemClock(), self.heard.append)
        self.server = MllpServer(OrdersSection(), self.answer)
        self.port = self.server.start()

    def answer(self, data: bytes) -> bytes:
        if not self.refused:
            self.refused += 1
            return b"MSH|^~\\&|RIS|H|C|N|20260101||ACK^R01|1|P|2.5.1\rMSA|AE|another\r"
        return self._desk.answer(data)


@pytest.fixture
def ris() -> Iterator[Ris]:
    found = Ris()
    yield found
    found.server.stop()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def test_an_order_a_flag_and_a_report(tmp_path: Path, ris: Ris, hook: Receiver) -> None:
    orders = free_port()
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    node = RunningNode(
        tmp_path / "node",
        model=script(tmp_path),
        sections={"orders": {"port": orders}, "delivery": {"first_retry_seconds": 0.2}},
    )
    with node.config.open("a") as stream:
        stream.write(f'[[hl7]]\nname = "ris"\nhost = "127.0.0.1"\nport = {ris.port}\n')
        stream.write(f'[[webhook]]\nname = "hook"\nurl = "{hook.url}/"\nsecret_file = "{secret}"\n')
    image = radiograph()
    with node:
        ordered = Ordered(image.AccessionNumber, image.PatientID, "Doe^Jane", "S", "E", "Pain")
        data = order_message(ordered, SystemClock().now())
        answer = exchange(("127.0.0.1", orders), data, seconds=10)
        assert read_acknowledgement(answer).code == "AA"
        node.send(save(image, tmp_path / "in"))
        item = node.settled(image.StudyInstanceUID)
        page = node.page.study(image.StudyInstanceUID)
    assert item.state is StudyState.DELIVERED
    assert page is not None
    assert page.notes == ["Ordered: STAT, emergency, Chest X-ray 1 view; reason: Pain"]
    assert ris.refused == 1
    events = {Webhook(SECRET).verify(taken.body, taken.headers)["event"] for taken in hook.taken}
    assert events == {"flagged", "reported"}
    assert {heard.status for heard in ris.heard} == {"P"}
    assert len(ris.heard) == 2
    for heard in ris.heard:
        assert (heard.accession_number, heard.study_uid) == (
            image.AccessionNumber,
            image.StudyInstanceUID,
        )
        assert (heard.priority, heard.flag) == ("STAT", "AA")
        assert heard.present == ("Pneumothorax",)
