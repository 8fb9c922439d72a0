"""Turn the recorded answers of one study into a :class:`Reading`.

Only the turns are read, so a reading can be made again from stored turns. Refused turns
add nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from cxr_node.domain.amendment import Amendment
from cxr_node.domain.findings import (
    Advice,
    Box,
    CardiothoracicRatio,
    DevicePosition,
    Finding,
    FindingKind,
    ImageReference,
    Laterality,
    ModelIdentity,
    Presence,
    PriorStudy,
    Reading,
    ReadingKind,
    Severity,
    SkippedStage,
    Zone,
)
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import OPENING, QUALITY_DIMENSIONS, StageKey, Turn
from cxr_node.reasoning import boxes, consistency, labels, no_finding
from cxr_node.reasoning.certainty import certainty
from cxr_node.reasoning.labels import Listed
from cxr_node.reasoning.profiles import PHANTOMS, Profile
from cxr_node.reasoning.prose.terms import NamedTerms, named_terms
from cxr_node.reasoning.trace import trace_parts
from cxr_node.reasoning.transcript import picture_mark

OUTSIDE_PHANTOMS = (
    "the model is meant for phantoms only, and the image is not marked as a quality control image"
)
_LEAST_RATIO, _MOST_RATIO = 0.2, 0.95


@dataclass(frozen=True, slots=True)
class Study:
    """What was read, and with what; the first image is the frontal one that boxes lie on."""

    kind: ReadingKind
    model: ModelIdentity
    profile: Profile
    images: tuple[PreparedImage, ...]
    references: tuple[ImageReference, ...]
    quality_control: bool
    prior: PriorStudy | None = None
    """The earlier study whose picture was shown too."""
    shown: tuple[PreparedImage, ...] = ()
    """Every picture in the order shown, the earlier study's included."""
    amendment: Amendment | None = None
    """Answers that a person gave in the model's place."""


class Said:
    """Accepted answers, looked up by stage, question and subject."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = {(t.stage, t.question, t.subject): t for t in turns if t.accepted}

    def turn(self, stage: StageKey, question: str, subject: str = "") -> Turn | None:
        return self._turns.get((stage, question, subject))

    def answer(self, stage: StageKey, question: str, subject: str = "") -> str:
        """The answer, or nothing when it was not asked or was refused."""
        turn = self.turn(stage, question, subject)
        return turn.answer if turn else ""

    def about(self, stage: StageKey, question: str) -> Iterator[Turn]:
        """All accepted turns of one question, whatever their subject."""
        return (t for (s, q, _), t in self._turns.items() if (s, q) == (stage, question))


def assemble(
    study: Study,
    turns: Sequence[Turn],
    skipped: Mapping[StageKey, str],
    notes: Sequence[str] = (),
) -> Reading:
    """Collect answers into a reading, with a warning for everything that does not fit."""
    said = Said(turns)
    warnings = [*notes, *_unasked(turns, study.amendment)]
    findings = _findings(said, study, warnings)
    terms = named_terms(said.answer(StageKey.FINDINGS, "other"))
    opening = said.turn(StageKey.FINDINGS, OPENING)
    listed = labels.read_labels(opening.answer) if opening else None
    reading = Reading(
        kind=study.kind,
        model=study.model,
        images=study.references,
        projection=said.answer(StageKey.QUALITY_VIEW, "projection") or None,
        quality=_quality(said),
        abnormal=_abnormal(said),
        findings=findings,
        ratio=_ratio(said, study, warnings),
        skipped=tuple(SkippedStage(stage, reason) for stage, reason in skipped.items()),
        dropped_terms=_unique(terms.unknown, listed.unknown if listed else ()),
        trace=trace_parts(opening.raw) if opening else (),
        outside_intended_use=_outside(study),
        turns=tuple(turns),
        prior=study.prior,
        pictures=tuple(map(picture_mark, study.shown)),
        amendment=study.amendment,
    )
    return _checked(_with_words(reading, said), terms, listed, warnings)


def _checked(
    reading: Reading, terms: NamedTerms, listed: Listed | None, warnings: list[str]
) -> Reading:
    """Statements are compared as they were made; only then No Finding takes certainty away."""
    stated = replace(reading, contradictions=consistency.contradictions(reading, terms))
    weighed = no_finding.weigh(stated, listed=listed is not None and listed.no_finding)
    if listed is not None:
        weighed = _held_against(weighed, listed, warnings)
    weighed = consistency.doubted(consistency.without_corrected_thoughts(weighed))
    warnings += [clash.words for clash in weighed.contradictions]
    refused = sum(not (turn.accepted or turn.by_person) for turn in reading.turns)
    if refused:
        warnings.append(f"{refused} of {len(reading.turns)} answers were refused")
    return replace(weighed, warnings=tuple(warnings))


def _held_against(reading: Reading, listed: Listed, warnings: list[str]) -> Reading:
    """The findings after their answers were compared with the list of the trace."""
    weighed = labels.weigh(reading.findings, listed)
    warnings += weighed.warnings
    clashes = (*reading.contradictions, *weighed.contradictions)
    return replace(reading, findings=weighed.findings, contradictions=clashes)


def _outside(study: Study) -> str:
    meant_for_phantoms = study.model.intended_use == PHANTOMS
    return OUTSIDE_PHANTOMS if meant_for_phantoms and not study.quality_control else ""


def _quality(said: Said) -> dict[str, str]:
    found = {d: said.answer(StageKey.QUALITY_VIEW, d) for d in QUALITY_DIMENSIONS}
    return {dimension: verdict for dimension, verdict in found.items() if verdict}


def _abnormal(said: Said) -> float | None:
    """A person who calls the study normal or abnormal leaves no probability open."""
    turn = said.turn(StageKey.FINDINGS, "overall")
    if turn is None:
        return None
    return float(turn.answer == "abnormal") if turn.by_person else turn.probabilities["abnormal"]


def _unasked(turns: Sequence[Turn], amendment: Amendment | None) -> Iterator[str]:
    """Corrections of questions that this reading did not come to."""
    asked = {turn.key for turn in turns}
    for correction in (*amendment.carried, *amendment.corrections) if amendment else ():
        if correction.key not in asked:
            yield f"a correction was not used, its question was not asked: {correction.place}"


def _with_words(reading: Reading, said: Said) -> Reading:
    """The texts and closed verdicts of stages 4 to 8."""
    relations = [_relation(t) for t in said.about(StageKey.RELATIONSHIPS, "relation")]
    changes = [f"{_words(t.subject)}: {_words(t.answer)}" for t in _changes(said)]
    course = said.answer(StageKey.FUTURE_TREND, "course")
    return replace(
        reading,
        relations=_some(*relations, said.answer(StageKey.RELATIONSHIPS, "summary")),
        changes=_some(*changes, said.answer(StageKey.COMPARISON, "summary")),
        trend=": ".join(_some(course, said.answer(StageKey.FUTURE_TREND, "summary"))),
        advice=_advice(said),
        findings_text=said.answer(StageKey.REPORT, "findings"),
        impression=said.answer(StageKey.REPORT, "impression"),
    )


def _changes(said: Said) -> Iterator[Turn]:
    return said.about(StageKey.COMPARISON, "change")


def _relation(turn: Turn) -> str:
    if turn.answer == "none":
        return ""
    first, second = turn.subject.split("+")
    return f"{_words(first)} {turn.answer} {_words(second)}"


def _advice(said: Said) -> Advice | None:
    category = said.answer(StageKey.ADVICE, "category")
    next_step = said.answer(StageKey.ADVICE, "next_step")
    if not (category or next_step):
        return None
    return Advice(int(category) if category.isdigit() else None, next_step)


def _findings(said: Said, study: Study, warnings: list[str]) -> tuple[Finding, ...]:
    return tuple(_finding(kind, said, study, warnings) for kind in FindingKind)


def _finding(kind: FindingKind, said: Said, study: Study, warnings: list[str]) -> Finding:
    profile = study.profile
    turn = said.turn(StageKey.FINDINGS, "presence", kind)
    if turn is None or (kind in profile.not_assessed and not turn.by_person):
        return Finding(kind, Presence.NOT_ASSESSED, None, profile.threshold(kind))
    stage = StageKey.ATTRIBUTES_GROUNDING
    side, zone = said.answer(stage, "side", kind), said.answer(stage, "zone", kind)
    severity = said.answer(stage, "severity", kind)
    position = said.answer(stage, "position", kind)
    return replace(
        _held(kind, turn, profile),
        laterality=Laterality(side) if side else None,
        zone=Zone(zone) if zone else None,
        severity=Severity(severity) if severity else None,
        position=DevicePosition(position) if position else None,
        box=_box(said.answer(stage, "box", kind), study, _words(kind), warnings),
        description=said.answer(stage, "description", kind),
    )


def _held(kind: FindingKind, turn: Turn, profile: Profile) -> Finding:
    """Presence and how sure it is; of what a person says no probability is known."""
    presence = Presence(turn.answer)
    if turn.by_person:
        return Finding(kind, presence, None, profile.threshold(kind), by_person=True)
    sure = certainty(kind, turn.probabilities, profile)
    return Finding(
        kind=kind,
        presence=presence,
        probability=sure.probability,
        threshold=sure.threshold,
        calibrated=sure.calibrated,
        uncertainty=sure.uncertainty,
        confidence=sure.confidence,
    )


def _box(answer: str, study: Study, name: str, warnings: list[str]) -> Box | None:
    """Percent of the model's picture to pixels of the original image."""
    if not answer:
        return None
    x0, y0, x1, y1 = boxes.box(answer)
    image = study.images[0]
    left, top = image.to_original(x0 * image.width / 100, y0 * image.height / 100)
    right, bottom = image.to_original(x1 * image.width / 100, y1 * image.height / 100)
    if right - left < 1 or bottom - top < 1:
        warnings.append(f"the box of {name} lies outside the image and was dropped")
        return None
    return Box(image.sop_instance_uid, left, top, right, bottom)


def _ratio(said: Said, study: Study, warnings: list[str]) -> CardiothoracicRatio | None:
    stage = StageKey.ATTRIBUTES_GROUNDING
    heart = _box(said.answer(stage, "anatomy_box", "heart"), study, "the heart", warnings)
    thorax = _box(said.answer(stage, "anatomy_box", "thorax"), study, "the thorax", warnings)
    if heart is None or thorax is None:
        return None
    value = (heart.x1 - heart.x0) / (thorax.x1 - thorax.x0)
    middle = (heart.x0 + heart.x1) / 2
    if not (_LEAST_RATIO <= value <= _MOST_RATIO and thorax.x0 < middle < thorax.x1):
        warnings.append("the boxes of heart and thorax do not fit each other; no ratio is given")
        return None
    return CardiothoracicRatio(round(value, 3), heart, thorax)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _unique(*lists: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(lists)))


def _some(*words: str) -> tuple[str, ...]:
    return tuple(word for word in words if word)
