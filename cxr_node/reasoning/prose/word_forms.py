"""One form for the spellings and endings of an English word, so that lists need hold it once.

Forms are only compared with forms, never shown: "visualise" and "rise" may both get a z.
"""

from __future__ import annotations

import re

_IRREGULAR = {
    "pneumothoraces": "pneumothorax",
    "haemothoraces": "hemothorax",
    "atelectases": "atelectasis",
    "metastases": "metastasis",
    "masses": "mass",
    "apices": "apex",
    "apexes": "apex",
    "sulci": "sulcus",
    "diagnoses": "diagnosis",
    "hila": "hilum",
    "foci": "focus",
    "calibre": "caliber",
    "fibre": "fiber",
    "grey": "gray",
}
_SPELLINGS = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"^(?:o|)e(?=dem|soph|tiol)", "e"),  # oedema
        (r"a(?=em(?!ber)|esthe)", ""),  # haemothorax
        (r"(?<=tum|col|vap|vig)our", "or"),
        (r"(?<=[a-z]{3})is(?=e$|ed$|er$|ing$|ation$)", "iz"),
        (r"(?<=cent)re(?=$|d$)", "er"),
        (r"(?<=nnel)l(?=ed|ing)", ""),
    )
)
_ENDING = re.compile(r"(?<=[a-z]{3})(?:ings?|ed|ly|es|s|e)$")
_TWICE = re.compile(r"([bdgklmnprt])\1$")


def singular(word: str) -> str:
    """A lower-case English word in American spelling without its plural ending."""
    for pattern, plain in _SPELLINGS:
        word = pattern.sub(plain, word)
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith("sses"):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def stem(word: str) -> str:
    """What the inflections of a word share: show, shows, showed and showing."""
    return _TWICE.sub(r"\1", _ENDING.sub("", word))
