"""Names of persons: HL7 v2 XPN and DICOM PN, which order their parts differently.

XPN is family, given, further given, suffix, prefix; PN puts the prefix before the suffix.
PN joins the scripts with ``=``, XPN repeats the field and marks each in component 8
(table 4000: A alphabetic, I ideographic, P phonetic).
"""

from __future__ import annotations

from collections.abc import Sequence

SCRIPTS = ("A", "I", "P")
_PARTS = 5


def to_pn(repetitions: Sequence[Sequence[str]]) -> str:
    """A Person Name from the repetitions of an XPN field, each a list of its components."""
    groups = dict.fromkeys(SCRIPTS, "")
    for number, parts in enumerate(repetitions):
        script = parts[7] if len(parts) > 7 else ""
        place = script if script in groups else SCRIPTS[0] if number == 0 else ""
        if place and not groups[place]:
            groups[place] = _pn_group(parts)
    return "=".join(groups.values()).rstrip("=")


def _pn_group(parts: Sequence[str]) -> str:
    family, given, middle, suffix, prefix = ([*parts, *[""] * _PARTS])[:_PARTS]
    ordered = (family, given, middle, prefix, suffix)
    return "^".join(_plain(part) for part in ordered).rstrip("^")


def _plain(part: str) -> str:
    """PN has three delimiters of its own and no way to write them."""
    return "".join(" " if char in "^=\\" or not char.isprintable() else char for char in part)


def to_xpn(name: str) -> list[list[str]]:
    """The repetitions of an XPN field, each a list of eight components, from a Person Name."""
    groups = name.split("=")[: len(SCRIPTS)]
    several = sum(1 for group in groups if group) > 1
    found = []
    for script, group in zip(SCRIPTS, groups, strict=False):
        if not group:
            continue
        family, given, middle, prefix, suffix = ([*group.split("^"), *[""] * _PARTS])[:_PARTS]
        parts = [family, given, middle, suffix, prefix]
        found.append([*parts, "", "L", script] if several else parts)
    return found
