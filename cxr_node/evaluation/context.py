"""What a model sees of its earlier answers: all of them, none, or the right ones instead.

CXRTrek's claim is that the earlier stages help the later ones (arXiv 2505.23143); these are
its three ways of asking. Only evaluation uses them: the node always shows the own answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from enum import StrEnum

from cxr_node.domain.findings import ModelIdentity
from cxr_node.domain.ports import Ask, Conversation, ImagePolicy, PreparedImage, Reply
from cxr_node.domain.stages import GRAPH, AnswerKind
from cxr_node.evaluation.truth import StudyTruth
from cxr_node.reasoning import prompts
from cxr_node.reasoning.profiles import Profile, ProfiledModel
from cxr_node.reasoning.prompts import Wording


class Context(StrEnum):
    """What stands before a question besides the picture."""

    OWN = "own"
    NONE = "none"
    """Nothing: every question is the first one."""
    REFERENCE = "reference"
    """The right options, where they are known, in place of the model's own."""


class ContextModel:
    """Stands in for ``model`` and shows it the ``context`` that is asked for."""

    def __init__(self, model: ProfiledModel, context: Context) -> None:
        self._model = model
        self._context = context
        self._right: Mapping[str, str] = {}

    @property
    def identity(self) -> ModelIdentity:
        return self._model.identity

    @property
    def image_policy(self) -> ImagePolicy:
        return self._model.image_policy

    @property
    def profile(self) -> Profile:
        return self._model.profile

    def tell(self, truth: StudyTruth) -> None:
        """What is right of the study that begins next."""
        self._right = right_answers(truth, self.profile.wording)

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        """Open a study."""
        if self._context is Context.NONE:
            with _Alone(self._model, images) as alone:
                yield alone
            return
        right = self._right if self._context is Context.REFERENCE else {}
        with self._model.begin(images) as conversation:
            yield _Corrected(conversation, right)

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        """Nothing is foreseen: what follows may not be what the model would expect."""
        ready = [(_inner(talk, ask), replace(ask, ahead=())) for talk, ask in asked]
        return self._model.answer(ready)


class _Corrected:
    """A conversation in which right answers take the place of given ones."""

    def __init__(self, conversation: Conversation, right: Mapping[str, str]) -> None:
        self._conversation, self._right = conversation, right
        self._prompt = ""

    @property
    def context(self) -> str:
        return self._conversation.context

    def ask(self, ask: Ask) -> Conversation:
        self._prompt = ask.prompt or self._prompt
        return self._conversation

    def settle(self, answer: str) -> None:
        self._conversation.settle(self._right.get(self._prompt, answer))


class _Alone:
    """A conversation that begins anew with every question."""

    def __init__(self, model: ProfiledModel, images: Sequence[PreparedImage]) -> None:
        self._model, self._images = model, images
        self._opened = ExitStack()
        self._conversation: Conversation | None = None

    def __enter__(self) -> _Alone:
        self.ask(Ask(""))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def context(self) -> str:
        return "" if self._conversation is None else self._conversation.context

    def ask(self, ask: Ask) -> Conversation:
        if self._conversation is None:
            self._conversation = self._opened.enter_context(self._model.begin(self._images))
        return self._conversation

    def settle(self, answer: str) -> None:
        """Forget the question with its answer."""
        self._opened.close()
        self._opened, self._conversation = ExitStack(), None
        self.ask(Ask(""))


def _inner(talk: Conversation, ask: Ask) -> Conversation:
    if not isinstance(talk, _Alone | _Corrected):
        raise TypeError("a conversation that this model did not begin")
    return talk.ask(ask)


def right_answers(truth: StudyTruth, wording: Wording) -> dict[str, str]:
    """Prompt of every closed question to the words of its right answer; texts stay the model's."""
    found = {}
    for stage in GRAPH:
        for question in stage.questions:
            if question.kind is not AnswerKind.CLOSED:
                continue
            for (where, key, subject), answer in truth.answers.items():
                if (where, key) == (stage.key, question.key):
                    prompt = prompts.question_words(wording, stage.key, question, subject)
                    found[prompt] = prompts.option_words(wording, answer)
    return found
