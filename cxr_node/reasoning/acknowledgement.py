"""A person of the site has read a model's licence and accepts it; without that it does not start.

The note lies in the model's folder and holds for exactly one licence text and one model, so
neither can be exchanged under it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cxr_node.domain.errors import ModelRefused
from cxr_node.reasoning.profiles import ACKNOWLEDGEMENT, Family, Manifest, identity

_CURE = "add the model again with `cxr-node model add`"


class Acknowledgement(BaseModel):
    """Who accepted which licence for which model, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str = Field(min_length=1)
    at: datetime
    terms: str
    """What was shown, word for word, beside the licence files that came with the weights."""
    licence_sha256: str
    """Digest of the manifest's licence and of ``terms`` (UTF-8), hex."""
    model_digest: str
    """Digest of the model; covers the licence files that came with the weights."""


def acknowledge(
    folder: Path, manifest: Manifest, *, person: str, at: datetime, terms: str
) -> Acknowledgement:
    """Write down that ``person`` accepts ``terms`` for the sealed model in ``folder``."""
    made = Acknowledgement(
        person=person,
        at=at,
        terms=terms,
        licence_sha256=_licence_digest(manifest, terms),
        model_digest=identity(manifest).digest,
    )
    (folder / ACKNOWLEDGEMENT).write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return made


def acknowledgement(folder: Path, manifest: Manifest) -> Acknowledgement | None:
    """The note in ``folder``; None for a model of the project itself, which needs none.

    Raises :class:`ModelRefused` when a needed note is missing, unreadable, or was written
    for another licence text or another model.
    """
    if manifest.family is Family.EMBEDDED:
        return None
    path = folder / ACKNOWLEDGEMENT
    try:
        found = Acknowledgement.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelRefused(
            f"{path}: nobody of this site has acknowledged the licence of {manifest.name}; {_CURE}"
        ) from error
    except ValidationError as error:
        raise ModelRefused(f"{path}: is not an acknowledgement; {_CURE}") from error
    if found.licence_sha256 != _licence_digest(manifest, found.terms):
        raise ModelRefused(f"{path}: was given for another licence text; {_CURE}")
    if found.model_digest != identity(manifest).digest:
        raise ModelRefused(f"{path}: was given for another model; {_CURE}")
    return found


def _licence_digest(manifest: Manifest, terms: str) -> str:
    return hashlib.sha256(f"{manifest.licence}\n{terms}".encode()).hexdigest()
