"""The demonstration set: studies a radiologist would name at a glance, and two misfits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cxr_node.domain.findings import Severity
from cxr_node.domain.instance import View
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import write_film
from cxr_node.phantom.batched.make import Radiograph, radiographs
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.truth import Facts
from cxr_node.phantom.batched.vendors import VENDORS
from cxr_node.phantom.misfits import write_ct, write_truncated

SIZE = 1024


@dataclass(frozen=True, slots=True)
class Shot:
    """One radiograph of a case."""

    view: View
    signs: tuple[Sign, ...] = ()
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class DemoCase:
    """One study of the demonstration; ``readable`` is False for what must be declined."""

    number: int
    name: str
    seed: int
    shots: tuple[Shot, ...] = ()
    misfit: Callable[[Path, int], Path] | None = None

    @property
    def readable(self) -> bool:
        return self.misfit is None

    def films(self, size: int = SIZE) -> Iterator[Radiograph]:
        """The radiographs, drawn."""
        shots = (
            make_case(self.seed, view=shot.view, signs=shot.signs, severity=shot.severity)
            for shot in self.shots
        )
        return radiographs(shots, size)

    def truths(self) -> tuple[Facts, ...]:
        """The answers, from small drawings."""
        return tuple(film.facts for film in self.films(224))

    def write(self, folder: Path, size: int = SIZE) -> tuple[Path, ...]:
        """Write the study's files; in acquisition order."""
        if self.misfit is not None:
            return (self.misfit(folder, self.number),)
        maker = VENDORS[0]
        return tuple(write_film(film, folder, maker) for film in self.films(size))


def demo_cases() -> list[DemoCase]:
    """Eight studies: six to read, a CT and a file that ends early."""
    severe, moderate = Severity.SEVERE, Severity.MODERATE
    return [
        DemoCase(1, "normal", 50_000_001, (Shot(View.PA),)),
        DemoCase(
            2, "large pneumothorax", 50_000_002, (Shot(View.AP, (Sign.PNEUMOTHORAX,), severe),)
        ),
        DemoCase(
            3,
            "effusion and large heart",
            50_000_003,
            (Shot(View.PA, (Sign.PLEURAL_EFFUSION, Sign.CARDIOMEGALY), severe),),
        ),
        DemoCase(4, "consolidation", 50_000_004, (Shot(View.PA, (Sign.CONSOLIDATION,), severe),)),
        DemoCase(
            5,
            "tube, line and pacemaker",
            50_000_005,
            (
                Shot(
                    View.AP,
                    (Sign.ENDOTRACHEAL_TUBE, Sign.CENTRAL_VENOUS_CATHETER, Sign.PACEMAKER),
                ),
            ),
        ),
        DemoCase(
            6,
            "two views, effusion",
            50_000_006,
            (
                Shot(View.PA, (Sign.PLEURAL_EFFUSION,), moderate),
                Shot(View.LATERAL, (Sign.PLEURAL_EFFUSION,), moderate),
            ),
        ),
        DemoCase(7, "CT of the chest", 107, misfit=write_ct),
        DemoCase(8, "file that ends early", 101, misfit=write_truncated),
    ]
