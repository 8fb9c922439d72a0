"""The demonstration set: studies a radiologist would name at a glance, and two misfits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cxr_node.domain.findings import FindingKind, Severity
from cxr_node.domain.instance import View
from cxr_node.phantom.dicom import write_phantom
from cxr_node.phantom.make import make_phantom
from cxr_node.phantom.misfits import write_ct, write_truncated
from cxr_node.phantom.truth import Phantom, PhantomTruth

SIZE = 1024


@dataclass(frozen=True, slots=True)
class Shot:
    """One radiograph of a case."""

    view: View
    findings: tuple[FindingKind, ...] = ()
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

    @property
    def patient_id(self) -> str:
        return f"QC-{self.number:04d}"

    def phantoms(self, size: int = SIZE) -> tuple[Phantom, ...]:
        """The radiographs, drawn."""
        return tuple(
            make_phantom(
                self.seed, size=size, findings=s.findings, view=s.view, severity=s.severity
            )
            for s in self.shots
        )

    def truths(self) -> tuple[PhantomTruth, ...]:
        """The answers, from small drawings."""
        return tuple(p.truth for p in self.phantoms(224))

    def write(self, folder: Path, size: int = SIZE) -> tuple[Path, ...]:
        """Write the study's files; in acquisition order."""
        if self.misfit is not None:
            return (self.misfit(folder, self.number),)
        return tuple(
            write_phantom(p, folder, case=self.number, number=n)
            for n, p in enumerate(self.phantoms(size), start=1)
        )


def demo_cases() -> list[DemoCase]:
    """Eight studies: six to read, a CT and a file that ends early."""
    k = FindingKind
    return [
        DemoCase(1, "normal", 101, (Shot(View.PA),)),
        DemoCase(
            2, "large pneumothorax", 104, (Shot(View.AP, (k.PNEUMOTHORAX,), Severity.SEVERE),)
        ),
        DemoCase(
            3,
            "effusion and large heart",
            103,
            (Shot(View.PA, (k.PLEURAL_EFFUSION, k.CARDIOMEGALY), Severity.SEVERE),),
        ),
        DemoCase(4, "consolidation", 108, (Shot(View.PA, (k.CONSOLIDATION,), Severity.SEVERE),)),
        DemoCase(
            5,
            "tube, line and pacemaker",
            105,
            (Shot(View.AP, (k.ENDOTRACHEAL_TUBE, k.CENTRAL_VENOUS_CATHETER, k.PACEMAKER)),),
        ),
        DemoCase(
            6,
            "two views, effusion",
            106,
            (
                Shot(View.PA, (k.PLEURAL_EFFUSION,), Severity.MODERATE),
                Shot(View.LATERAL, (k.PLEURAL_EFFUSION,), Severity.MODERATE),
            ),
        ),
        DemoCase(7, "CT of the chest", 107, misfit=write_ct),
        DemoCase(8, "file that ends early", 101, misfit=write_truncated),
    ]
