"""A model that answers from a script: for tests of the node, never for reading.

It can also be slow, crash or hang at a chosen stage, so that fault tests can run it in
a real worker process. Every object made from it says what it is.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.findings import FindingKind, ModelIdentity
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.ports import (
    Ask,
    Conversation,
    Generated,
    ImagePolicy,
    PreparedImage,
    Reply,
    SizePolicy,
)
from cxr_node.domain.stages import GRAPH, Loop, Question, StageKey
from cxr_node.reasoning import prompts
from cxr_node.reasoning.chat import QWEN_CHAT
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.prompts import STRUCTURES, Wording
from cxr_node.reasoning.transcript import Transcript

Answer = str | float | dict[str, float]
"""An option or a text; the probability of present; or option to probability."""

SCRIPTED_CHAT = QWEN_CHAT
"""How a scripted model's dialogue is framed."""

_LIKELY = 0.9
_DEFAULTS: dict[str, Answer] = {
    "projection": "PA",
    "overall": "normal",
    "presence": 0.02,
    "anatomy_box/heart": "(35, 45), (68, 80)",
    "anatomy_box/thorax": "(10, 10), (90, 92)",
    "box": "(20, 20), (40, 40)",
    "limits": "Nothing limits the reading.",
    "other": "none",
    "category": "none",
    "next_step": "none",
    "findings": "Scripted findings.",
    "impression": "Scripted impression.",
}


class Script(BaseModel):
    """A ``*.script.json`` file.

    ``answers`` is looked up by ``stage.question/subject``, ``question/subject``,
    ``stage.question``, then ``question``. A closed question without an entry gets its
    first option, an open one a fixed sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "scripted"
    intended_use: str = "scripted, for tests"
    answers: dict[str, Answer] = {}
    seconds_per_turn: float = Field(0.0, ge=0)
    fails_at: StageKey | None = None
    failure: Literal["error", "kill", "hang"] = "error"
    once: str = ""
    """A file that is made at the first failure; while it exists, nothing fails."""


class ScriptedFailure(RuntimeError):
    """The failure a script asked for."""


class ScriptedModel:
    """Implements :class:`cxr_node.domain.ports.VisionModel` from a script."""

    def __init__(
        self, answers: Mapping[str, Answer] | None = None, script: Script | None = None
    ) -> None:
        base = script or Script()
        self._script = base.model_copy(update={"answers": base.answers | dict(answers or {})})
        self._identity = script_identity(self._script)

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    @property
    def image_policy(self) -> ImagePolicy:
        return ImagePolicy(SizePolicy.LETTERBOX, side=224)

    @property
    def profile(self) -> Profile:
        return Profile(wording=Wording.PLAIN, pictures=4)

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        yield _ScriptedConversation(self._script, images)

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        return [_of(conversation).answer(ask) for conversation, ask in asked]


class _ScriptedConversation:
    def __init__(self, script: Script, images: Sequence[PreparedImage]) -> None:
        self._script = script
        self._transcript = Transcript(SCRIPTED_CHAT, images)

    @property
    def context(self) -> str:
        return self._transcript.context

    def answer(self, ask: Ask) -> Reply:
        """What the script says to ``ask``."""
        stage, question, subject = self._asked(ask.prompt)
        said = self._look_up(stage, question, subject)
        if ask.options:
            chances = _chances(question, said)
            words = {prompts.option_words(Wording.PLAIN, o): p for o, p in chances.items()}
            return tuple(math.log(max(words.get(option, 0.0), 1e-9)) for option in ask.options)
        words_said = str(said or "As scripted.").split(" ")
        longest = ask.max_new_tokens
        return Generated(" ".join(words_said[:longest]), len(words_said) > longest)

    def settle(self, answer: str) -> None:
        self._transcript.settle(answer)

    def _asked(self, prompt: str) -> tuple[StageKey, Question, str]:
        self._transcript.ask(prompt)
        stage, question, subject = _question_in(prompt)
        time.sleep(self._script.seconds_per_turn)
        if stage is self._script.fails_at:
            _fail(self._script)
        return stage, question, subject

    def _look_up(self, stage: StageKey, question: Question, subject: str) -> Answer | None:
        key = question.key
        places = (f"{stage}.{key}/{subject}", f"{key}/{subject}", f"{stage}.{key}", key)
        for answers in (self._script.answers, _DEFAULTS):
            for place in places:
                if place in answers:
                    return answers[place]
        return None


def _of(conversation: Conversation) -> _ScriptedConversation:
    if not isinstance(conversation, _ScriptedConversation):
        raise TypeError("this conversation belongs to another kind of model")
    return conversation


def _chances(question: Question, answer: Answer | None) -> dict[str, float]:
    options = question.options
    if isinstance(answer, dict):
        return answer
    if isinstance(answer, int | float) and "present" in options:
        return {"present": float(answer), "absent": 1.0 - answer}
    chosen = options[0] if answer is None else str(answer)
    if chosen not in options:
        raise ScriptedFailure(f"{chosen} is no option of {question.key}")
    rest = (1.0 - _LIKELY) / max(len(options) - 1, 1)
    return {option: _LIKELY if option == chosen else rest for option in options}


def _fail(script: Script) -> None:
    if script.once:
        try:
            Path(script.once).touch(exist_ok=False)
        except FileExistsError:
            return
    if script.failure == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while script.failure == "hang":
        time.sleep(1.0)
    raise ScriptedFailure("the script says so")


def _question_in(prompt: str) -> tuple[StageKey, Question, str]:
    """What a plain prompt asks; before the first one may stand which picture is which."""
    for first in (False, True):
        note = prompts.pictures_words(Wording.PLAIN, reference_first=first)
        prompt = prompt.removeprefix(f"{note} ")
    return _every_question()[prompt]


@cache
def _every_question() -> dict[str, tuple[StageKey, Question, str]]:
    """Plain prompt to what it asks; the scripted model understands nothing else."""
    return {
        prompts.question_words(Wording.PLAIN, stage.key, question, subject): (
            stage.key,
            question,
            subject,
        )
        for stage in GRAPH
        for question in stage.questions
        for subject in _subjects(question.loop)
    }


def _subjects(loop: Loop) -> list[str]:
    if loop is Loop.PRESENT_PAIR:
        return [prompts.pair(a, b) for a, b in combinations(FindingKind, 2)]
    if loop is Loop.ANATOMY:
        return list(STRUCTURES)
    return [""] if loop is Loop.ONCE else list(FindingKind)


def script_identity(script: Script) -> ModelIdentity:
    """The digest covers the script."""
    canonical = json.dumps(script.model_dump(mode="json"), sort_keys=True)
    digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    return ModelIdentity(
        name=script.name,
        version="1",
        digest=digest,
        family="scripted",
        device_uid=result_uid("model", digest),
        manufacturer="cxr-node project",
        intended_use=script.intended_use,
        statement="scripted, for tests: no model has looked at the image",
    )


def load_script(path: Path) -> Script:
    """Read a script. Raises :class:`ModelRefused` saying what is wrong."""
    try:
        return Script.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelRefused(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ModelRefused(f"{path}: {first['loc']}: {first['msg']}") from error
