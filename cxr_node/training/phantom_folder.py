"""A folder that ``cxr-node phantom make`` wrote, as dialogue records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cxr_node.domain.errors import AnswerRefused, RecordRefused
from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import QUALITY_DIMENSIONS, StageKey
from cxr_node.reasoning.prompts import STRUCTURES, pair
from cxr_node.training.record_stages import Answered, shown, turns_of
from cxr_node.training.records import Record, new_record

TRUTH = "truth.jsonl"
SOURCE = "cxr-node phantom"
_S = StageKey


def folder_records(folder: Path) -> Iterator[Record]:
    """A record of every film; of a pair the earlier study first, then the one that follows it.

    Pictures are named by their path in ``folder``. Raises :class:`RecordRefused` naming the
    line of ``truth.jsonl``.
    """
    path = folder / TRUTH
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield from film_records(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, AnswerRefused) as error:
                    words = f"{path}, line {number}: is no phantom's truth"
                    raise RecordRefused(words) from error
    except OSError as error:
        raise RecordRefused(f"{path}: cannot be read: {error.strerror}") from error


def film_records(film: Mapping[str, Any]) -> Iterator[Record]:
    """The record of one line of ``truth.jsonl``, behind that of its earlier study."""
    before = film.get("prior")
    if before is not None:
        yield _record(before, _study(film, prior=True), following=_study(film))
    yield _record(film, _study(film), before=before)


def _study(film: Mapping[str, Any], *, prior: bool = False) -> str:
    return f"phantom-{film['seed']:08d}{'-prior' if prior else ''}"


def _record(
    film: Mapping[str, Any],
    study: str,
    *,
    before: Mapping[str, Any] | None = None,
    following: str | None = None,
) -> Record:
    return new_record(
        shown(turns_of(answered_stages(film["stages"])), 1, earlier=1 if before else 0),
        source=SOURCE,
        patient=_study(film),
        study=study,
        images=[film["image"], *([before["image"]] if before else ())],
        reference_study=_study(film, prior=True) if before else None,
        following_study=following,
        difficulty=film["difficulty"],
    )


def answered_stages(stages: Mapping[str, Any]) -> Iterator[Answered]:
    """The answers of all stages that were walked, in the order of the graph."""
    quality, findings = stages[_S.QUALITY_VIEW], stages[_S.FINDINGS]
    for name in ("projection", *QUALITY_DIMENSIONS, "limits"):
        yield Answered(_S.QUALITY_VIEW, name, quality[name])
    yield Answered(_S.FINDINGS, "overall", findings["overall"])
    for kind in FindingKind:
        yield Answered(_S.FINDINGS, "presence", findings["presence"][kind], kind)
    yield Answered(_S.FINDINGS, "other", findings["other"])
    yield from _attributes(stages[_S.ATTRIBUTES_GROUNDING])
    for triple in stages[_S.RELATIONSHIPS] or ():
        subject = pair(triple["first"], triple["second"])
        yield Answered(_S.RELATIONSHIPS, "relation", triple["relation"], subject)
    yield from _later(stages)


def _attributes(found: Mapping[str, Any]) -> Iterator[Answered]:
    stage = _S.ATTRIBUTES_GROUNDING
    for kind in (kind for kind in FindingKind if kind in found):
        told = found[kind]
        for name in ("side", "zone", "severity", "position"):
            if told[name] is not None:
                yield Answered(stage, name, told[name], kind)
        yield Answered.place("box", told["box"], kind)
        yield Answered(stage, "description", told["description"], kind)
    for name in STRUCTURES:
        if found["anatomy"][name] is not None:
            yield Answered.place("anatomy_box", found["anatomy"][name], name)


def _later(stages: Mapping[str, Any]) -> Iterator[Answered]:
    compared = stages[_S.COMPARISON]
    if compared is not None:
        present = stages[_S.FINDINGS]["presence"]
        for kind in FindingKind:
            if present[kind] == "present" and kind in compared["change"]:
                yield Answered(_S.COMPARISON, "change", compared["change"][kind], kind)
        yield Answered(_S.COMPARISON, "summary", compared["summary"])
    for stage, names in (
        (_S.FUTURE_TREND, ("course", "summary")),
        (_S.ADVICE, ("category", "next_step")),
        (_S.REPORT, ("findings", "impression")),
    ):
        for name in names if stages[stage] is not None else ():
            yield Answered(stage, name, stages[stage][name])
