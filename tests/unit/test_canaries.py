"""The watch over the suite sees what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_node.domain.events import Event, emit
from tests import canaries
from tests.builders import radiograph


def test_an_event_with_a_name_is_noticed() -> None:
    emit(Event.SIGNED_IN, user=str(radiograph().PatientName))
    noticed, canaries._leaks[:] = list(canaries._leaks), []
    assert noticed == ["signed-in: ['DOE^', 'JANE']"]


def test_a_log_with_a_patient_id_is_noticed(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    log.write_text(f"{radiograph().PatientID}\n")
    with pytest.raises(AssertionError):
        canaries.assert_none_in(log)
