"""Two films of one patient, a prior and a current one, with a known change of every sign."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.instance import View
from cxr_node.phantom.batched.case import SEVERITIES, Case, Plan, make_case, plan
from cxr_node.phantom.batched.patient import Level, draw_exposure
from cxr_node.phantom.batched.signs import IMPLIED, Sign
from cxr_node.phantom.batched.streams import Purpose, stream
from cxr_node.phantom.batched.truth import Facts

_LIKE_BEFORE = 0.02


@dataclass(frozen=True, slots=True)
class Pair:
    """``changes`` names every sign of either film: new, resolved, improved, worsened, stable."""

    prior: Case
    current: Case
    changes: dict[Sign, str]


def kind_changes(changes: dict[Sign, str], before: Facts, now: Facts) -> dict[FindingKind, str]:
    """The change of every kind that either film shows, from the films' own facts.

    An implied kind that is on both follows the signs that imply it; where they go different
    ways, or a sign lay outside the field of one film, it is not comparable.
    """
    found: dict[FindingKind, str] = {}
    for kind in FindingKind:
        there = [f.presence[kind] is Presence.PRESENT for f in (before, now)]
        if not any(there):
            continue
        signs = [s for s in changes if s.kind is kind]
        signs = signs or [s for s in changes if kind in IMPLIED.get(s, ())]
        missed = any(_missed(changes[s], s, before, now) for s in signs)
        if all(there):
            words = _on_both({changes[s] for s in signs})
        else:
            words = "new" if there[1] else "resolved"
        found[kind] = "not_comparable" if missed else words
    return found


def _missed(change: str, sign: Sign, before: Facts, now: Facts) -> bool:
    """Whether a sign that was drawn on a film is not seen there."""
    lost_before = change != "new" and before.sign(sign) is None
    return lost_before or (change != "resolved" and now.sign(sign) is None)


def _on_both(changes: set[str]) -> str:
    worse, better = changes & {"new", "worsened"}, changes & {"resolved", "improved"}
    if worse and better:
        return "not_comparable"
    return "worsened" if worse else "improved" if better else "stable"


def make_pair(seed: int, *, view: View | None = None, level: Level = Level.STANDARD) -> Pair:
    """The films of ``seed``: what differs is drawn from it too. Frontal views only.

    Each sign of the current film was absent (new), fainter (worsened), stronger (improved) or
    the same (stable); up to two more were there before and have resolved.
    """
    current = make_case(seed, view=_frontal(seed, view), level=level)
    rng = stream(seed, Purpose.PRIOR)
    before: list[Plan] = []
    changes: dict[Sign, str] = {}
    for p in current.plans:
        roll = float(rng.random())
        changes[p.sign], older = _earlier(p, roll)
        if older is not None:
            before.append(older)
    for sign in Sign:
        gone = float(rng.random()) < 0.06
        if gone and sign not in changes and len(before) < 6:
            before.append(plan(seed, sign, level))
            changes[sign] = "resolved"
    exposure = draw_exposure(seed, current.view, level, take=1)
    ordered = tuple(sorted(before, key=lambda p: p.sign.number))
    prior = replace(current, exposure=exposure, plans=ordered, take=1)
    return Pair(prior, current, changes)


def _frontal(seed: int, view: View | None) -> View:
    if view is View.LATERAL:
        raise ValueError("a prior-current pair is frontal")
    if view is not None:
        return view
    return View.AP if stream(seed, Purpose.VIEW).random() < 0.5 else View.PA


def _earlier(p: Plan, roll: float) -> tuple[str, Plan | None]:
    """The change, and how the sign was on the prior film; None for not there."""
    if roll < 0.3:
        return "new", None
    if p.sign.is_device or p.sign is Sign.FRACTURE or roll < 0.55:
        near = max(0.0, min(1.0, p.amount + (_LIKE_BEFORE if roll < 0.4 else -_LIKE_BEFORE)))
        return "stable", replace(p, amount=p.amount if p.sign.is_device else near)
    if (roll < 0.78 and p.grade > 0) or p.grade == 2:
        return "worsened", _graded(p, p.grade - 1)
    return "improved", _graded(p, p.grade + 1)


def _graded(p: Plan, grade: int) -> Plan:
    return replace(p, severity=SEVERITIES[grade])
