"""The eight-stage graph of a reading, as data with types (arXiv 2505.23143).

Later stages see every earlier answer. Stages 2 and 3 loop per finding; the words of
the questions live in ``reasoning/prompts.py``, what may be answered lives here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class StageKey(StrEnum):
    """Stable keys: they appear in the database, the SR and the data set format."""

    QUALITY_VIEW = "quality_view"
    FINDINGS = "findings"
    ATTRIBUTES_GROUNDING = "attributes_grounding"
    RELATIONSHIPS = "relationships"
    COMPARISON = "comparison"
    FUTURE_TREND = "future_trend"
    ADVICE = "advice"
    REPORT = "report"

    @property
    def number(self) -> int:
        return list(StageKey).index(self) + 1


class Condition(StrEnum):
    """When a stage is walked."""

    ALWAYS = "always"
    SOMETHING_PRESENT = "something present"
    TWO_PRESENT = "two findings present"
    PRIOR = "a prior study"


class Loop(StrEnum):
    """What a question is repeated over."""

    ONCE = "once"
    EVERY_FINDING = "every finding of the vocabulary"
    PRESENT_FINDING = "every finding held present"
    PRESENT_SIDED = "every finding held present that has a side"
    PRESENT_PATHOLOGY = "every pathology held present"
    PRESENT_DEVICE = "every device held present"
    ANATOMY = "heart and thorax"
    PRESENT_PAIR = "every pair of findings held present"


class AnswerKind(StrEnum):
    """How an answer is obtained: scored over its options, or generated and parsed."""

    CLOSED = "closed"
    TEXT = "text"
    BOX = "box"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the graph; ``options`` are the only answers a closed one may have."""

    key: str
    kind: AnswerKind
    options: tuple[str, ...] = ()
    loop: Loop = Loop.ONCE
    triage: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage with its condition and questions, in order."""

    key: StageKey
    condition: Condition
    questions: tuple[Question, ...]


OPENING = "trace"
"""Key of the turn in which a model reasons aloud over the whole image before all questions;
recorded under stage 2. Only some profiles have one."""

_QUALITY = ("adequate", "limited", "inadequate")
QUALITY_DIMENSIONS = ("positioning", "inspiration", "exposure", "rotation", "coverage")
PROJECTIONS = ("PA", "AP", "lateral")
SIDES = ("right", "left", "bilateral")
ZONES = ("upper", "middle", "lower", "apex", "mediastinum", "heart", "chest_wall")
SEVERITIES = ("mild", "moderate", "severe")
POSITIONS = ("correct", "too_high", "too_low", "malpositioned")
RELATIONS = ("none", "explains", "accompanies", "obscures")
CHANGES = ("new", "resolved", "improved", "worsened", "stable", "not_comparable")
TRENDS = ("improve", "stay", "worsen", "unclear")
ACR_CATEGORIES = ("none", "1", "2", "3")
NEXT_STEPS = ("none", "follow_up_radiograph", "ct", "ultrasound", "urgent_clinical_review")


def _closed(
    key: str, options: tuple[str, ...], loop: Loop = Loop.ONCE, *, triage: bool = False
) -> Question:
    return Question(key, AnswerKind.CLOSED, options, loop, triage)


GRAPH: tuple[Stage, ...] = (
    Stage(
        StageKey.QUALITY_VIEW,
        Condition.ALWAYS,
        (
            _closed("projection", PROJECTIONS, triage=True),
            *(_closed(name, _QUALITY) for name in QUALITY_DIMENSIONS),
            Question("limits", AnswerKind.TEXT),
        ),
    ),
    Stage(
        StageKey.FINDINGS,
        Condition.ALWAYS,
        (
            _closed("overall", ("normal", "abnormal"), triage=True),
            _closed(
                "presence", ("present", "absent", "uncertain"), Loop.EVERY_FINDING, triage=True
            ),
            Question("other", AnswerKind.TEXT),
        ),
    ),
    Stage(
        StageKey.ATTRIBUTES_GROUNDING,
        Condition.ALWAYS,
        (
            _closed("side", SIDES, Loop.PRESENT_SIDED),
            _closed("zone", ZONES, Loop.PRESENT_FINDING),
            _closed("severity", SEVERITIES, Loop.PRESENT_PATHOLOGY),
            _closed("position", POSITIONS, Loop.PRESENT_DEVICE),
            Question("box", AnswerKind.BOX, loop=Loop.PRESENT_FINDING),
            Question("description", AnswerKind.TEXT, loop=Loop.PRESENT_FINDING),
            Question("anatomy_box", AnswerKind.BOX, loop=Loop.ANATOMY),
        ),
    ),
    Stage(
        StageKey.RELATIONSHIPS,
        Condition.TWO_PRESENT,
        (_closed("relation", RELATIONS, Loop.PRESENT_PAIR), Question("summary", AnswerKind.TEXT)),
    ),
    Stage(
        StageKey.COMPARISON,
        Condition.PRIOR,
        (
            _closed("change", CHANGES, Loop.PRESENT_FINDING),
            Question("summary", AnswerKind.TEXT),
        ),
    ),
    Stage(
        StageKey.FUTURE_TREND,
        Condition.SOMETHING_PRESENT,
        (_closed("course", TRENDS), Question("summary", AnswerKind.TEXT)),
    ),
    Stage(
        StageKey.ADVICE,
        Condition.SOMETHING_PRESENT,
        (_closed("category", ACR_CATEGORIES), _closed("next_step", NEXT_STEPS)),
    ),
    Stage(
        StageKey.REPORT,
        Condition.ALWAYS,
        (Question("findings", AnswerKind.TEXT), Question("impression", AnswerKind.TEXT)),
    ),
)


class AnswerSource(StrEnum):
    """Who gave an answer."""

    MODEL = "model"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer, with all that is needed to ask it again."""

    stage: StageKey
    question: str
    """Key of the question in the graph."""
    subject: str
    """The finding, pair or structure asked about; empty for a question asked once."""
    prompt: str
    prompt_sha256: str
    context_sha256: str
    """Digest of everything the model had seen before this prompt."""
    answer: str
    """The option, the cleaned text or the box; for a refused one, the words "not assessed"."""
    probabilities: dict[str, float]
    """Option to probability for a closed question; empty for an open one."""
    accepted: bool
    problem: str = ""
    """Why the answer was refused, or what was dropped from it."""
    settled: str = ""
    """The exact text that later questions saw as the answer."""
    scores: dict[str, float] = field(default_factory=dict)
    """Option to log-probability as the model gave it, before calibration."""
    raw: str = ""
    """What the model wrote, before cleaning; empty where nothing was generated."""
    truncated: bool = False
    """Whether the token limit ended ``raw``."""
    source: AnswerSource = AnswerSource.MODEL

    @property
    def key(self) -> tuple[StageKey, str, str]:
        """What was asked: stage, question, subject."""
        return self.stage, self.question, self.subject

    @property
    def by_person(self) -> bool:
        """Whether a person gave the answer; the model was then not asked."""
        return self.source is AnswerSource.PERSON
