"""Who uses the pages and the API, and what each of them may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a user may do; a role does not contain another."""

    VIEWER = "viewer"
    """Looks at worklist, studies and the state of the node."""
    READER = "reader"
    """Looks, and says what is right: corrections, verdicts, whatever is done with a study."""
    OPERATOR = "operator"
    """Looks, and runs the node: suspends and resumes its parts."""
    ARCHIVE = "archive"
    """Looks, and sends images over HTTP: a PACS or its plugin."""


class SignIn(StrEnum):
    """How somebody proved to be who they say."""

    TOKEN = "token"  # noqa: S105 - the way, not a secret
    SESSION = "session"
    PROXY = "proxy"
    THIS_MACHINE = "this-machine"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was let in. ``name`` is configured, or given by a trusted proxy."""

    name: str
    roles: frozenset[Role]
    by: SignIn
