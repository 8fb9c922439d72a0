"""Which questions are foreseen behind which, without a model."""

from __future__ import annotations

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import GRAPH, StageKey
from cxr_node.reasoning.closed import ClosedQuestions
from cxr_node.reasoning.foresight import Foresight, Step, followers
from cxr_node.reasoning.manners import manner_of
from cxr_node.reasoning.profiles import Profile

KINDS = list(FindingKind)


def _step(stage: StageKey, key: str, subject: str = "") -> Step:
    asked = next(s for s in GRAPH if s.key is stage)
    return Step(stage, next(q for q in asked.questions if q.key == key), subject)


def test_nothing_is_expected_of_the_verdict_until_the_model_has_given_one() -> None:
    profile = Profile()
    questions = ClosedQuestions(profile, manner_of(profile, quick=True))
    first = _step(StageKey.QUALITY_VIEW, "projection")
    run = Foresight(questions, triage=True).ahead(first)
    assert len(run) == 1 + len(KINDS)
    assert run[0].answer is not None
    assert run[1].answer is None
    assert run[1].heard is not None
    verdict = _step(StageKey.FINDINGS, "overall")
    normal, abnormal = questions.worded(verdict.stage, verdict.question, "").options
    assert run[1].heard((-2.0, -0.1)) == abnormal
    assert run[1].heard((-0.1, -2.0)) == normal


def test_a_run_of_findings_goes_on_to_the_last() -> None:
    found = _step(StageKey.FINDINGS, "presence", KINDS[0])
    assert [one.subject for one in followers(GRAPH, found, triage=True)] == KINDS[1:]


def test_what_was_said_once_is_read_as_the_walk_would_read_it() -> None:
    """By the operating point of the profile, not by the highest score."""
    profile = Profile(thresholds={KINDS[0]: 0.2})
    questions = ClosedQuestions(profile, manner_of(profile, quick=True))
    step = _step(StageKey.FINDINGS, "presence", KINDS[0])
    follower = Foresight(questions, triage=True).ahead(step)[0]
    assert follower.heard is not None
    asked = questions.worded(step.stage, step.question, step.subject)
    said = dict(zip(asked.offered, asked.options, strict=True))
    assert follower.answer == said["absent"]
    assert follower.heard((-1.3, -0.4, -9.0)) == said["present"]
    assert follower.heard((-3.0, -0.1, -9.0)) == said["absent"]
    assert follower.heard((-3.0, -1.0, -0.5)) == said["uncertain"]
