"""A doorbell that only remembers: for tests, and for a node whose workers poll."""

from __future__ import annotations


class MemoryDoorbell:
    """:class:`cxr_node.domain.ports.Doorbell` that keeps a list of what was rung."""

    def __init__(self) -> None:
        self.rings: list[str] = []

    def ring(self, queue: str) -> None:
        self.rings.append(queue)
