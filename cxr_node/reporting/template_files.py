"""What all template files share: frozen tables that refuse unknown and missing keys."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

QUALITIES = ("adequate", "limited", "inadequate")


class Entry(BaseModel):
    """A frozen table of a template file; refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def complete(table: str, found: set[str], wanted: set[str]) -> None:
    """Raise ``ValueError`` unless the keys of ``table`` are exactly those wanted."""
    missing, unknown = sorted(wanted - found), sorted(found - wanted)
    if missing:
        raise ValueError(f"{table}: no entry for {', '.join(missing)}")
    if unknown:
        raise ValueError(f"{table}: unknown entry {', '.join(unknown)}")


def values(kind: type[StrEnum]) -> set[str]:
    """The values of an enumeration, as they are written in a file."""
    return {member.value for member in kind}
