"""What is true of a phantom, as answers to the node's own questions, stage by stage.

Stages 1 to 3 and 8 are what was drawn. Relations, advice and course follow from it by rules
that anyone can look up: the table of allowed relations, the shipped priority rules, and the
difference between two drawings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations

from cxr_node.domain.findings import (
    DevicePosition,
    Finding,
    FindingKind,
    Laterality,
    Presence,
    Severity,
)
from cxr_node.domain.instance import View
from cxr_node.domain.stages import QUALITY_DIMENSIONS, StageKey
from cxr_node.phantom.truth import FindingTruth, PhantomTruth, PixelBox
from cxr_node.reasoning.allowed import EXPLAINS
from cxr_node.reasoning.prompts import STRUCTURES, Wording, option_words, pair, subject_words
from cxr_node.reporting.templates import Templates, load_templates
from cxr_node.services.prioritise import matches
from cxr_node.training.record_stages import Answered

_S, _K = StageKey, FindingKind
_GRADES = list(Severity)
_LEAST_SIDE = 0.5
"""Percent of the picture; a narrower box is no answer (``reasoning/boxes.py``)."""

ToPercent = Callable[[PixelBox], tuple[float, float, float, float]]


def quality(truth: PhantomTruth) -> Iterator[Answered]:
    """Stage 1."""
    lateral = truth.projection is View.LATERAL
    yield Answered(_S.QUALITY_VIEW, "projection", "lateral" if lateral else str(truth.projection))
    for name in QUALITY_DIMENSIONS:
        yield Answered(_S.QUALITY_VIEW, name, truth.quality[name])
    poor = [name for name, grade in truth.quality.items() if grade != "adequate"]
    limits = f"The {_listed(poor)} limits the reading." if len(poor) == 1 else ""
    limits = limits or (f"The {_listed(poor)} limit the reading." if poor else "Nothing.")
    yield Answered(_S.QUALITY_VIEW, "limits", limits)


def findings(truth: PhantomTruth) -> Iterator[Answered]:
    """Stage 2: every finding of the vocabulary is asked for."""
    overall = "abnormal" if truth.abnormal else "normal"
    yield Answered(_S.FINDINGS, "overall", overall)
    for kind in FindingKind:
        said = Presence.PRESENT if kind in truth.kinds else Presence.ABSENT
        yield Answered(_S.FINDINGS, "presence", said, kind)
    yield Answered(_S.FINDINGS, "other", "None.")


def attributes(truth: PhantomTruth, percent: ToPercent) -> Iterator[Answered]:
    """Stage 3: finding by finding, then heart and thorax."""
    stage = _S.ATTRIBUTES_GROUNDING
    for found in _in_order(truth):
        named: dict[str, str | None] = {
            "side": found.side if found.kind.has_side else None,
            "zone": found.zone,
            "severity": None if found.kind.is_device else found.severity,
            "position": found.position if found.kind.is_device else None,
        }
        for question, answer in named.items():
            if answer is not None:
                yield Answered(stage, question, str(answer), found.kind)
        yield from _place("box", found.box, found.kind, percent)
        yield Answered(stage, "description", _sentence(described(found)), found.kind)
    for name, box in zip(STRUCTURES, (truth.heart, truth.thorax), strict=True):
        if box is not None:
            yield from _place("anatomy_box", box, name, percent)


def relations(truth: PhantomTruth) -> Iterator[Answered]:
    """Stage 4. Findings are drawn each on its own: they accompany each other or are unrelated."""
    together = []
    for first, second in combinations(_in_order(truth), 2):
        accompanied = _go_together(first, second)
        together += [f"{_name(first.kind)} and {_name(second.kind)}"] if accompanied else []
        answer = "accompanies" if accompanied else "none"
        yield Answered(_S.RELATIONSHIPS, "relation", answer, pair(first.kind, second.kind))
    seen = [f"{words} are seen together" for words in together]
    summary = "; ".join(seen) or "The findings are unrelated to each other"
    yield Answered(_S.RELATIONSHIPS, "summary", _sentence(summary))


def comparison(truth: PhantomTruth, earlier: PhantomTruth) -> Iterator[Answered]:
    """Stage 5: ``earlier`` is the truth of the reference study."""
    before = {found.kind: found for found in earlier.findings}
    comparable = (truth.projection is View.LATERAL) == (earlier.projection is View.LATERAL)
    said = []
    for found in _in_order(truth):
        change = _change(before.get(found.kind), found) if comparable else "not_comparable"
        said.append(f"{_name(found.kind)} {option_words(Wording.PLAIN, change)}")
        yield Answered(_S.COMPARISON, "change", change, found.kind)
    if comparable:
        said += [
            f"{_name(f.kind)} resolved" for f in _in_order(earlier) if f.kind not in truth.kinds
        ]
    yield Answered(_S.COMPARISON, "summary", _sentence(", ".join(said) or "no change"))


def course(truth: PhantomTruth, later: PhantomTruth) -> Iterator[Answered]:
    """Stage 6: what the following study shows to have happened."""
    burden, then = _burden(truth), _burden(later)
    answer = "stay" if burden == then else "worsen" if then > burden else "improve"
    words = {"stay": "stay as they are", "worsen": "worsen", "improve": "improve"}[answer]
    yield Answered(_S.FUTURE_TREND, "course", answer)
    yield Answered(_S.FUTURE_TREND, "summary", f"The findings are expected to {words}.")


def advice(truth: PhantomTruth) -> Iterator[Answered]:
    """Stage 7: the most urgent category of the shipped priority rules."""
    urgent = [c for found in truth.findings if (c := _category(found))]
    category = min(urgent, default=0)
    yield Answered(_S.ADVICE, "category", str(category) if category else "none")
    yield Answered(_S.ADVICE, "next_step", _next_step(truth, category))


def report(truth: PhantomTruth) -> Iterator[Answered]:
    """Stage 8."""
    yield Answered(_S.REPORT, "findings", truth.findings_text)
    yield Answered(_S.REPORT, "impression", truth.impression)


def described(found: FindingTruth) -> str:
    """A finding in a few words, without a capital or a full stop."""
    name = _name(found.kind)
    if found.kind.is_device:
        tip = found.position or DevicePosition.CORRECT
        return f"{name}, position {option_words(Wording.PLAIN, tip)}"
    side = f"{found.side} " if found.kind.has_side and found.side else ""
    grade = f"{found.severity} " if found.severity else ""
    zone = f", {option_words(Wording.PLAIN, found.zone)} zone" if found.zone and side else ""
    return f"{grade}{side}{name}{zone}"


def _place(question: str, box: PixelBox, subject: str, percent: ToPercent) -> Iterator[Answered]:
    x0, y0, x1, y1 = percent(box)
    if x1 - x0 >= _LEAST_SIDE and y1 - y0 >= _LEAST_SIDE:
        yield Answered.place(question, (x0, y0, x1, y1), subject)


def _in_order(truth: PhantomTruth) -> list[FindingTruth]:
    """As the reading asks for them."""
    return sorted(truth.findings, key=lambda found: list(FindingKind).index(found.kind))


def _go_together(first: FindingTruth, second: FindingTruth) -> bool:
    """Related by the table of allowed relations, and not on opposite sides."""
    related = second.kind in EXPLAINS[first.kind] or first.kind in EXPLAINS[second.kind]
    sides = {first.side, second.side}
    return related and sides != {Laterality.LEFT, Laterality.RIGHT}


def _change(before: FindingTruth | None, now: FindingTruth) -> str:
    if before is None:
        return "new"
    step = _weight(now) - _weight(before)
    return "stable" if step == 0 else "worsened" if step > 0 else "improved"


def _weight(found: FindingTruth) -> int:
    """Grade of a pathology; a device weighs only where it lies wrong."""
    if found.kind.is_device:
        return int(found.position not in (None, DevicePosition.CORRECT))
    return 1 + (_GRADES.index(found.severity) if found.severity else 1)


def _burden(truth: PhantomTruth) -> int:
    return sum(map(_weight, truth.findings))


@cache
def _templates() -> Templates:
    return load_templates()


def _category(found: FindingTruth) -> int:
    """ACR category 1 to 3 of one finding, 0 for none."""
    held = Finding(
        found.kind, Presence.PRESENT, 1.0, 0.5, severity=found.severity, position=found.position
    )
    rules = [rule for rule in _templates().priority.rules if matches(rule, held)]
    return min((rule.acr_category for rule in rules if rule.acr_category), default=0)


def _next_step(truth: PhantomTruth, category: int) -> str:
    if category == 1:
        return "urgent_clinical_review"
    if truth.kinds & {_K.LUNG_LESION, _K.ENLARGED_CARDIOMEDIASTINUM}:
        return "ct"
    if _K.PLEURAL_EFFUSION in truth.kinds:
        return "ultrasound"
    return "follow_up_radiograph" if truth.abnormal else "none"


def _name(kind: FindingKind) -> str:
    return subject_words(Wording.PLAIN, kind)


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
