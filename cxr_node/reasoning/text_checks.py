"""What the texts of a reading say against its scored answers: presence, side, place, severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cxr_node.domain.findings import (
    Clash,
    Contradiction,
    Finding,
    FindingKind,
    Laterality,
    Presence,
    Reading,
    Severity,
    Zone,
)
from cxr_node.reasoning.prose.mentions import Mention
from cxr_node.reasoning.prose.report_words import ALL, LUNG
from cxr_node.reasoning.prose.scope import Polarity
from cxr_node.reasoning.sources import Source, changes, sources, words

_K = FindingKind
_HIGH, _LOW = frozenset({Zone.UPPER, Zone.APEX}), frozenset({Zone.LOWER})
_PLACED = frozenset(FindingKind) - {_K.CARDIOMEGALY, _K.ENLARGED_CARDIOMEDIASTINUM}

_CHRONIC = frozenset(
    {
        _K.CARDIOMEGALY,
        _K.ENLARGED_CARDIOMEDIASTINUM,
        _K.ATELECTASIS,
        _K.FRACTURE,
        _K.LUNG_LESION,
        _K.PLEURAL_OTHER,
    }
)
"""What may stand beside "no acute abnormality" when the report names it elsewhere."""

_CALM_WHEN_SMALL = frozenset({_K.LUNG_OPACITY, _K.PLEURAL_EFFUSION})

_EXPLAINED_BY: dict[FindingKind, frozenset[FindingKind]] = {
    _K.LUNG_OPACITY: frozenset(
        {
            _K.CONSOLIDATION,
            _K.PNEUMONIA,
            _K.ATELECTASIS,
            _K.EDEMA,
            _K.LUNG_LESION,
            _K.PLEURAL_EFFUSION,
        }
    ),
    _K.CONSOLIDATION: frozenset({_K.PNEUMONIA}),
    _K.ENLARGED_CARDIOMEDIASTINUM: frozenset({_K.CARDIOMEGALY}),
    _K.CENTRAL_VENOUS_CATHETER: frozenset({_K.PORT}),
}
"""A word for a finding that is held absent may describe one of these that is held present."""

_LOOSE = frozenset({"infiltrate", "infiltration", "airspace opacity", "air space opacity"})
"""Names whose denial leaves room for another kind of the same finding, if it is named."""

_ALSO_DENIED = {_K.LUNG_OPACITY: (_K.CONSOLIDATION,)}
"""Who denies the wider denies the narrower."""

_AGAINST: dict[str, frozenset[str]] = {
    "new": frozenset({"stable", "improved", "worsened"}),
    "stable": frozenset({"new", "improved", "worsened"}),
    "improved": frozenset({"new", "worsened"}),
    "worsened": frozenset({"improved"}),
}
"""A closed change to the words that exclude it."""


def clashes(reading: Reading) -> Iterator[Contradiction]:
    """Every contradiction between a text and the answers."""
    texts = sources(reading)
    named = _named(texts)
    answered = changes(reading)
    for source in texts:
        yield from _denied(source, reading, named)
        for finding in reading.findings:
            said = _about(source, finding.kind)
            if said and finding.presence is Presence.ABSENT:
                yield from _affirmed(source, finding, said, reading)
            elif said and finding.present:
                yield from _side(source, finding, said)
                yield from _place(source, finding, said)
                yield from _severity(source, finding, said)
                yield from _change(source, finding, said, answered.get(finding.kind, ""))


@dataclass(frozen=True, slots=True)
class _Named:
    """What the texts speak of without denying it."""

    at_all: frozenset[FindingKind]
    calmly: frozenset[FindingKind]
    """As small, old, unchanged or doubtful: it may stand beside "nothing acute"."""


def _named(texts: Sequence[Source]) -> _Named:
    said = [m for text in texts for m in text.said if not _firmly(m, Polarity.ABSENT)]
    at_all = frozenset(m.kind for m in said)
    return _Named(at_all, at_all - {m.kind for m in said if not _calm(m)})


def _calm(mention: Mention) -> bool:
    small = mention.sizes == {Severity.MILD} and mention.kind in _CALM_WHEN_SMALL
    return not mention.sure or "stable" in mention.changes or small


def _firmly(mention: Mention, polarity: Polarity) -> bool:
    return mention.sure and mention.polarity is polarity


def _about(source: Source, kind: FindingKind) -> list[Mention]:
    """What a text says firmly of one finding; of thoughts, the last word."""
    if source.only not in (None, kind):
        return []
    said = [m for m in source.said if m.kind is kind]
    if source.clash is Clash.TRACE:
        said = [m for m in said if m.sure and not m.group][-1:]
    return [m for m in said if _firmly(m, Polarity.PRESENT)]


def _denied(source: Source, reading: Reading, named: _Named) -> Iterator[Contradiction]:
    """Findings held present that the text denies, together where it denies them together."""
    groups: dict[str, list[FindingKind]] = {}
    here = {m.kind for m in source.said if not _firmly(m, Polarity.ABSENT)}
    for finding in reading.present:
        for mention in _denials(source, finding.kind):
            apart = mention.group and finding.kind in here  # clear lungs, but for a nodule
            if not apart and _denies(mention, finding, named):
                groups.setdefault(mention.group, []).append(finding.kind)
    for group, kinds in groups.items():
        touched = tuple(dict.fromkeys(kinds))
        names = ", ".join(map(words, touched))
        if group == ALL:
            said = f"{source.name} speaks of a normal study, yet held present: {names}"
            clash = Clash.NO_FINDING if source.clash is Clash.REPORT else source.clash
            yield Contradiction(clash, said, touched)
            continue
        for kind in touched:
            said = f"{source.name} denies {words(kind)}, which is held present"
            yield Contradiction(source.clash, said, (kind,))


def _denials(source: Source, kind: FindingKind) -> list[Mention]:
    if source.only not in (None, kind):
        return []
    wider = {kind, *(wide for wide, narrow in _ALSO_DENIED.items() if kind in narrow)}
    said = [m for m in source.said if m.kind in wider]
    if source.clash is Clash.TRACE:
        own = [m for m in said if m.kind is kind and m.sure]
        said = [m for m in own if not m.group][-1:] or own[-1:]
    return [m for m in said if _firmly(m, Polarity.ABSENT)]


def _denies(mention: Mention, finding: Finding, named: _Named) -> bool:
    """Whether a denial leaves no room for the finding as it is held."""
    if not _same_side(mention.side, finding.laterality) or not _same_place(mention, finding):
        return False
    if "large" in mention.limits:
        return finding.severity is Severity.SEVERE
    known = finding.kind in named.at_all
    if known and not mention.group and finding.kind is _K.LUNG_OPACITY and mention.limits:
        return False  # no suspicious opacity, beside a named one
    if "acute" in mention.limits and known:
        chronic = _CHRONIC if mention.group else frozenset()
        return finding.kind not in chronic | named.calmly
    if mention.weak or mention.name in _LOOSE:
        return not known
    return not (mention.group == LUNG and finding.kind is _K.ATELECTASIS and known)


def _same_side(denied: Laterality | None, held: Laterality | None) -> bool:
    """Whether a denial for one side reaches a finding on the other."""
    if denied in (None, Laterality.BILATERAL):
        return True
    return held in (denied, Laterality.BILATERAL)


def _same_place(mention: Mention, finding: Finding) -> bool:
    if not mention.zones or finding.kind not in _PLACED:
        return True
    return finding.zone in mention.zones


def _affirmed(
    source: Source, finding: Finding, said: Sequence[Mention], reading: Reading
) -> Iterator[Contradiction]:
    """A finding held absent of which the text says that it is there."""
    firm = [m for m in said if not m.weak and not m.implied and not _meant_otherwise(m, reading)]
    if firm:
        words_ = f"{source.name} speaks of {words(finding.kind)}, which is held absent"
        yield Contradiction(source.clash, words_, (finding.kind,))


def _meant_otherwise(mention: Mention, reading: Reading) -> bool:
    """Whether the words may describe another finding that is held present, where it is."""
    others = _EXPLAINED_BY.get(mention.kind, frozenset())
    return any(
        f.kind in others and _may_be_same_side(mention.side, f.laterality) for f in reading.present
    )


def _may_be_same_side(said: Laterality | None, held: Laterality | None) -> bool:
    both = (None, Laterality.BILATERAL)
    return said in both or held in both or said is held


def _side(source: Source, finding: Finding, said: Sequence[Mention]) -> Iterator[Contradiction]:
    held = finding.laterality
    told = {m.side for m in said if m.side is not None and not m.weak}
    if held in (None, Laterality.BILATERAL) or not told or not finding.kind.has_side:
        return
    agrees = held in told
    wrong = sorted(side.value for side in told - {held})
    if wrong and not (agrees and finding.kind.is_device):
        text = f"{source.name} places the {words(finding.kind)} {_side_words(wrong[0])}"
        yield Contradiction(Clash.SIDE, f"{text}, the answers on the {held} side", (finding.kind,))


def _side_words(side: str) -> str:
    return "on both sides" if side == Laterality.BILATERAL else f"on the {side} side"


def _place(source: Source, finding: Finding, said: Sequence[Mention]) -> Iterator[Contradiction]:
    """Top against bottom; neighbouring zones run into each other."""
    if finding.zone is None or finding.kind not in _PLACED or finding.kind.is_device:
        return
    told = frozenset(zone for m in said for zone in m.zones)
    up, down = told and told <= _HIGH, told and told <= _LOW
    if (up and finding.zone in _LOW) or (down and finding.zone in _HIGH):
        place = "upper" if up else "lower"
        text = f"{source.name} places the {words(finding.kind)} in the {place} chest"
        yield Contradiction(
            Clash.ANATOMY, f"{text}, the answers in the zone {finding.zone}", (finding.kind,)
        )


def _severity(source: Source, finding: Finding, said: Sequence[Mention]) -> Iterator[Contradiction]:
    """Small against large; one step apart is a matter of opinion."""
    told = frozenset(size for m in said for size in m.sizes)
    extremes = {finding.severity, *told}
    if len(told) == 1 and extremes == {Severity.MILD, Severity.SEVERE}:
        text = f"{source.name} calls the {words(finding.kind)} {next(iter(told))}"
        yield Contradiction(
            source.clash, f"{text}, the answers call it {finding.severity}", (finding.kind,)
        )


def _change(
    source: Source, finding: Finding, said: Sequence[Mention], answered: str
) -> Iterator[Contradiction]:
    told = frozenset(change for m in said for change in m.changes)
    against = told & _AGAINST.get(answered, frozenset())
    if against and answered not in told and not source.forecast:
        text = f"{source.name} calls the {words(finding.kind)} {min(against)}"
        yield Contradiction(
            Clash.CHANGE, f"{text}, the comparison calls it {answered}", (finding.kind,)
        )
