"""Cleaning of text before it enters an object.

Generated text may hold anything; what leaves the node is visible characters only, of a
bounded length, in the character set of the object it stands in.
"""

from __future__ import annotations

import unicodedata

from pydicom import Dataset

LINE_END = "\r\n"
ELLIPSIS = "..."
LONGEST_TEXT = 8_000
_PLAIN = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "–": "-",
        "—": "-",
        "…": "...",
        "≥": ">=",
        "≤": "<=",
        "×": "x",
        "\u00a0": " ",
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
        "ß": "ss",
    }
)
# Control, format (bidirectional overrides, zero widths), surrogate, private, unassigned.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_UNICODE_SETS = frozenset({"ISO_IR 192", "GB18030"})
_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_SINGLE_BYTE = {
    "ISO_IR 100": "iso8859_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "iso8859_11",
}


def clean_line(text: str, limit: int = LONGEST_TEXT) -> str:
    """One line of visible characters, runs of blanks joined, at most ``limit`` long."""
    return shorten(_visible(" ".join(text.split())), limit)


def clean_name(text: str, limit: int = 64) -> str:
    """A line for the VRs LO and SH, in which a backslash separates values (PS3.5 §6.2)."""
    return clean_line(text.replace("\\", "/"), limit)


def shorten(text: str, limit: int) -> str:
    """Cut to ``limit`` characters, marked by dots where it was cut."""
    if len(text) <= limit:
        return text
    return text[: max(0, limit - len(ELLIPSIS))].rstrip() + ELLIPSIS[:limit]


def in_repertoire(text: str, character_sets: tuple[str, ...]) -> str:
    """The nearest text that the Specific Character Set (0008,0005) can carry.

    Accents are dropped before a character is replaced by a question mark.
    """
    if not _UNICODE_SETS.isdisjoint(character_sets):
        return text
    codec = _codec(character_sets)
    return "".join(_carried(character, codec) for character in text)


def fit(report: Dataset, character_sets: tuple[str, ...]) -> None:
    """Bring every text of an object into the character set it will be written in."""
    if not _UNICODE_SETS.isdisjoint(character_sets):
        return
    for element in report.iterall():
        if element.VR in _TEXT_VRS and element.VM == 1:
            element.value = in_repertoire(str(element.value), character_sets)


def _codec(character_sets: tuple[str, ...]) -> str:
    """Code extensions (more than one set) are left to the patient's own values."""
    alone = character_sets[0] if len(character_sets) == 1 else ""
    return _SINGLE_BYTE.get(alone, "ascii")


def _carried(character: str, codec: str) -> str:
    for candidate in (character, character.translate(_PLAIN), _unaccented(character)):
        if candidate and _encodable(candidate, codec):
            return candidate
    return "?"


def _unaccented(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    return "".join(part for part in parts if not unicodedata.combining(part))


def _encodable(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _visible(text: str) -> str:
    whole = unicodedata.normalize("NFC", text)
    kept = (c for c in whole if unicodedata.category(c) not in _REFUSED)
    return " ".join("".join(kept).split())
