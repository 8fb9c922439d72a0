"""Decides before decoding whether an image may be decoded, from header and codestream.

The decoder allocates what the codestream says, not what the header says; both must agree
and stay under the limits. Nothing here reads or decodes pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, RLELossless

from cxr_node.domain.eligibility import Reason, pixel_reason
from cxr_node.domain.errors import NotReadable
from cxr_node.domain.instance import PixelFacts
from cxr_node.imaging.codestream import Coding, check_rle, read_codestream
from cxr_node.imaging.stored import StoredPixels

_BYTES_PER_SAMPLE = 8
"""Peak of a decode: 32-bit samples inside the codec, its output, one copy of ours."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one image may cost: pixels, bytes of memory, seconds of wall clock and CPU."""

    max_pixels: int
    memory_bytes: int
    seconds: float


def check_budget(stored: StoredPixels, budget: Budget) -> PixelFacts:
    """Return the header's pixel claims when they hold and are affordable.

    Raises :class:`NotReadable` with frames, dimensions, pixel-description, rescale,
    pixel-data-short, codestream-mismatch, too-large or decode.
    """
    claims = pixel_claims(stored.header)
    reason = pixel_reason(claims)
    if reason:
        raise NotReadable(reason)
    rows, columns = claims.rows or 0, claims.columns or 0
    if stored.encapsulated:
        _check_codestream(stored, claims)
    elif stored.length < _frame_bytes(claims):
        raise NotReadable(Reason.PIXEL_DATA_SHORT, "fewer bytes than Rows x Columns")
    if rows * columns > budget.max_pixels:
        raise NotReadable(Reason.TOO_LARGE, "more pixels than allowed")
    if rows * columns * claims.samples * _BYTES_PER_SAMPLE > budget.memory_bytes:
        raise NotReadable(Reason.TOO_LARGE, "more memory than allowed")
    return claims


def _frame_bytes(claims: PixelFacts) -> int:
    samples = claims.samples
    if claims.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        samples = 2  # PS3.3 C.7.6.3.1.2: two luminance and two chrominance bytes for two pixels
    bits = claims.bits_allocated or 0
    return (claims.rows or 0) * (claims.columns or 0) * samples * bits // 8


def _check_codestream(stored: StoredPixels, claims: PixelFacts) -> None:
    allocated = claims.bits_allocated or 0
    if stored.syntax == RLELossless:
        segments = claims.samples * allocated // 8
        frame_bytes = _frame_bytes(claims)
        check_rle(stored.head, stored.length, frame_bytes=frame_bytes, segments=segments)
        return
    found = read_codestream(stored.head)
    if found.coding is not _coding(stored):
        raise NotReadable(Reason.DECODE, "coded otherwise than the transfer syntax says")
    if (found.rows, found.columns) != (claims.rows, claims.columns):
        raise NotReadable(Reason.CODESTREAM_MISMATCH, "Rows or Columns")
    if found.components != claims.samples or not 2 <= found.bits <= allocated:
        raise NotReadable(Reason.CODESTREAM_MISMATCH, "samples or bits")


def _coding(stored: StoredPixels) -> Coding:
    if stored.syntax in JPEG2000TransferSyntaxes:
        return Coding.JPEG_2000
    return Coding.JPEG_LS if stored.syntax in JPEGLSTransferSyntaxes else Coding.JPEG


def pixel_claims(header: Dataset) -> PixelFacts:
    """The Image Pixel module's claims (PS3.3 C.7.6.3); None for what is not usable."""
    frames = header.get("NumberOfFrames")
    samples = _short(header, "SamplesPerPixel")
    return PixelFacts(
        rows=_short(header, "Rows"),
        columns=_short(header, "Columns"),
        frames=1 if frames is None else _whole(frames),
        samples=1 if samples is None else samples,
        photometric=str(header.get("PhotometricInterpretation", "")),
        bits_allocated=_short(header, "BitsAllocated"),
        bits_stored=_short(header, "BitsStored"),
        high_bit=_short(header, "HighBit"),
        pixel_representation=_short(header, "PixelRepresentation"),
        rescale_ok=_rescale_usable(header),
        has_pixels=True,
    )


def _short(header: Dataset, keyword: str) -> int | None:
    """One unsigned short; None for another VR, several values or none."""
    if keyword not in header or header[keyword].VR != "US":
        return None
    value = header[keyword].value
    return value if isinstance(value, int) else None


def _whole(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0


def _rescale_usable(header: Dataset) -> bool:
    """Slope and intercept are numbers that keep 16-bit values finite and apart."""
    try:
        slope = _number(header, "RescaleSlope", 1.0)
        intercept = _number(header, "RescaleIntercept", 0.0)
    except (ValueError, OverflowError):
        return False
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        return False
    return abs(slope) < 1e12 and abs(intercept) < 1e12


def _number(header: Dataset, keyword: str, absent: float) -> float:
    value = header.get(keyword)
    return absent if value is None else float(str(value))
