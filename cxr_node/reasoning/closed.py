"""Closed questions as a profile words them, and what scores of their options mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.ports import Scores
from cxr_node.domain.stages import Loop, Question, StageKey
from cxr_node.reasoning import answers, prompts
from cxr_node.reasoning.manners import Heard, Manner
from cxr_node.reasoning.profiles import Profile


@dataclass(frozen=True, slots=True)
class Worded:
    """A question in the words of the model, its options as keys and in words."""

    words: str
    offered: tuple[str, ...]
    options: list[str]


@dataclass(frozen=True, slots=True)
class ClosedQuestions:
    """What one profile makes of the questions of the graph; nothing of a study."""

    profile: Profile
    manner: Manner

    def worded(self, stage: StageKey, question: Question, subject: str) -> Worded:
        wording = self.profile.wording
        unit = prompts.BOX_UNITS[self.profile.boxes]
        words = prompts.question_words(wording, stage, question, subject, unit)
        offered = prompts.offered(wording, question)
        return Worded(words, offered, [prompts.option_words(wording, o) for o in offered])

    def answered(
        self, question: Question, subject: str, scored: Scores
    ) -> tuple[str, dict[str, float]]:
        """The option that scores mean, and the probability of each.

        Raises :class:`AnswerRefused` when they mean nothing.
        """
        offered = prompts.offered(self.profile.wording, question)
        settings = self.profile.calibration_of(question.key, subject)
        found = answers.probabilities(scored, offered, settings)
        if question.loop is Loop.EVERY_FINDING:
            threshold = self.profile.threshold(FindingKind(subject))
            return answers.presence(found, threshold), found
        return answers.most_probable(found), found

    def settled(self, question: Question, answer: str, heard: Heard) -> str:
        """The words that stand as the answer in the dialogue."""
        wording = self.profile.wording
        offered = prompts.offered(wording, question)
        options: Sequence[str] = [prompts.option_words(wording, o) for o in offered]
        return self.manner.settled(prompts.option_words(wording, answer), options, heard)
