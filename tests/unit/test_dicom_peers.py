"""Who may associate, and how many at once."""

from __future__ import annotations

import pytest

from cxr_node.config import PeerSection
from cxr_node.dicom.admission import Admission, Limits
from cxr_node.dicom.contexts import presentation_contexts
from cxr_node.dicom.peers import Peers


def _peers(**peer: object) -> Peers:
    return Peers([PeerSection.model_validate({"name": "pacs", "ae_title": "PACS", **peer})])


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.1.1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_has_many_names(host: str, address: str) -> None:
    assert _peers(host=host).may_associate("PACS", address)


def test_title_and_address_must_both_fit() -> None:
    peers = _peers(host="192.0.2.7")
    assert peers.may_associate("PACS  ", "192.0.2.7")
    assert peers.may_associate("PACS", "::ffff:192.0.2.7")
    assert not peers.may_associate("PACS", "192.0.2.8")
    assert not peers.may_associate("pacs", "192.0.2.7")
    assert not peers.may_associate("", "192.0.2.7")


def test_no_host_accepts_any_address() -> None:
    assert _peers().may_associate("PACS", "198.51.100.1")


def test_a_peer_that_may_not_send_is_a_stranger() -> None:
    assert not _peers(may_send=False).may_associate("PACS", "127.0.0.1")


def test_a_name_that_does_not_resolve_matches_nobody() -> None:
    assert not _peers(host="no-such-host.invalid").may_associate("PACS", "127.0.0.1")


def test_the_first_fitting_peer_gives_the_name() -> None:
    peers = Peers(
        [
            PeerSection(name="one", ae_title="X", host="192.0.2.1"),
            PeerSection(name="two", ae_title="X", host="192.0.2.2"),
        ]
    )
    assert peers.name_of("X", "192.0.2.2") == "two"


def test_places_are_counted_in_all_and_for_each_address() -> None:
    admission = Admission(Limits(associations=3, per_address=2, waiting=9))
    for key, address in enumerate(["a", "a", "a", "b", "c"]):
        admission.opened(key, address, lambda: None)
    assert [admission.admit(key) for key in range(5)] == [True, True, False, True, False]
    admission.closed(0)
    assert admission.admit(2)
    assert admission.associations == 3 and admission.sockets == 4


def test_the_longest_waiting_stranger_goes_first() -> None:
    dropped: list[int] = []
    admission = Admission(Limits(associations=9, per_address=9, waiting=2))
    for key in range(4):
        admission.opened(key, "a", lambda key=key: dropped.append(key))  # type: ignore[misc]
        if key == 0:
            assert admission.admit(0)
    assert dropped == [1]


def test_no_context_offers_deflate_and_results_travel_uncompressed() -> None:
    contexts = presentation_contexts()
    assert all(not uid.is_deflated for cx in contexts for uid in cx.transfer_syntax)
    names = {str(cx.abstract_syntax) for cx in contexts}
    assert "1.2.840.10008.5.1.4.1.1.2" not in names, "no CT"
    assert len(names) == len(contexts) == 12
