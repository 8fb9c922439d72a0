"""The canary's phantom: drawn once, kept as a file, and the same file ever after."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from cxr_node.dicom.headers import read_facts
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import ImageReference
from cxr_node.domain.instance import View
from cxr_node.services.canary import CanaryPicture
from cxr_node.spool.files import sha256_of

SIZE = 1024
_SHOWN = 16


def canary_picture(folder: Path, seed: int) -> CanaryPicture:
    """The file of the phantom ``seed`` in ``folder``; drawn if it is not there (needs torch).

    Its name holds its digest: raises :class:`ConfigurationError` for a file that is not what
    was drawn, and where nothing can be drawn.
    """
    path = next(iter(sorted(folder.glob(f"phantom-2-{seed}-*.dcm"))), None) or _draw(folder, seed)
    if not path.stem.endswith(sha256_of(path)[:_SHOWN]):
        raise ConfigurationError(
            f"{path} is not what was drawn: find out who changed it, then remove it and "
            "another is drawn"
        )
    facts = read_facts(path)
    sides = facts.pixels.rows or 0, facts.pixels.columns or 0
    view = facts.view.value
    uids = facts.sop_instance_uid, facts.sop_class_uid, facts.series_uid
    return CanaryPicture(path, ImageReference(*uids, *sides, view))


def _draw(folder: Path, seed: int) -> Path:
    if find_spec("torch") is None:
        raise ConfigurationError(
            "the canary's phantom is drawn with torch: install cxr-node[model] on one reading "
            "worker, or switch the canary off (canary.every_hours = 0)"
        )
    from cxr_node.phantom.batched.case import make_case
    from cxr_node.phantom.batched.dicom import dataset_of
    from cxr_node.phantom.batched.make import make_radiograph

    drawn = dataset_of(make_radiograph(make_case(seed, view=View.PA), SIZE))
    written = BytesIO()
    drawn.save_as(written, enforce_file_format=True)
    data = written.getvalue()
    digest = hashlib.sha256(data).hexdigest()[:_SHOWN]
    path = folder / f"phantom-2-{seed}-{digest}.dcm"
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error
    return path
