"""A reasoning trace cut into the parts in which a radiologist dictates (arXiv 2510.23968).

The published traces are prose without headings: sentences are placed by the structure they
speak of first, and a sentence that names none stays with the one before it. No word is lost,
and nothing here is verified: a part says what the model wrote, not what is seen.
"""

from __future__ import annotations

import re

from cxr_node.domain.findings import FindingKind, TracePart, TraceSection
from cxr_node.reasoning.prose.terms import LEXICON, name_key
from cxr_node.reasoning.tags import read_tags

_S = TraceSection
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z(\"'-])|\s*\n+\s*")
_SUMMARY = re.compile(
    r"\A\W*(?:in (?:summary|conclusion)|to (?:sum|conclude)|overall|summary|impression|taken"
    r" together|putting)",
    re.IGNORECASE,
)
_LOBE = r"(?:lobe|lung|zone|field|base|apex|apical|lingula)"
_UPPER, _LOWER = r"(?:upper|apex|apical)", r"(?:middle|mid|lower|bas(?:e|al|ilar)|lingula)"


def _lobe(side: str, level: str) -> str:
    """Side and level in either order, near each other, before a word for the lung."""
    near = r"[^.;]{0,40}\b"
    either = rf"(?:{side}\b{near}{level}|{level}\b{near}{side})"
    return rf"\b(?=[^.;]{{0,80}}\b{_LOBE}){either}"


_LONGEST_NAME = max(map(len, LEXICON))

_PLACES: dict[TraceSection, re.Pattern[str]] = {
    section: re.compile(pattern, re.IGNORECASE)
    for section, pattern in {
        _S.DEVICES: (
            r"\b(?:tubes?|catheters?|lines?\b(?= (?:tip|is|are|in|with|end|plac))|picc|pacemakers?"
            r"|defibrillators?|leads?\b(?! to)|support devices?|devices?|hardware|instrumentation"
            r"|sternotomy|wires?|clips?|stents?|ports?\b|electrodes?|prosthe\w+|central lines?)"
        ),
        _S.QUALITY: (
            r"\b(?:image quality|quality|projection|p\.?a\.? view|a\.?p\.? view|(?:PA|AP) (?:chest"
            r"|radiograph|film|image)|portable|inspirat\w+|rotat(?:ed|ion)|exposure|penetration"
            r"|technique|technical\w*|positioning|field of view|motion)\b"
        ),
        _S.AIRWAYS: r"\b(?:trachea\w*|bronch(?:us|i)|carina\w*|(?:central )?airways?)\b",
        _S.RIGHT_UPPER: _lobe("right", _UPPER),
        _S.RIGHT_LOWER: _lobe("right", _LOWER),
        _S.LEFT_UPPER: _lobe("left", _UPPER),
        _S.LEFT_LOWER: _lobe("left", _LOWER),
        _S.PLEURA: r"\b(?:pleura\w*|effusions?|(?:hydro)?pneumothora\w+|costophrenic)\b",
        _S.MEDIASTINUM: r"\b(?:(?:cardio)?mediastin\w+|aort\w+)\b",
        _S.HILA: r"\b(?:hil(?:a|um|ar)|vascul\w+|pulmonary (?:vessels?|arter\w+|veins?))\b",
        _S.HEART: r"\b(?:heart|cardiac|cardiothoracic|cardiomegaly|ventric\w+)\b",
        _S.ABDOMEN: (
            r"\b(?:abdom\w+|(?:sub)?diaphragm\w*|hemidiaphragms?|free air|pneumoperitoneum|stomach"
            r"|gastric|bowel)\b"
        ),
        _S.BONES: (
            r"\b(?:bon(?:e|es|y)|osseous|skelet\w+|ribs?|clavicles?|spine|spinal|vertebra\w*"
            r"|shoulders?|fractures?|scapula\w*)\b"
        ),
    }.items()
}


def trace_parts(raw: str) -> tuple[TracePart, ...]:
    """The thoughts in a whole tagged answer, one part a section, in the order of dictation.

    Sections of which nothing is said are missing. Raises :class:`AnswerRefused` for
    incomplete tags.
    """
    return segment(read_tags(raw).thoughts)


def segment(thoughts: str) -> tuple[TracePart, ...]:
    """``thoughts`` cut into sections; each part names the findings it speaks of, denied or not."""
    sentences = [" ".join(s.split()) for s in _SENTENCE.split(thoughts) if s.strip()]
    parts: dict[TraceSection, list[str]] = {}
    for section, sentence in zip(_sections(sentences), sentences, strict=True):
        parts.setdefault(section, []).append(sentence)
    texts = {section: " ".join(parts[section]) for section in TraceSection if section in parts}
    return tuple(TracePart(section, text, _named_in(text)) for section, text in texts.items())


def _sections(sentences: list[str]) -> list[TraceSection]:
    """The section of each sentence; from the summary on, everything belongs to it."""
    found: list[TraceSection | None] = []
    for number, sentence in enumerate(sentences):
        closing = 2 * number >= len(sentences) and _SUMMARY.match(sentence)
        if closing:
            found += [_S.SUMMARY] * (len(sentences) - number)
            break
        place = _place(sentence)
        found.append(place or (found[-1] if found else None))
    first = next((section for section in found if section), _S.SUMMARY)
    return [section or first for section in found]


def _place(sentence: str) -> TraceSection | None:
    """The section whose structure is named first; a device or the image's quality anywhere."""
    starts = {
        section: match.start()
        for section, pattern in _PLACES.items()
        if (match := pattern.search(sentence))
    }
    for section in (_S.DEVICES, _S.QUALITY):
        if section in starts:
            return section
    return min(starts, key=starts.__getitem__, default=None)


def _named_in(text: str) -> tuple[FindingKind, ...]:
    """The findings whose names stand in ``text``, the longest name at each place."""
    words, at = name_key(text), 0
    named: set[FindingKind] = set()
    while at < len(words):
        lengths = range(min(_LONGEST_NAME, len(words) - at), 0, -1)
        length = next((n for n in lengths if words[at : at + n] in LEXICON), 0)
        if length:
            named.add(LEXICON[words[at : at + length]])
        at += length or 1
    return tuple(kind for kind in FindingKind if kind in named)
