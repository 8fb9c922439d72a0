"""Builds both sides of storage commitment from the configuration."""

from __future__ import annotations

from cxr_node.config import Configuration
from cxr_node.dicom.commitment_scp import CommitmentService
from cxr_node.dicom.commitment_scu import CommitmentCaller
from cxr_node.domain.ports import Clock
from cxr_node.services.commitment import Commitment
from cxr_node.services.confirmation import Confirmation
from cxr_node.store.database import Database


def caller(config: Configuration) -> CommitmentCaller:
    """Calls every peer that has an address."""
    return CommitmentCaller(
        own_ae=config.node.ae_title,
        destinations=tuple(peer for peer in config.peer if peer.host and peer.port),
        timeout_seconds=config.delivery.timeout_seconds,
        max_pdu=config.listener.max_pdu_bytes,
        tls=config.tls,
    )


def confirmation(config: Configuration, db: Database, clock: Clock) -> Confirmation:
    """Asks the destinations that are configured so."""
    return Confirmation(
        db=db,
        clock=clock,
        asker=caller(config),
        asked=[peer.name for peer in config.destinations if peer.storage_commitment],
        limits=config.delivery,
    )


def commitment(config: Configuration, db: Database, clock: Clock) -> Commitment:
    """Answers the peers that may send and have an address."""
    return Commitment(
        db=db,
        clock=clock,
        teller=caller(config),
        reachable=[peer.name for peer in config.peer if peer.may_send and peer.host and peer.port],
        limits=config.delivery,
    )


def service(commitment: Commitment, confirmation: Confirmation) -> CommitmentService:
    """What the listener hands requests and reports to."""
    return CommitmentService(commitment.request, confirmation.answered)
