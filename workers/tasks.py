"""The tasks. Each drains what the database says is due, then returns."""

from __future__ import annotations

from workers.app import app
from workers.signals import stations


@app.task(name="cxr.read")  # type: ignore[untyped-decorator]
def read() -> None:
    """Triage and read jobs, highest priority first, until none is waiting."""
    stations().read()


@app.task(name="cxr.publish")  # type: ignore[untyped-decorator]
def publish() -> None:
    """Build and store the objects of finished readings."""
    stations().publish()


@app.task(name="cxr.deliver")  # type: ignore[untyped-decorator]
def deliver() -> None:
    """Send what the outbox holds."""
    stations().deliver()


@app.task(name="cxr.shadow")  # type: ignore[untyped-decorator]
def shadow() -> None:
    """Second readings, compared and never delivered; in a worker of its own."""
    stations().shadow()
