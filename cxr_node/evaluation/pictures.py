"""A drawn picture as a model is given it, without the way through a file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import DigitalXRayImageStorageForPresentation

from cxr_node.domain.findings import ImageReference
from cxr_node.domain.identifiers import Uid, result_uid
from cxr_node.domain.ports import ImagePolicy, PreparedImage
from cxr_node.imaging.prepare import fit_picture


def prepared(
    image: NDArray[np.float32], name: tuple[str | int, ...], policy: ImagePolicy
) -> PreparedImage:
    """``image``, 0 to 1 and bones bright, at the model's size; ``name`` makes its UID."""
    rows, columns = image.shape
    where, picture = fit_picture((image * 255 + 0.5).astype(np.uint8), policy)
    return PreparedImage(
        sop_instance_uid=result_uid("evaluation", *name),
        width=where.width,
        height=where.height,
        gray=picture.tobytes(),
        left=where.left,
        top=where.top,
        content_width=where.content_width,
        content_height=where.content_height,
        original_columns=columns,
        original_rows=rows,
    )


def reference(image: PreparedImage, view: str) -> ImageReference:
    """What a study would say of the picture."""
    return ImageReference(
        image.sop_instance_uid,
        Uid(DigitalXRayImageStorageForPresentation),
        result_uid("evaluation", "series", image.sop_instance_uid.text),
        image.original_rows,
        image.original_columns,
        view,
    )
