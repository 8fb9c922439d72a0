"""What the listener negotiates: SOP classes and, in order of preference, transfer syntaxes.

Everything offered here can be decoded with the required libraries. Deflated is never
offered, because the library inflates it without a bound.
"""

from __future__ import annotations

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    KeyObjectSelectionDocumentStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom.presentation import PresentationContext, build_context

VERIFICATION = UID("1.2.840.10008.1.1")
WORKLIST_FIND = UID("1.2.840.10008.5.1.4.31")

NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)

IMAGE_SYNTAXES = (
    *NATIVE,
    JPEGLSLossless,
    RLELossless,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEGLSNearLossless,
    JPEGExtended12Bit,
    JPEGBaseline8Bit,
    JPEG2000,
    HTJ2K,
    ExplicitVRBigEndian,
)
"""Cheap to decode before costly, lossless before lossy; the acceptor's order decides."""

IMAGE_CLASSES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

RESULT_CLASSES = (
    ComprehensiveSRStorage,
    Comprehensive3DSRStorage,
    KeyObjectSelectionDocumentStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SegmentationStorage,
    EncapsulatedPDFStorage,
)
"""Accepted so that this node's own results, sent back by a PACS, are kept for the record."""


def presentation_contexts() -> list[PresentationContext]:
    """The acceptor's contexts: anything else gets result 3, other syntaxes result 4."""
    found = [build_context(uid, list(IMAGE_SYNTAXES)) for uid in IMAGE_CLASSES]
    others = (*RESULT_CLASSES, VERIFICATION, WORKLIST_FIND)
    found += [build_context(uid, list(NATIVE)) for uid in others]
    return found
