"""Decodes the pixels of one file with the decoder that suits its transfer syntax.

Runs in the child process only: codecs are C code fed with a stranger's bytes. The first
decoder of each list was the fastest of those that gave bit-equal arrays; the next is
tried when it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom import uid
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import NotReadable
from cxr_node.domain.instance import PixelFacts
from cxr_node.imaging.stored import StoredPixels

StoredValues = npt.NDArray[np.integer]

NATIVE = "native"
_DECODERS: dict[str, tuple[str, ...]] = {
    uid.JPEGBaseline8Bit: ("gdcm", "pillow"),
    uid.JPEGExtended12Bit: ("gdcm", "pillow"),
    uid.JPEGLossless: ("gdcm",),
    uid.JPEGLosslessSV1: ("gdcm",),
    uid.JPEGLSLossless: ("pyjpegls", "gdcm"),
    uid.JPEGLSNearLossless: ("pyjpegls", "gdcm"),
    uid.JPEG2000Lossless: ("gdcm", "pylibjpeg"),
    uid.JPEG2000: ("gdcm", "pylibjpeg"),
    uid.HTJ2KLossless: ("pylibjpeg",),
    uid.HTJ2KLosslessRPCL: ("pylibjpeg",),
    uid.HTJ2K: ("pylibjpeg",),
    uid.RLELossless: ("pylibjpeg", "pydicom"),
}
_NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Stored values, rows x columns (x 3 as RGB), and the decoder that gave them."""

    values: StoredValues
    decoder: str


def decode(path: Path, stored: StoredPixels, claims: PixelFacts) -> Decoded:
    """Decode the one frame of ``path``, which has passed the budget.

    Raises :class:`NotReadable` (decode) when no decoder gives an image of the size claimed.
    """
    dataset = pydicom.dcmread(path, force=True)
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = stored.syntax
    failures = []
    for name in _candidates(stored):
        plugin = "" if name == NATIVE else name
        try:
            values, _ = get_decoder(stored.syntax).as_array(
                dataset, index=0, decoding_plugin=plugin
            )
        except (ValueError, RuntimeError, AttributeError, TypeError, NotImplementedError) as error:
            failures.append(f"{name}: {type(error).__name__}")
            continue
        if values.shape[:2] == (claims.rows, claims.columns) and values.dtype.kind in "iu":
            return Decoded(values, name)
        failures.append(f"{name}: another shape")
    raise NotReadable(Reason.DECODE, "; ".join(failures))


def _candidates(stored: StoredPixels) -> tuple[str, ...]:
    if stored.syntax in _NATIVE and not stored.encapsulated:
        return (NATIVE,)
    if stored.syntax in _DECODERS and stored.encapsulated:
        return _DECODERS[stored.syntax]
    raise NotReadable(Reason.DECODE, "no decoder for this transfer syntax")
