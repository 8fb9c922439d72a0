"""The Celery application: ``celery -A workers.app worker -Q read -P solo``.

The broker is only a bell (see ``cxr_node.services``): messages carry no arguments, results
are ignored, and a message that is lost or doubled costs one query.
"""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

from cxr_node.config import Configuration, load

_QUEUES = ("read", "publish", "deliver", "shadow")
CONFIG_VARIABLE = "CXR_NODE_CONFIG"


def configuration() -> Configuration:
    """The node's configuration, from the file that ``CXR_NODE_CONFIG`` names."""
    return load(Path(os.environ.get(CONFIG_VARIABLE, "cxr-node.toml")))


app = Celery(
    "cxr-node",
    broker=configuration().broker_url,
    include=["workers.tasks", "workers.signals"],
)
app.conf.update(
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    broker_heartbeat=10,
    task_acks_late=True,
    task_acks_on_failure_or_timeout=True,
    task_create_missing_queues=True,
    task_default_queue="read",
    task_ignore_result=True,
    task_reject_on_worker_lost=False,
    task_routes={f"cxr.{queue}": {"queue": queue} for queue in _QUEUES},
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
)
