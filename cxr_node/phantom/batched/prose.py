"""The report of a phantom in prose of varied wording: what is there, and some of what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cxr_node.domain.findings import FindingKind, Laterality, Presence, Severity, Zone
from cxr_node.phantom.batched import wording
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.streams import Purpose, stream
from cxr_node.phantom.batched.tip_wording import tips
from cxr_node.phantom.batched.truth import Facts, SignTruth

_ZONES = {Zone.UPPER: "upper", Zone.MIDDLE: "middle", Zone.LOWER: "lower"}


def capital(words: str) -> str:
    """With a capital letter in front."""
    return words[:1].upper() + words[1:]


def _one(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def sentence(found: SignTruth, facts: Facts, rng: np.random.Generator) -> str:
    """One finding as a sentence of its own."""
    forms = wording.PRESENT[found.sign]
    unsure = facts.presence[FindingKind.PNEUMONIA] is Presence.UNCERTAIN
    if found.sign is Sign.CONSOLIDATION and unsure:
        forms = wording.UNCERTAIN_PNEUMONIA
    severity = found.severity or Severity.MODERATE
    filled = _one(rng, forms).format(
        size=wording.SIZES[severity],
        grade=wording.GRADES[severity],
        side=f"{found.side.value} " if found.side else "",
        zone=_place(found),
        lesion=_lesion(found),
        tip=_one(rng, tips(found.sign, found.position)) if found.position else "",
    )
    return _grammatical(filled, found)


def _grammatical(words: str, found: SignTruth) -> str:
    """Two-sided and several things are plural and have no article."""
    if found.side is Laterality.BILATERAL or found.detail == "several":
        for singular, plural in _PLURALS:
            words = words.replace(singular, plural)
        for article in ("There is a ", "There is an "):
            words = words.replace(article, "There are ")
        if words.startswith("A "):
            words = words[2:].replace(" is ", " are ", 1)
    for vowel in ("A enteric", "A endotracheal"):
        words = words.replace(vowel, vowel.replace("A ", "An "))
    return capital(words)


_PLURALS = (("pleural effusion", "pleural effusions"),)


def _place(found: SignTruth) -> str:
    if found.zone is Zone.APEX:
        return " at the apex"
    if found.zone in _ZONES:
        return f" in the {_ZONES[found.zone]} zone"
    return ""


def _lesion(found: SignTruth) -> str:
    if found.detail == "mass":
        return "lung mass"
    size = "small" if found.severity is Severity.MILD else "moderate"
    return "lung nodules" if found.detail == "several" else f"{size} lung nodule"


def report(facts: Facts) -> tuple[str, str]:
    """Findings and impression."""
    rng = stream(facts.seed, Purpose.WORDS)
    order = list(facts.signs)
    said = [sentence(s, facts, rng) for s in order]
    shown = {s.sign for s in order}
    for signs, forms in wording.ABSENT:
        chosen, keep = _one(rng, forms), rng.random() < 0.75
        if not signs & shown and keep:
            said.append(chosen)
    if rng.random() < 0.5:
        # Devices first, as many radiologists dictate.
        devices = sum(s.sign.is_device for s in order)
        cut = len(order) - devices
        said = said[cut : len(order)] + said[:cut] + said[len(order) :]
    limits = limitation(facts, rng)
    if limits:
        said.insert(0, limits)
    return " ".join(said), impression(facts, rng)


def impression(facts: Facts, rng: np.random.Generator) -> str:
    """The diseases again in other words; devices alone are normal."""
    diseases = [s for s in facts.signs if not s.sign.is_device]
    if diseases:
        return " ".join(sentence(s, facts, rng) for s in diseases)
    return _one(rng, wording.DEVICES_ONLY if facts.signs else wording.NORMAL_IMPRESSION)


def limitation(facts: Facts, rng: np.random.Generator) -> str:
    """One sentence on what limits the film; empty when nothing does."""
    faults = [wording.FAULTS[k] for k, grade in facts.quality.items() if grade != "adequate"]
    return _one(rng, wording.LIMITS).format(faults=" and ".join(faults)) if faults else ""


def comparison(facts: Facts, changes: Mapping[str, str]) -> str:
    """One sentence for each change by name; implied kinds are left to what implies them."""
    rng = stream(facts.seed, Purpose.WORDS, 1)
    said = []
    for kind, change in changes.items():
        if kind in (FindingKind.LUNG_OPACITY.value, FindingKind.PNEUMONIA.value):
            continue
        name = wording.NAMES.get(kind, kind.replace("_", " "))
        said.append(capital(_one(rng, wording.CHANGES[change]).format(name=name)))
    return " ".join(said)


def course_sentence(facts: Facts, course: str) -> str:
    """Stage 6 in words."""
    return _one(stream(facts.seed, Purpose.WORDS, 2), wording.COURSES[course])
