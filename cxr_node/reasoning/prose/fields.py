"""Fields of structured reports: "Effusion: left, small", "Nodule = absent", "[x] present".

A value says of its finding what a verb would say, so the sign between them becomes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cxr_node.reasoning.prose.phrases import Unit
from cxr_node.reasoning.prose.report_words import Tag

_SIGNS = frozenset({":", "-", "–", "—", "="})
_YES = frozenset({"yes", "positive", "present", "true", "y", "new"})
_NO = frozenset({"0", "false", "n"})
_VALUES = frozenset({Tag.CHANGE, Tag.SIZE, Tag.SIDE, Tag.ZONE})
_LABELS = frozenset({Tag.GROUP, Tag.OR, Tag.AND, Tag.COMMA, Tag.WORD})


def with_fields(units: Sequence[Unit]) -> list[Unit]:
    """``units`` with boxes read, and with signs before a value as verbs."""
    read = _without_boxes(units)
    at = next((n for n, unit in enumerate(read) if unit.value in _SIGNS), None)
    if at is None or at + 1 == len(read):
        return read
    label, value = read[:at], read[at + 1]
    if not any(unit.term or unit.tag is Tag.LARGE for unit in label):
        groups = {unit.tag for unit in label}
        if Tag.OR in groups and groups <= _LABELS:  # tubes/lines: ...
            read[:at] = [replace(unit, tag=Tag.WORD, value="word") for unit in label]
        return read
    if label[0].tag is Tag.CHANGE and value.tag in (Tag.NOT, Tag.NOT_AFTER):
        return [*label, *read[at + 2 :]]  # change in effusion: none
    if value.value in _NO and at + 2 == len(read):
        read[at + 1] = replace(value, tag=Tag.NOT_AFTER, value="no")
    elif value.tag in _VALUES or value.value in _YES:
        read[at] = replace(read[at], tag=Tag.VERB, value="one")
    return read


def _without_boxes(units: Sequence[Unit]) -> list[Unit]:
    """Ticked boxes left out, and with an empty one what it stands before."""
    found: list[Unit] = []
    at = 0
    while at < len(units):
        here = [unit.value for unit in units[at : at + 3]]
        if here == ["[", "x", "]"] or here[:2] == ["[", "]"]:
            at += 3
        else:
            found.append(units[at])
            at += 1
    return found or list(units)
