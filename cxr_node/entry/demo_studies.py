"""The studies the demo sends: generated ones, or the user's own files."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from cxr_node.domain.errors import ConfigurationError
from cxr_node.phantom.cases import demo_cases


@dataclass(frozen=True, slots=True)
class Shipment:
    """Files that are sent as one study. ``readable`` None means: that is for the node to say."""

    name: str
    study_uid: str
    files: tuple[Path, ...]
    readable: bool | None


def generated_shipments(folder: Path) -> list[Shipment]:
    """Phantoms with known findings, a CT and a malformed file, written below ``folder``."""
    shipments = []
    for number, case in enumerate(demo_cases(), 1):
        files = case.write(folder / f"{number:02d} {case.name}")
        shipments.append(Shipment(case.name, _study_uid(files[0]), files, case.readable))
    return shipments


def own_shipments(source: Path) -> list[Shipment]:
    """The user's files, grouped by study; a file without readable header stands alone.

    Raises :class:`ConfigurationError` when there is no file.
    """
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    if not files:
        raise ConfigurationError(f"{source}: no file there to send")
    studies: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        studies[_study_uid(path) or f"file:{path.name}"].append(path)
    return [
        Shipment(
            paths[0].name if len(paths) == 1 else f"{paths[0].name} +{len(paths) - 1}",
            "" if key.startswith("file:") else key,
            tuple(paths),
            None,
        )
        for key, paths in studies.items()
    ]


def _study_uid(path: Path) -> str:
    """Study Instance UID as far as the file can be read; empty if it cannot."""
    try:
        found = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        return str(found.get("StudyInstanceUID", "") or "")
    except (InvalidDicomError, OSError, ValueError, AttributeError, KeyError, NotImplementedError):
        return ""
