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
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.findings import FindingKind, ModelIdentity
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.ports import (
    Ask,
    Conversation,
    ImagePolicy,
    PreparedImage,
    Reply,
    SizePolicy,
)
from cxr_node.domain.stages import OPENING, Question, StageKey
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.chat import QWEN_CHAT, Chat
from cxr_node.reasoning.families import family_of, manifest_for
from cxr_node.reasoning.profiles import Architecture, Family, Manifest, Profile
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.scripted_words import (
    FOLLOW_UP,
    THOUGHTS,
    Asked,
    chances_of,
    in_unit,
    label_list,
    question_about,
    question_in,
    usual,
    write,
)
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
    family: Family | None = None
    """The family whose prompts, pictures and habits are played."""
    architecture: Architecture | None = None
    """One of the family's; the one it was published in when not given."""
    answers: dict[str, Answer] = {}
    pictures: dict[str, dict[str, Answer]] = {}
    """Answers for single pictures, by SOP Instance UID; what they lack stands in ``answers``."""
    raw: dict[str, str] = {}
    """What is written where something is generated, word for word; looked up as ``answers``."""
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
        self._manifest = _manifest(self._script)

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    @property
    def image_policy(self) -> ImagePolicy:
        if self._manifest is not None:
            return self._manifest.image_policy
        return ImagePolicy(SizePolicy.LETTERBOX, side=224)

    @property
    def profile(self) -> Profile:
        if self._manifest is not None:
            return self._manifest.profile
        return Profile(wording=Wording.PLAIN, pictures=4)

    @property
    def chat(self) -> Chat:
        """The framing of the dialogue."""
        return self._manifest.scaffolding if self._manifest is not None else SCRIPTED_CHAT

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        yield _ScriptedConversation(self._script, self.profile, self.chat, images)

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        return [_of(conversation).answer(ask) for conversation, ask in asked]


class _ScriptedConversation:
    def __init__(
        self, script: Script, profile: Profile, chat: Chat, images: Sequence[PreparedImage]
    ) -> None:
        self._script = script
        self._profile = profile
        self._transcript = Transcript(chat, images)
        self._boxes = Boxes.of(profile, images[0])
        self._here = script.pictures.get(images[0].sop_instance_uid.text, {})
        self._open: Asked
        self._resumed = False

    @property
    def context(self) -> str:
        return self._transcript.context

    def answer(self, ask: Ask) -> Reply:
        """What the script says to ``ask``; an empty prompt goes on with the open question."""
        if ask.prompt:
            self._open = self._asked(ask.prompt)
        question = self._open[1]
        if ask.options:
            chances = _chances(question, self._look_up(self._here, self._script.answers, _DEFAULTS))
            found = chances_of(self._profile, question, chances, ask.options)
            return tuple(math.log(max(chance, 1e-9)) for chance in found)
        return write(self._text(question), ask)

    def _text(self, question: Question) -> str:
        """What is written: word for word as scripted, else an answer in the family's form."""
        word_for_word = self._look_up(self._script.raw)
        if word_for_word is not None:
            return str(word_for_word)
        said = self._look_up(self._here, self._script.answers, _DEFAULTS)
        if said is None and question.key == OPENING:
            said = label_list({kind: self._present(kind) for kind in FindingKind})
        words = in_unit(self._boxes, question, str(said or THOUGHTS))
        return usual(self._profile, question, words)

    def _present(self, kind: FindingKind) -> bool:
        asked = question_about(kind)
        said = self._look_up(self._here, self._script.answers, _DEFAULTS, asked=asked)
        chances = _chances(asked[1], said)
        return chances["present"] > chances.get("absent", 0.0)

    def settle(self, answer: str) -> None:
        self._transcript.settle(answer)

    def resume(self, turns: Sequence[tuple[str, str]]) -> None:
        """What is outside the graph and asked after this, the script's ``follow_up`` answers."""
        self._resumed = True
        for prompt, answer in turns:
            self._transcript.ask(prompt)
            self._transcript.settle(answer)

    def _asked(self, prompt: str) -> Asked:
        self._transcript.ask(prompt)
        try:
            asked = question_in(self._profile, prompt)
        except KeyError:
            if not self._resumed:
                raise
            asked = FOLLOW_UP
        time.sleep(self._script.seconds_per_turn)
        if asked[0] is self._script.fails_at:
            _fail(self._script)
        return asked

    def _look_up(self, *places: Mapping[str, Answer], asked: Asked | None = None) -> Answer | None:
        stage, question, subject = asked or self._open
        key = question.key
        names = (f"{stage}.{key}/{subject}", f"{key}/{subject}", f"{stage}.{key}", key)
        return next((place[n] for place in places for n in names if n in place), None)


def _of(conversation: Conversation) -> _ScriptedConversation:
    if not isinstance(conversation, _ScriptedConversation):
        raise TypeError("this conversation belongs to another kind of model")
    return conversation


def _manifest(script: Script) -> Manifest | None:
    if script.family is None:
        return None
    architecture = script.architecture or family_of(script.family).architectures[0]
    return manifest_for(script.family, architecture, name=script.name, version="1")


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
