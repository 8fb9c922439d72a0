"""The grade: every promise of the path, and what the model declares of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_node.domain.findings import ModelIdentity
from cxr_node.evaluation.commission.figures import Figure, Verdict, figures
from cxr_node.evaluation.commission.limits import Limits
from cxr_node.evaluation.commission.path_checks import Check, path_checks
from cxr_node.evaluation.commission.studies import Asked
from cxr_node.reasoning.profiles import PHANTOMS

NOT_FOR_PHANTOMS = (
    "The intended use of this model is not phantoms: the path is graded, its findings are not."
)
NO_LIMITS = (
    "No limits are declared for this version of the model on these phantoms: the path is graded, "
    "its findings are not. Declare some in a file for --limits."
)


@dataclass(frozen=True, slots=True)
class Grade:
    """``scope`` says in words what was not graded; empty when all was."""

    checks: tuple[Check, ...]
    figures: tuple[Figure, ...]
    scope: str

    @property
    def passed(self) -> bool:
        limited = all(figure.verdict is not Verdict.FAILS for figure in self.figures)
        return limited and all(check.passed for check in self.checks)


def grade(asked: Sequence[Asked], limits: Limits, model: ModelIdentity, difficulty: str) -> Grade:
    """Grade what came back. Without one study that may be read, nothing passes."""
    checks = path_checks(asked, limits.path, model.digest)
    if not any(one.readable for one in asked):
        checks.append(Check("there are studies to be read", "", ("none was sent",)))
    declared = limits.of(model, difficulty)
    if declared is None:
        scope = NO_LIMITS if model.intended_use == PHANTOMS else NOT_FOR_PHANTOMS
        return Grade(tuple(checks), (), scope)
    return Grade(tuple(checks), tuple(figures(asked, limits, declared)), "")
