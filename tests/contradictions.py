"""Readings that agree with themselves in every statement, and the same with one lie in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from cxr_node.domain.findings import (
    Box,
    Clash,
    Finding,
    FindingKind,
    Laterality,
    Reading,
    Severity,
    TracePart,
    TraceSection,
    Zone,
)
from cxr_node.domain.stages import CHANGES
from tests.plausible import ABSURD, FAMILY, FINE, LUNG, NEVER, USUAL
from tests.readings import IMAGE, box, finding, sample_image, sample_reading
from tests.report_prose import Prose

_K, _Z = FindingKind, Zone
WIDTH, HEIGHT = 400, 512


@dataclass(frozen=True, slots=True)
class Lie:
    """A reading with one contradiction, where it was put and of what."""

    reading: Reading
    clash: Clash
    about: FindingKind | None


class Writer:
    """Draws readings and their prose from one source of chance."""

    def __init__(self, seed: int, prose: Prose) -> None:
        self.chance = random.Random(seed)
        self.prose = prose

    def clean(self, *must: FindingKind) -> Reading:
        """A reading that agrees with itself; ``must`` are among its findings."""
        some = self.chance.sample(list(FindingKind), self.chance.randint(0, 4))
        kinds = {*must, *some}
        changes = {k: self.chance.choice(CHANGES) for k in FindingKind if k in kinds}
        changes = {k: c for k, c in changes.items() if c not in ("resolved", "not_comparable")}
        findings = tuple(
            self.finding(kind, kind in kinds, changes.get(kind, "stable")) for kind in FindingKind
        )
        present = [f for f in findings if f.present]
        sick = any(not f.kind.is_device for f in present)
        relations = [r for r in FINE if r[0] in kinds and r[2] in kinds]
        plain = sample_reading(
            images=(sample_image(columns=WIDTH, rows=HEIGHT, view="PA"),),
            projection="PA",
            abnormal=0.9 if sick else 0.1,
            findings=findings,
            ratio=None,
            findings_text=self._report(findings, changes),
            impression=self._impression(present, sick=sick),
            relations=tuple(relation(*r) for r in relations),
            changes=tuple(f"{named(k)}: {c}" for k, c in changes.items()),
            trend=self.chance.choice(("stay", "improve", "unclear")),
            contradictions=(),
            warnings=(),
            turns=(),
            trace=(),
        )
        return replace(plain, trace=self._trace(findings))

    def finding(self, kind: FindingKind, present: bool, change: str = "stable") -> Finding:
        """One finding with all that was answered of it."""
        if not present:
            return finding(kind, 0.05, confidence=0.9)
        side = self.chance.choice(list(Laterality)) if kind.has_side else None
        zone = self.chance.choice(USUAL.get(kind, LUNG))
        severity = None if kind.is_device else self.chance.choice(list(Severity))
        whole = finding(kind, 0.9, laterality=side, zone=zone, severity=severity, confidence=0.9)
        where = self._box(side, zone)
        text = self.chance.choice(["", self.sentence(whole), self.change(kind, change)])
        return replace(whole, box=where, description=text)

    def _box(self, side: Laterality | None, zone: Zone) -> Box:
        heights = {_Z.APEX: 0.15, _Z.UPPER: 0.25, _Z.MIDDLE: 0.5, _Z.LOWER: 0.75, _Z.HEART: 0.62}
        y = heights.get(zone, 0.4) + self.chance.uniform(-0.05, 0.05)
        x = 0.5 + self.chance.uniform(-0.04, 0.04)
        if side in (Laterality.RIGHT, Laterality.LEFT):
            x = self.chance.uniform(0.15, 0.38)
            x = 1 - x if side is Laterality.LEFT else x
        return box((x - 0.1) * WIDTH, (y - 0.1) * HEIGHT, (x + 0.1) * WIDTH, (y + 0.1) * HEIGHT)

    def name(self, kind: FindingKind) -> str:
        return self.chance.choice(self.prose.names[kind])

    def sentence(self, f: Finding) -> str:
        """The finding as it is, in one sentence."""
        prose = self.prose
        side = f.laterality.value if f.laterality else ""
        size = self.chance.choice(prose.sizes[f.severity]) if f.severity else ""
        bilateral = f.laterality is Laterality.BILATERAL
        templates = prose.midline if bilateral or not f.laterality else prose.sided
        templates = prose.device if f.kind.is_device else templates
        words = f"{side} {self.name(f.kind)}" if bilateral else self.name(f.kind)
        blank = "" if bilateral or not side else f"{side} "
        text = self.chance.choice(templates)
        text = text.format(size=f"{size} " if size else "", side=blank, bare=side, name=words)
        return _upper(text.replace(" -sided", ""))

    def denial(self, kind: FindingKind, absent: list[FindingKind]) -> str:
        """That ``kind`` is absent, perhaps together with others that are."""
        others = [self.name(k) for k in self.chance.sample(absent, min(2, len(absent)))]
        others += ["acute abnormality"] * (2 - len(others))
        template = self.chance.choice(self.prose.absent)
        return _upper(template.format(name=self.name(kind), other=others[0], third=others[1]))

    def _report(self, findings: tuple[Finding, ...], changes: dict[FindingKind, str]) -> str:
        chance, prose = self.chance, self.prose
        held = {f.kind for f in findings if f.present}
        free = self._deniable(held)
        lines = [self.sentence(f) for f in findings if f.present]
        lines += [self.denial(k, free) for k in chance.sample(free, min(3, len(free)))]
        fitting = [text for text, kinds in prose.normal if not held & set(kinds)]
        lines += chance.sample(fitting, min(2, len(fitting)))
        lines += chance.sample(prose.chatter, 2)
        anything = chance.choice([k for k in FindingKind if not k.is_device])
        lines.append(_upper(chance.choice(prose.doubt).format(name=self.name(anything))))
        lines += [self.change(kind, change) for kind, change in changes.items()][:1]
        gone = [k for k in free if not k.is_device]
        if gone:
            text = chance.choice(prose.gone).format(name=self.name(chance.choice(gone)))
            lines.append(_upper(text))
        chance.shuffle(lines)
        return " ".join(lines)

    def change(self, kind: FindingKind, change: str) -> str:
        """A sentence that calls the finding new, stable, worsened or improved."""
        prose = self.prose
        rows = {"new": prose.fresh, "worsened": prose.worse, "improved": prose.better}
        text = self.chance.choice(rows.get(change, (*prose.same, *prose.still)))
        return _upper(text.format(name=self.name(kind)))

    def _deniable(self, held: set[FindingKind]) -> list[FindingKind]:
        """Absent findings whose denial cannot be taken for that of one that is held present."""
        near = FAMILY if held & FAMILY else frozenset()
        return [k for k in FindingKind if k not in held and k not in near]

    def _impression(self, present: list[Finding], *, sick: bool) -> str:
        shown = [self.sentence(f) for f in present if not f.kind.is_device]
        return " ".join(shown) if sick else self.chance.choice(self.prose.all_normal)

    def _trace(self, findings: tuple[Finding, ...]) -> tuple[TracePart, ...]:
        held = {f.kind for f in findings if f.present}
        lines = [self.sentence(f) for f in findings if f.present]
        free = self._deniable(held)
        lines += [self.denial(k, free) for k in self.chance.sample(free, min(2, len(free)))]
        return tuple(TracePart(TraceSection.SUMMARY, line) for line in lines)


def named(kind: FindingKind) -> str:
    return kind.value.replace("_", " ")


def relation(first: FindingKind, how: str, second: FindingKind) -> str:
    return f"{named(first)} {how} {named(second)}"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def with_finding(reading: Reading, changed: Finding) -> Reading:
    """``reading`` with one finding exchanged."""
    findings = tuple(changed if f.kind is changed.kind else f for f in reading.findings)
    return replace(reading, findings=findings)


_FIRM = (_K.PNEUMOTHORAX, _K.PLEURAL_EFFUSION, _K.CONSOLIDATION, _K.PNEUMONIA, _K.EDEMA)
_MAY_MEAN: dict[FindingKind, frozenset[FindingKind]] = {
    _K.ENLARGED_CARDIOMEDIASTINUM: frozenset({_K.CARDIOMEGALY}),
    _K.CENTRAL_VENOUS_CATHETER: frozenset({_K.PORT}),
}
"""Who names the one may mean the other."""
_SIDED = tuple(k for k in FindingKind if k.has_side)
_ALL = tuple(FindingKind)
_DISEASE = tuple(k for k in FindingKind if not k.is_device)


def _get(reading: Reading, kind: FindingKind) -> Finding:
    return next(f for f in reading.findings if f.kind is kind)


def _single(w: Writer, kinds: tuple[FindingKind, ...]) -> tuple[Reading, Finding]:
    """A clean reading with a finding of one side, right or left."""
    kind = w.chance.choice(kinds)
    while True:
        held = _get(reading := w.clean(kind), kind)
        if held.laterality is not Laterality.BILATERAL:
            return reading, held


def _other_side(held: Finding) -> Finding:
    right = held.laterality is Laterality.RIGHT
    return replace(held, laterality=Laterality.LEFT if right else Laterality.RIGHT)


def _added(reading: Reading, text: str, w: Writer) -> Reading:
    if w.chance.random() < 0.5:
        return replace(reading, findings_text=f"{reading.findings_text} {text}")
    return replace(reading, impression=f"{text} {reading.impression}")


def _header(w: Writer) -> Lie:
    reading, told = w.clean(), w.chance.choice(("AP", "lateral"))
    return Lie(replace(reading, projection=told), Clash.HEADER, None)


def _no_finding(w: Writer) -> Lie:
    kind = w.chance.choice(_FIRM)
    reading = replace(w.clean(kind), impression=w.chance.choice(w.prose.all_normal))
    return Lie(reading, Clash.NO_FINDING, kind)


def _overall(w: Writer) -> Lie:
    kind = w.chance.choice(_DISEASE)
    return Lie(replace(w.clean(kind), abnormal=0.1), Clash.OVERALL, kind)


def _false(w: Writer, kinds: tuple[FindingKind, ...] = _ALL) -> tuple[Reading, FindingKind, str]:
    """A sentence that denies what is held present or affirms what is held absent."""
    kind = w.chance.choice(kinds)
    if w.chance.random() < 0.5:
        return w.clean(kind), kind, w.denial(kind, [])
    meant = _MAY_MEAN.get(kind, FAMILY | {_K.PLEURAL_EFFUSION} if kind in FAMILY else frozenset())
    while True:
        reading = w.clean()
        if not {f.kind for f in reading.present} & {kind, *meant}:
            return reading, kind, w.sentence(w.finding(kind, True))


def _report(w: Writer) -> Lie:
    reading, kind, text = _false(w)
    return Lie(_added(reading, text, w), Clash.REPORT, kind)


def _trace(w: Writer) -> Lie:
    reading, kind, text = _false(w)
    part = TracePart(w.chance.choice(list(TraceSection)), text)
    return Lie(replace(reading, trace=(*reading.trace, part)), Clash.TRACE, kind)


def _side(w: Writer) -> Lie:
    reading, held = _single(w, tuple(k for k in _SIDED if not k.is_device))
    text = w.sentence(replace(_other_side(held), severity=held.severity))
    return Lie(_added(reading, text, w), Clash.SIDE, held.kind)


def _anatomy(w: Writer) -> Lie:
    kind = w.chance.choice(tuple(NEVER))
    held = _get(reading := w.clean(kind), kind)
    moved = replace(held, zone=w.chance.choice(NEVER[kind]), box=None)
    return Lie(with_finding(reading, moved), Clash.ANATOMY, kind)


def _relation(w: Writer) -> Lie:
    first, how, second = w.chance.choice(ABSURD)
    reading = w.clean(first, second)
    told = (*reading.relations, relation(first, how, second))
    return Lie(replace(reading, relations=told), Clash.RELATION, first)


def _change(w: Writer) -> Lie:
    kind = w.chance.choice(_DISEASE)
    reading = w.clean(kind)
    others = tuple(c for c in reading.changes if not c.startswith(named(kind)))
    if w.chance.random() < 0.4:
        told = (*others, f"{named(kind)}: resolved")
        return Lie(replace(reading, changes=told), Clash.CHANGE, kind)
    answered, said = w.chance.choice(
        (("new", "stable"), ("worsened", "improved"), ("improved", "worsened"), ("stable", "new"))
    )
    reading = replace(reading, changes=(*others, f"{named(kind)}: {answered}"))
    return Lie(replace(reading, impression=w.change(kind, said)), Clash.CHANGE, kind)


def _box(w: Writer) -> Lie:
    reading, held = _single(w, tuple(k for k in _SIDED if not k.is_device))
    place = held.box
    assert place is not None
    moved = replace(place, x0=WIDTH - place.x1, x1=WIDTH - place.x0)
    if held.zone in (_Z.LOWER, _Z.UPPER, _Z.APEX) and w.chance.random() < 0.5:
        moved = replace(place, y0=HEIGHT - place.y1, y1=HEIGHT - place.y0)
    assert moved.sop_instance_uid == IMAGE
    return Lie(with_finding(reading, replace(held, box=moved)), Clash.BOX, held.kind)


LIES: dict[Clash, Callable[[Writer], Lie]] = {
    Clash.HEADER: _header,
    Clash.NO_FINDING: _no_finding,
    Clash.OVERALL: _overall,
    Clash.TRACE: _trace,
    Clash.REPORT: _report,
    Clash.SIDE: _side,
    Clash.ANATOMY: _anatomy,
    Clash.RELATION: _relation,
    Clash.CHANGE: _change,
    Clash.BOX: _box,
}
"""How each kind of contradiction is put into a reading that has none."""
