"""The ground that ``dicom.guard`` stands on inside pynetdicom.

If an upgrade moves one of these, the guard may still import and no longer guard. Each
test names what it relies on; mend the guard before changing the test.
"""

from __future__ import annotations

import inspect
import io
import queue
import threading
from pathlib import Path

import pynetdicom
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from tests.builders import radiograph
from tests.listening import listening, send


def _source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]


def test_the_version_is_one_that_was_looked_at() -> None:
    major, minor = pynetdicom.__version__.split(".")[:2]
    assert (major, minor) == ("3", "0"), "read the guard's ground again for this version"


def test_pdus_are_read_as_a_head_of_six_and_a_body_through_recv() -> None:
    read = _source(DULServiceProvider._read_pdu_data)
    assert read.count("self.socket.recv(") == 2
    assert read.index("self.socket.recv(6)") < read.index("self.socket.recv(pdu_length)")
    assert list(inspect.signature(AssociationSocket.recv).parameters) == ["self", "nr_bytes"]


def test_nothing_else_reads_from_the_socket() -> None:
    package = Path(pynetdicom.__file__).parent
    readers = {
        path.name
        for path in package.glob("*.py")
        if ".recv(" in path.read_text() or ".recv_into(" in path.read_text()
    }
    assert readers == {"dul.py", "transport.py"}


def test_a_none_in_the_queue_ends_the_wait_for_a_request() -> None:
    source = _source(Association.run_reactor)
    assert "self.dul.receive_pdu(wait=True, timeout=self.acse_timeout)" in source
    assert "if primitive is None:\n                self.kill()" in source
    assert isinstance(
        Association(ApplicationEntity("X"), "acceptor").dul.to_user_queue, queue.Queue
    )


def test_messages_arrive_through_receive_primitive_on_the_instance() -> None:
    from pynetdicom import fsm

    assert "dul.assoc.dimse.receive_primitive(" in _source(fsm.DT_2)
    assert "self.message.decode_msg(primitive, self.assoc)" in _source(
        DIMSEServiceProvider.receive_primitive
    )


def test_a_data_set_is_written_into_the_message_buffer_that_stands_there() -> None:
    entity = ApplicationEntity("X")
    entity.add_supported_context("1.2.840.10008.5.1.4.1.1.1", ExplicitVRLittleEndian)
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    request.AffectedSOPInstanceUID = "1.2.3"
    request.Priority = 0
    request.DataSet = io.BytesIO(b"abcdef")
    outgoing = C_STORE_RQ()
    outgoing.primitive_to_message(request)
    arriving, mine = DIMSEMessage(), io.BytesIO()
    done = [False]
    for part in outgoing.encode_msg(1, 0):
        done.append(arriving.decode_msg(part))
        if isinstance(arriving, C_STORE_RQ) and arriving.data_set is not mine:
            assert arriving.data_set is not None and arriving.data_set.tell() == 0
            arriving.data_set = mine
    assert done[-1] and mine.getvalue() == b"abcdef"
    assert arriving.message_to_primitive().DataSet is mine  # type: ignore[union-attr]


def test_the_library_does_not_write_data_sets_itself() -> None:
    assert _config.STORE_RECV_CHUNKED_DATASET is False
    assert _config.UNRESTRICTED_STORAGE_SERVICE is False


def test_values_of_a_p_data_can_be_passed_on_one_by_one() -> None:
    primitive = P_DATA()
    primitive.presentation_data_value_list.append((1, b"\x03x"))
    assert primitive.presentation_data_value_list == [(1, b"\x03x")]


def test_each_connection_is_made_by_create_association_before_it_starts() -> None:
    handle = _source(RequestHandler.handle)
    assert handle.index("self._create_association()") < handle.index("assoc.start()")
    assert "verify_request" in dir(ThreadedAssociationServer)


def test_an_association_runs_as_a_thread_through_run() -> None:
    association = Association(ApplicationEntity("X"), "requestor")
    assert isinstance(association, threading.Thread)
    assert isinstance(association.dul, threading.Thread)
    ran = threading.Event()
    association.run = ran.set  # type: ignore[method-assign]
    association.start()
    assert ran.wait(2)


def test_a_request_may_be_answered_from_the_requested_event() -> None:
    source = _source(Association.run_reactor)
    requested = source.index("evt.EVT_REQUESTED")
    assert requested < source.index("if not self.is_aborted and not self.is_rejected")


def test_active_associations_are_found_by_their_thread_name() -> None:
    assert '"AcceptorThread" in tt.name' in _source(ThreadedAssociationServer) or (
        '"AcceptorThread" in tt.name' in _source(ThreadedAssociationServer.active_associations.fget)
    )


def test_an_abort_bypasses_what_the_guard_wraps() -> None:
    assert "self.socket.close()" in _source(DULServiceProvider._is_transport_event)


def test_the_accepted_syntax_is_found_by_context_id(tmp_path: Path) -> None:
    with listening(tmp_path) as node:
        assert send(node, radiograph(transfer_syntax=ExplicitVRLittleEndian)) == 0
    assert node.stored[0].transfer_syntax.text == ExplicitVRLittleEndian


def test_an_idle_timer_can_be_restarted() -> None:
    association = Association(ApplicationEntity("X"), "acceptor")
    association.dul._idle_timer.restart()
