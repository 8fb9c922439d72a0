"""Joins the page's STOW-RS to the node's intake."""

from __future__ import annotations

from cxr_node.entry.wiring import Node
from cxr_node.web.stow import Storing


def storing_of(node: Node) -> Storing:
    """What comes over HTTP goes the way of a C-STORE, within the listener's limit of size."""
    return Storing(
        receive=node.intake.receive,
        check_room=node.check_room,
        folder=node.spool.partial_folder,
        max_bytes=node.config.listener.max_message_bytes,
    )
