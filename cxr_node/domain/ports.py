"""What the services need of the outside, as protocols; adapters and fakes both fulfil them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import ModelIdentity
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PixelFacts


class Clock(Protocol):
    """Aware UTC for records, a monotonic count of seconds for durations."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class FakeClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, delta_seconds: float) -> None:
        """Move both hands forward."""
        from datetime import timedelta

        self._elapsed += delta_seconds
        self._now += timedelta(seconds=delta_seconds)


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """Bytes that are durable: a Part 10 file, its SHA-256 (hex) and its size in bytes."""

    path: Path
    sha256: str
    size: int


class Spool(Protocol):
    """Bytes on disk. Raises :class:`SpoolFull` above the watermark."""

    def check_room(self) -> None: ...

    def file(self, partial: Path, instance: Uid, sha256: str) -> SpooledFile:
        """Make ``partial`` durable under the name computed from instance and digest."""

    def write(self, name: Uid, data: bytes) -> SpooledFile:
        """Make ``data`` durable, for objects the node itself builds."""

    def quarantine(self, partial: Path, reason: str) -> Path: ...

    def partial_folder(self) -> Path:
        """Where unfinished files go: same file system as the spool."""


class SizePolicy(StrEnum):
    """How an image becomes the model's size."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"
    FIT = "fit"


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """The picture a model profile wants.

    STRETCH and LETTERBOX give ``side`` × ``side`` pixels (letterbox keeps the aspect and
    pads with black); FIT keeps the aspect, stays under ``max_pixels`` and rounds both
    sides to ``multiple``.
    """

    size: SizePolicy
    side: int = 0
    max_pixels: int = 0
    multiple: int = 28


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A rendered 8-bit grey picture, bones bright, and the way back to the original.

    ``gray`` holds ``height`` × ``width`` bytes, row by row. The content (without padding)
    lies at ``left``, ``top`` and measures ``content_width`` × ``content_height``.
    """

    sop_instance_uid: Uid
    width: int
    height: int
    gray: bytes
    left: int
    top: int
    content_width: int
    content_height: int
    original_columns: int
    original_rows: int
    decoder: str = ""
    notes: tuple[str, ...] = ()

    def to_original(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of this picture (pixels) to original pixels, clipped to the image."""
        column = (x - self.left) * self.original_columns / self.content_width
        row = (y - self.top) * self.original_rows / self.content_height
        return (
            min(max(column, 0.0), float(self.original_columns)),
            min(max(row, 0.0), float(self.original_rows)),
        )

    def from_original(self, column: float, row: float) -> tuple[float, float]:
        """Map original pixels to a point of this picture (pixels)."""
        return (
            self.left + column * self.content_width / self.original_columns,
            self.top + row * self.content_height / self.original_rows,
        )


class ImageReader(Protocol):
    """Pixels. Both methods raise :class:`NotReadable` with a reason code."""

    def inspect(self, path: Path, pixels: PixelFacts) -> None:
        """Cheap: compare header claims with the stored bytes and the codestream's own header."""

    def prepare(self, path: Path, instance: Uid, policy: ImagePolicy) -> PreparedImage:
        """Decode within the budget, in a child process, and render for the model."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question put to a model.

    ``options`` are the only answers of a closed question: they are scored, nothing is
    generated. Without them up to ``max_new_tokens`` tokens are generated, ended by the
    model, or before one of the texts in ``stop``. ``lead`` is the beginning of the answer,
    given by the node (an opening tag, say). An empty ``prompt`` goes on with the question
    that is open, its answer so far replaced by ``lead``.
    """

    prompt: str
    options: tuple[str, ...] = ()
    max_new_tokens: int = 0
    lead: str = ""
    stop: tuple[str, ...] = ()
    ahead: tuple[Foreseen, ...] = ()
    """Closed questions that will follow if the answers fall as expected: a hint. A model may
    score them in the same pass; its replies are those it would give without the hint."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A closed question that may follow, and the answer expected to be settled before it."""

    answer: str | None
    """None where one answer is as likely as another; then only ``heard`` leads further."""
    ask: Ask
    heard: Callable[[Scores], str] | None = None
    """What would be settled before it, if the question before it were scored so. A model that
    has scored that question already, behind other answers, expects this rather than ``answer``."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated answer, without lead and stop; ``truncated`` when the token limit ended it."""

    text: str
    truncated: bool


Scores = tuple[float, ...]
"""Log-probability of each option as the rest of the answer, in the order given."""

Reply = Scores | Generated | AnswerRefused
"""What came of one :class:`Ask`. A refusal is a value: one bad answer must not end a batch."""


class Conversation(Protocol):
    """One study before one model: the pictures are read once, the context only grows.

    A question is put with :meth:`VisionModel.answer`; exactly one ``settle`` follows with
    the answer that later questions shall see.
    """

    @property
    def context(self) -> str:
        """Everything the model has been given so far, as text (images as placeholders)."""

    def settle(self, answer: str) -> None: ...


@runtime_checkable
class ResumableConversation(Conversation, Protocol):
    """A conversation that can be filled with what was said before, without asking again."""

    def resume(self, turns: Sequence[tuple[str, str]]) -> None:
        """Take prompts with their settled answers as said; only before the first question."""


class VisionModel(Protocol):
    """A model that looks at radiographs."""

    @property
    def identity(self) -> ModelIdentity: ...

    @property
    def image_policy(self) -> ImagePolicy: ...

    def begin(self, images: Sequence[PreparedImage]) -> AbstractContextManager[Conversation]:
        """Open a study; the pictures in the order in which they shall be shown."""

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        """One question each of several open studies, together where the model can.

        A study's replies do not depend on its company. Raises what stops the model itself.
        """


class Doorbell(Protocol):
    """Tells workers that there is work; names no study, may be lost or doubled."""

    def ring(self, queue: str) -> None:
        """``queue`` is "read", "publish", "deliver" or "shadow"."""


class ObjectSender(Protocol):
    """Sends one DICOM file to one destination.

    Returns normally only when the destination said 0x0000 (or a warning of PS3.4 B.2.3,
    returned as status). Raises :class:`Undeliverable` otherwise.
    """

    def send(self, destination: str, path: Path) -> int: ...


Progress = Callable[[], None]
"""Called by long work whenever it has really moved on; a lease beat watches it."""
