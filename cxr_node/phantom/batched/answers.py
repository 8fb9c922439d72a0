"""The answers of all eight stages of one phantom as a record, in the vocabulary of the graph.

Boxes are percent of the picture, left, top, right, bottom, as the stages ask for them; keys
are those of ``domain/stages.py``, so a dialogue can be written from a record alone.
"""

from __future__ import annotations

from typing import Any

from cxr_node.domain.stages import StageKey
from cxr_node.phantom.batched.make import Radiograph, RadiographPair
from cxr_node.phantom.batched.prose import comparison, course_sentence, limitation, sentence
from cxr_node.phantom.batched.streams import Purpose, stream
from cxr_node.phantom.batched.truth import KindTruth, PixelBox, SignTruth
from cxr_node.phantom.batched.verdicts import advice, course, relations


def percent(box: PixelBox | None, size: int) -> list[float] | None:
    """A pixel box in percent of the picture, two decimals."""
    return None if box is None else [round(100 * edge / size, 2) for edge in box]


def record(film: Radiograph, *, compared: RadiographPair | None = None) -> dict[str, Any]:
    """One line of truth.jsonl: identity, facts, the eight stages' answers, the report."""
    facts = film.facts
    return {
        "seed": facts.seed,
        "take": film.case.take,
        "difficulty": facts.difficulty,
        "view": facts.view.value,
        "size": film.size,
        "habitus": {
            "sex": film.case.patient.sex,
            "age": film.case.patient.age,
            "stoutness": round(film.case.patient.stout, 3),
        },
        "heart": percent(facts.heart, film.size),
        "thorax": percent(facts.thorax, film.size),
        "ratio": None if facts.ratio is None else round(facts.ratio, 4),
        "signs": [_sign(s, film.size) for s in facts.signs],
        "stages": stages(film, compared),
    }


def paired_record(films: RadiographPair) -> dict[str, Any]:
    """The current film's record with its comparison, and the prior's inside it."""
    return {
        **record(films.current, compared=films),
        "prior": record(films.prior),
    }


def stages(film: Radiograph, compared: RadiographPair | None = None) -> dict[str, Any]:
    """Stage key to answers; a stage whose condition does not hold is None."""
    facts = film.facts
    something = bool(facts.signs)
    category, step = advice(facts)
    expected = course(facts)
    answers: dict[StageKey, Any] = {
        StageKey.QUALITY_VIEW: {
            "projection": facts.projection,
            **facts.quality,
            "limits": limitation(facts, stream(facts.seed, Purpose.WORDS, 3)) or "none",
        },
        StageKey.FINDINGS: {
            "overall": "abnormal" if facts.abnormal else "normal",
            "presence": {kind.value: state.value for kind, state in facts.presence.items()},
            "other": ", ".join(facts.others) or "none",
        },
        StageKey.ATTRIBUTES_GROUNDING: {
            **{k.kind.value: _attributes(k, film) for k in facts.kinds},
            "anatomy": {
                "heart": percent(facts.heart, film.size),
                "thorax": percent(facts.thorax, film.size),
            },
        },
        StageKey.RELATIONSHIPS: [
            {"first": a.value, "relation": how, "second": b.value} for a, how, b in relations(facts)
        ],
        StageKey.COMPARISON: None if compared is None else _comparison(compared),
        StageKey.FUTURE_TREND: {
            "course": expected,
            "summary": course_sentence(facts, expected),
        }
        if something
        else None,
        StageKey.ADVICE: {"category": category, "next_step": step} if something else None,
        StageKey.REPORT: {"findings": film.findings_text, "impression": film.impression},
    }
    return {key.value: answer for key, answer in answers.items()}


def _comparison(films: RadiographPair) -> dict[str, Any]:
    changes, others = films.changes, films.other_changes
    words = comparison(films.current.facts, changes | others) or "No change."
    return {"change": changes, "other": others, "summary": words}


def _attributes(found: KindTruth, film: Radiograph) -> dict[str, Any]:
    """Side where the kind has one, severity of a disease, position of a device."""
    seen, kind = found.seen_by, found.kind
    side = seen.side.value if seen.side and kind.has_side else None
    return {
        "side": side,
        "zone": seen.zone.value,
        "severity": seen.severity.value if seen.severity else None,
        "position": seen.position.value if seen.position else None,
        "box": percent(seen.box, film.size),
        "description": sentence(
            seen, film.facts, stream(film.facts.seed, Purpose.WORDS, 4 + seen.sign.number)
        ),
    }


def _sign(found: SignTruth, size: int) -> dict[str, Any]:
    return {
        "sign": found.sign.value,
        "side": found.side.value if found.side else None,
        "zone": found.zone.value,
        "severity": found.severity.value if found.severity else None,
        "position": found.position.value if found.position else None,
        "detail": found.detail,
        "box": percent(found.box, size),
    }
