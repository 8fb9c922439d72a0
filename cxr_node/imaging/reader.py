"""Pixels for the services and the page: the one door to this package (domain port ImageReader)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cxr_node.config import ImagingSection
from cxr_node.domain.eligibility import Reason, pixel_reason
from cxr_node.domain.errors import NotConformant, NotReadable, Unreadable, WrongInstance
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PixelFacts
from cxr_node.domain.ports import ImagePolicy, PreparedImage
from cxr_node.imaging.decoder_process import CHILD, DecoderProcess, Reply

_BROKEN: dict[str, type[NotConformant]] = {WrongInstance.code: WrongInstance}


class PixelReader:
    """Inspects and prepares images in child processes, within the configured budget.

    Thread-safe. Inspection has a child of its own, so that it never waits for a decode.
    All methods raise :class:`NotReadable` with a reason, :class:`Unreadable` for a header
    that cannot be parsed and :class:`CxrNodeError` when no decoder can be started.
    """

    def __init__(self, config: ImagingSection, *, command: Sequence[str] = CHILD) -> None:
        self._config = config
        self._inspecting = DecoderProcess(config.memory_bytes, config.seconds, command=command)
        self._decoding = DecoderProcess(config.memory_bytes, config.seconds, command=command)

    @property
    def decoder_pid(self) -> int | None:
        """Process id of the decoder, for the operator and the tests; None before the first."""
        return self._decoding.pid

    def inspect(self, path: Path, pixels: PixelFacts) -> None:
        """Compare the header's claims with the stored bytes and the codestream's header."""
        if not pixels.has_pixels:
            raise NotReadable(Reason.NO_PIXELS)
        reason = pixel_reason(pixels)
        if reason:
            raise NotReadable(reason)
        self._ask(self._inspecting, "inspect", path)

    def prepare(self, path: Path, instance: Uid, policy: ImagePolicy) -> PreparedImage:
        """Decode, render and resize ``path``, which must hold ``instance``.

        Raises :class:`WrongInstance` when it holds another: better no picture than the
        picture of another patient.
        """
        facts, gray = self._ask(
            self._decoding,
            "prepare",
            path,
            instance=instance.text,
            size=policy.size.value,
            side=policy.side,
            policy_pixels=policy.max_pixels,
            multiple=policy.multiple,
        )
        notes = tuple(facts.pop("notes"))
        return PreparedImage(sop_instance_uid=instance, gray=gray, notes=notes, **facts)

    def render_png(self, path: Path, instance: Uid, max_side: int) -> bytes:
        """The picture as a person should see it, no side above ``max_side``, as PNG."""
        _, png = self._ask(self._decoding, "png", path, instance=instance.text, max_side=max_side)
        return png

    def close(self) -> None:
        """End the child processes."""
        self._inspecting.close()
        self._decoding.close()

    def _ask(self, child: DecoderProcess, verb: str, path: Path, **more: Any) -> Reply:
        facts, payload = child.ask(
            {
                "verb": verb,
                "path": str(path.absolute()),
                "max_pixels": self._config.max_pixels,
                "memory_bytes": self._config.memory_bytes,
                "seconds": self._config.seconds,
                **more,
            }
        )
        if "refused" in facts:
            raise NotReadable(Reason(facts["refused"]), facts["detail"])
        if "broken" in facts:
            raise _BROKEN.get(facts["broken"], Unreadable)(facts["detail"])
        return facts, payload
