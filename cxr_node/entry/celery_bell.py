"""The doorbell over a broker: the one place outside ``workers`` that knows Celery."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import OperationalError

from cxr_node.domain.events import Event, emit


class CeleryBell:
    """Rings by sending an argument-free task; the broker may be Redis or RabbitMQ."""

    def __init__(self, broker_url: str) -> None:
        self._celery = Celery("cxr-node-bell", broker=broker_url)
        self._celery.conf.update(
            task_ignore_result=True,
            broker_connection_timeout=2.0,
            broker_transport_options={"socket_connect_timeout": 2.0, "socket_timeout": 2.0},
        )

    def ring(self, queue: str) -> None:
        try:
            self._celery.send_task(f"cxr.{queue}", queue=queue, retry=False, expires=60)
        except (OperationalError, OSError):
            # The dispatcher rings again while work waits: a dead broker delays, never loses.
            emit(Event.BELL_FAILED, kind=queue)
