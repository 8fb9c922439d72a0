"""Text inside HL7 v2 messages: delimiters, line ends and character sets, both ways (v2.5 §2.7).

The library that splits messages writes escapes it does not know into the log, text and all;
so escapes are read and written here.
"""

from __future__ import annotations

import re

from cxr_node.domain.errors import NotConformant

CODECS = {
    "": "ascii",
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "ISO IR14": "iso2022_jp_ext",
    "ISO IR87": "iso2022_jp_ext",
    "ISO IR159": "iso2022_jp_ext",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
}
"""Python's codec for each value of MSH-18 (table 0211). Of several the richest counts: the
ISO 2022 sets name their base first."""

_DELIMITERS = {"|": "F", "^": "S", "&": "T", "~": "R", "\\": "E"}
_OUT = str.maketrans({char: f"\\{name}\\" for char, name in _DELIMITERS.items()})
_LINE_END = re.compile(r"\r\n|[\r\n\v\f\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ESCAPE = re.compile(r"\\([^\\]{0,64})\\")
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)\Z")


def escaped(text: str) -> str:
    """Text as it may stand in a field: no delimiter, no control character, lines as ``\\.br\\``.

    Lone surrogates and control characters other than line ends are left out: they could end
    the message.
    """
    lines = (_CONTROL.sub("", line).translate(_OUT) for line in _LINE_END.split(text))
    return "\\.br\\".join(lines)


def unescaped(text: str, codec: str = "ascii") -> str:
    """What :func:`escaped` was given. Formatting that means nothing here is left out."""
    return _ESCAPE.sub(lambda found: _meaning(found[1], codec), text)


def _meaning(escape: str, codec: str) -> str:
    for char, name in _DELIMITERS.items():
        if escape == name:
            return char
    if escape.startswith((".br", ".sp")):
        return "\n"
    if found := _HEX.match(escape):
        return bytes.fromhex(found[1]).decode(codec, "replace")
    return ""


def decoded(data: bytes) -> tuple[str, str]:
    """The message as text, and the codec. Raises :class:`NotConformant` without guessing.

    MSH-18 is ASCII in every character set and read before the rest.
    """
    codec = _codec(_declared(data))
    try:
        return data.decode(codec), codec
    except UnicodeDecodeError as error:
        raise NotConformant("the bytes are not in the character set of MSH-18") from error


def encoded(text: str, character_set: str) -> bytes:
    """The bytes of a message; a character that the set does not have becomes a question mark."""
    return text.encode(CODECS[character_set], "replace")


def _declared(data: bytes) -> list[str]:
    first = data.split(b"\r", 1)[0].decode("latin-1")
    if len(first) < 8 or not first.startswith("MSH"):
        raise NotConformant("the message does not begin with MSH")
    fields = first.split(first[3])
    value = fields[17] if len(fields) > 17 else ""
    return [part.strip() for part in value.split(first[5])]


def _codec(declared: list[str]) -> str:
    unknown = [name for name in declared if name not in CODECS]
    if unknown:
        raise NotConformant("MSH-18 names a character set that is not known")
    return CODECS[declared[-1]]
