"""Which role each address needs: one table, and what is not in it is closed to everybody."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxr_node.domain.access import Role

EVERYBODY = frozenset(Role)
READERS = frozenset({Role.READER})
OPERATORS = frozenset({Role.OPERATOR})
ARCHIVES = frozenset({Role.ARCHIVE})
_SAFE = ("GET", "HEAD")
_WRITING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Rule:
    """``roles`` is None for what needs no sign-in at all."""

    methods: tuple[str, ...]
    path: re.Pattern[str]
    roles: frozenset[Role] | None


def _rule(methods: tuple[str, ...], path: str, roles: frozenset[Role] | None) -> Rule:
    return Rule(methods, re.compile(path), roles)


RULES: tuple[Rule, ...] = (
    _rule(_SAFE, r"/healthz", None),
    _rule(_SAFE, r"/static/.*", None),
    _rule(("GET", "HEAD", "POST"), r"/login", None),
    _rule(("POST",), r"/logout", None),
    _rule(_WRITING, r"/(api/v1/)?switches(/.*)?", OPERATORS),
    _rule(_WRITING, r"/(api/v1/)?studies/.*", READERS),
    _rule(("POST",), r"/dicom-web/studies", ARCHIVES),
    _rule(_WRITING, r"/dicom-web/workitems/[^/]+/subscribers/.*", EVERYBODY),
    _rule(_WRITING, r"/dicom-web/workitems(/.*)?", READERS | OPERATORS),
    _rule(_SAFE, r"/.*", EVERYBODY),
    _rule(_WRITING, r"/.*", OPERATORS),
)
"""The first that fits decides."""


def rule_for(method: str, path: str) -> Rule | None:
    """The rule of a request; None for a method that nobody may use."""
    return next(
        (rule for rule in RULES if method in rule.methods and rule.path.fullmatch(path)), None
    )
