"""The real servers that other tests lean on start, answer and are reachable as promised."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import sqlalchemy
from kombu import Connection

from tests import builders
from tests.peers import Orthanc, free_port, require

pytestmark = pytest.mark.peers


def test_postgresql_answers_in_utf8(postgresql_url: str) -> None:
    engine = sqlalchemy.create_engine(postgresql_url)
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("show server_encoding")) == "UTF8"
    engine.dispose()


@pytest.mark.parametrize("broker", ["redis_url", "rabbitmq_url"])
def test_a_message_passes_through_the_broker(broker: str, request: pytest.FixtureRequest) -> None:
    with Connection(request.getfixturevalue(broker), connect_timeout=10) as connection:
        queue = connection.SimpleQueue("peers-self-test")
        queue.put({"work": True})
        message = queue.get(timeout=10)
        message.ack()
        queue.close()
    assert message.payload == {"work": True}


def test_orthanc_stores_finds_and_learns_a_modality(orthanc: Orthanc, tmp_path: Path) -> None:
    radiograph = builders.radiograph()
    sent = builders.save(radiograph, tmp_path)
    storescu = require("storescu", "dcmtk")
    address = ["127.0.0.1", str(orthanc.dicom_port)]
    subprocess.run([storescu, "-aec", orthanc.ae_title, *address, str(sent)], check=True)

    found = orthanc.find("Instance", SOPInstanceUID=str(radiograph.SOPInstanceUID))

    assert len(found) == 1
    assert b"DICM" in orthanc.content(f"/instances/{found[0]}/file")[:132]
    orthanc.add_modality("self", "SELF", free_port())
    assert "self" in orthanc.call("GET", "/modalities")
