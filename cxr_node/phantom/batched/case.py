"""One case before it is drawn: patient, exposure, and what a seed decided about each sign."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from cxr_node.domain.findings import DevicePosition, Laterality, Severity
from cxr_node.domain.instance import View
from cxr_node.phantom.batched.patient import Exposure, Level, Patient, draw_exposure, draw_patient
from cxr_node.phantom.batched.signs import SHOWN_ON_LATERAL, Sign
from cxr_node.phantom.batched.streams import Purpose, stream

SEVERITIES = (Severity.MILD, Severity.MODERATE, Severity.SEVERE)
_R, _L, _B = Laterality.RIGHT, Laterality.LEFT, Laterality.BILATERAL
_P = DevicePosition
NUMBERS = 24

CHANCES: Mapping[Sign, float] = {
    **dict.fromkeys(Sign, 0.13),
    Sign.PLEURAL_EFFUSION: 0.24,
    Sign.CONSOLIDATION: 0.2,
    Sign.CARDIOMEGALY: 0.22,
    Sign.LUNG_LESION: 0.16,
    Sign.FREE_AIR: 0.06,
    Sign.PORT: 0.08,
}
"""Chance of each sign in a case that is not left empty; devices are commoner at the bedside."""
_EMPTY = 0.2
_BEDSIDE = {
    Sign.ENDOTRACHEAL_TUBE: 0.34,
    Sign.ENTERIC_TUBE: 0.34,
    Sign.CENTRAL_VENOUS_CATHETER: 0.38,
    Sign.CHEST_TUBE: 0.2,
    Sign.FREE_AIR: 0.03,
}
_SIDES = {
    Sign.EDEMA: (_B,),
    Sign.PLEURAL_EFFUSION: (_R, _L, _R, _L, _B),
    Sign.CONSOLIDATION: (_R, _L, _R, _L, _R, _L, _B),
    Sign.PACEMAKER: (_L, _L, _L, _L, _R),
    Sign.PORT: (_R, _R, _R, _L),
    Sign.FREE_AIR: (_R,),
}
_MIDLINE = frozenset(
    {
        Sign.CARDIOMEGALY,
        Sign.ENLARGED_CARDIOMEDIASTINUM,
        Sign.ENDOTRACHEAL_TUBE,
        Sign.ENTERIC_TUBE,
    }
)
POSITIONS = {
    Sign.ENDOTRACHEAL_TUBE: (_P.CORRECT, _P.CORRECT, _P.TOO_LOW, _P.TOO_HIGH, _P.MALPOSITIONED),
    Sign.ENTERIC_TUBE: (_P.CORRECT, _P.CORRECT, _P.CORRECT, _P.TOO_HIGH, _P.MALPOSITIONED),
    Sign.CENTRAL_VENOUS_CATHETER: (
        *(_P.CORRECT,) * 3,
        *(_P.TOO_HIGH, _P.TOO_LOW, _P.MALPOSITIONED),
    ),
    Sign.PORT: (_P.CORRECT, _P.CORRECT, _P.CORRECT, _P.TOO_HIGH),
    Sign.CHEST_TUBE: (_P.CORRECT, _P.CORRECT, _P.MALPOSITIONED),
    Sign.PACEMAKER: (_P.CORRECT,),
}
"""Where a device may lie, weighted; malpositioned is in a bronchus, a vein, or the chest wall."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One sign. ``numbers`` are uniform draws for everything its drawing still has to choose."""

    sign: Sign
    severity: Severity
    amount: float
    """Where in its grade it lies, 0 to 1."""
    side: Laterality | None
    position: DevicePosition | None
    numbers: tuple[float, ...]
    faint: float = 1.0
    """Contrast of opacities and rims; below 1 on the hard level."""

    @property
    def grade(self) -> int:
        return SEVERITIES.index(self.severity)

    def within(self, *bounds: tuple[float, float]) -> float:
        """A size between the bounds of the own grade."""
        low, high = bounds[self.grade]
        return low + (high - low) * self.amount

    @property
    def variant(self) -> str:
        """The form that is drawn, in one word; empty where there is but one."""
        first = self.numbers[0]
        if self.sign is Sign.ATELECTASIS:
            return "plate" if self.grade == 0 else "upper" if first < 0.3 else "lower"
        if self.sign is Sign.PLEURAL_OTHER:
            return "apical" if first < 0.4 else "lateral"
        if self.sign is Sign.LUNG_LESION:
            several = self.numbers[8] < 0.18
            return "mass" if self.grade == 2 else "several" if several else "nodule"
        return ""

    def sides(self) -> tuple[int, ...]:
        """0 for the patient's right, 1 for his left, both for a bilateral sign."""
        return {_R: (0,), _L: (1,), _B: (0, 1), None: ()}[self.side]


@dataclass(frozen=True, slots=True)
class Case:
    """All that decides one picture."""

    seed: int
    level: Level
    patient: Patient
    exposure: Exposure
    plans: tuple[Plan, ...]
    take: int = 0
    """0 for the film itself; other numbers are other films of the same patient."""

    @property
    def view(self) -> View:
        return self.exposure.view

    def plan(self, sign: Sign) -> Plan | None:
        return next((p for p in self.plans if p.sign is sign), None)

    def without(self, *signs: Sign) -> Case:
        """The matched case that differs in nothing but the absence of ``signs``."""
        return replace(self, plans=tuple(p for p in self.plans if p.sign not in signs))


def make_case(
    seed: int,
    *,
    view: View | None = None,
    signs: Collection[Sign] | None = None,
    severity: Severity | None = None,
    position: DevicePosition | None = None,
    level: Level = Level.STANDARD,
) -> Case:
    """Decide the case of ``seed``. What is None is drawn; ``signs`` empty is a normal film.

    Raises ``ValueError`` for a view that cannot be drawn. Signs that the view does not show
    are left out.
    """
    chosen_view = view or _view(seed)
    if chosen_view not in (View.PA, View.AP, View.LATERAL):
        raise ValueError("a phantom is PA, AP or LATERAL")
    wanted = chosen_signs(seed, chosen_view) if signs is None else frozenset(signs)
    plans = tuple(
        plan(seed, sign, level, severity, position)
        for sign in Sign
        if sign in wanted and (chosen_view is not View.LATERAL or sign in SHOWN_ON_LATERAL)
    )
    exposure = draw_exposure(seed, chosen_view, level)
    return Case(seed, level, draw_patient(seed), exposure, plans)


def _view(seed: int) -> View:
    roll = stream(seed, Purpose.VIEW).random()
    return View.PA if roll < 0.46 else View.AP if roll < 0.86 else View.LATERAL


def chosen_signs(seed: int, view: View) -> frozenset[Sign]:
    """The signs that chance gives this seed; none at all in a fifth of cases.

    A port is not drawn beside a second line, nor free air on a supine film's rule: these
    are seldom and only confuse which is which.
    """
    rng = stream(seed, Purpose.CHOICE)
    empty = rng.random() < _EMPTY
    rolls = rng.random(len(Sign))
    if empty:
        return frozenset()
    odds = {**CHANCES, **(_BEDSIDE if view is View.AP else {})}
    found = {sign for sign, roll in zip(Sign, rolls, strict=True) if roll < odds[sign]}
    if {Sign.PORT, Sign.CENTRAL_VENOUS_CATHETER} <= found:
        found.discard(Sign.PORT)
    return frozenset(found)


def plan(
    seed: int,
    sign: Sign,
    level: Level = Level.STANDARD,
    severity: Severity | None = None,
    position: DevicePosition | None = None,
) -> Plan:
    """Decide one sign; every draw always happens, so that seeds stay comparable."""
    rng = stream(seed, Purpose.SIGN, sign.number)
    hard = level is Level.HARD
    odds = (0.6, 0.3, 0.1) if hard else (0.3, 0.42, 0.28)
    drawn = SEVERITIES[int(rng.choice(3, p=odds))]
    side_roll, place_roll = rng.random(2)
    numbers = rng.random(NUMBERS)
    amount = float(rng.random())
    either = _SIDES.get(sign, (_R, _L))
    places = POSITIONS.get(sign, ())
    return Plan(
        sign=sign,
        severity=severity or drawn,
        amount=0.5 * amount if hard else amount,
        side=None if sign in _MIDLINE else either[int(side_roll * len(either))],
        position=(position or places[int(place_roll * len(places))]) if places else None,
        numbers=tuple(float(v) for v in numbers),
        faint=0.6 if hard else 1.0,
    )
