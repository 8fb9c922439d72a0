"""Is the inference server the one the manifest names, and does it do what is asked of it.

A server may be of a version nobody tried, hold another model, ignore the list of options, or
resize the pictures. None of that shows in an answer, so it is looked at before the first
study: by ``GET /version``, by ``GET /v1/models``, and by one question about a made-up picture.
"""

from __future__ import annotations

import logging
import math
from contextlib import ExitStack
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion
from pydantic import BaseModel, ValidationError

from cxr_node.config import EngineSection
from cxr_node.domain.errors import AnswerRefused, ModelRefused
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Ask, PreparedImage
from cxr_node.domain.stages import GRAPH
from cxr_node.reasoning import prompts
from cxr_node.reasoning.architectures import KINDS
from cxr_node.reasoning.engine_client import Declined, EngineClient
from cxr_node.reasoning.engine_model import EngineConversation, EngineModel
from cxr_node.reasoning.profiles import EngineModel as ServedModel
from cxr_node.reasoning.profiles import Manifest, load_manifest, verify

_MARKS = 2  # tokens before and after a picture's own
_UNKNOWN = "unknown"


class _Version(BaseModel):
    version: str


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: tuple[_Model, ...]


def open_engine(folder: Path, section: EngineSection) -> EngineModel:
    """The model of a folder whose manifest names a served one, after the server was checked.

    Raises :class:`ModelRefused` saying what is wrong and what to do,
    :class:`EngineUnavailable` when the server does not answer, and
    :class:`ConfigurationError` for an unusable file.
    """
    manifest = load_manifest(folder)
    verify(folder, manifest)
    served = _served(manifest, section)
    client = EngineClient(section)
    model = EngineModel(client, manifest, site_salt=section.cache_salt)
    with ExitStack() as on_refusal:
        on_refusal.callback(model.close)
        version = _check_server(client, served)
        _Probe(model, manifest, section.cache_salt).run()
        on_refusal.pop_all()
    tried = logging.INFO if served.versions else logging.WARNING
    emit(Event.ENGINE_READY, level=tried, version=version)
    return model


def look_at_engine(manifest: Manifest, section: EngineSection) -> str:
    """What stands behind ``engine.url``, in words; asks no question and changes nothing.

    Raises as :func:`open_engine` does.
    """
    served = _served(manifest, section)
    client = EngineClient(section)
    try:
        version = _check_server(client, served)
    finally:
        client.close()
    return (
        f"the inference server at {client.address} (version {version}) serves {served.served_name}"
    )


def _served(manifest: Manifest, section: EngineSection) -> ServedModel:
    if manifest.engine is None:
        raise ModelRefused(f"{manifest.name} holds its own weights: leave engine.url empty")
    if not section.url:
        raise ModelRefused(
            f"the weights of {manifest.name} are held by an inference server: set engine.url"
        )
    return manifest.engine


def _check_server(client: EngineClient, served: ServedModel) -> str:
    """Its version and the models it serves; returns the version."""
    version = _version(client, needed=bool(served.versions))
    _check_version(client.address, version, served.versions)
    try:
        names = [model.id for model in _Models.model_validate_json(client.models()).data]
    except (ValidationError, Declined) as error:
        raise ModelRefused(
            f"{client.address}/models lists no models: engine.url must be the address of an "
            "OpenAI-style server, ending in /v1"
        ) from error
    if served.served_name not in names:
        raise ModelRefused(
            f"the inference server at {client.address} does not serve {served.served_name}: "
            f"start it with --served-model-name {served.served_name}"
        )
    return version


def _version(client: EngineClient, *, needed: bool) -> str:
    try:
        return _Version.model_validate_json(client.version()).version
    except (ValidationError, Declined) as error:
        if not needed:
            return _UNKNOWN
        raise ModelRefused(
            f"the inference server at {client.address} does not say its version, but the "
            "manifest names the versions that were tried"
        ) from error


def _check_version(address: str, version: str, tried: str) -> None:
    """Compare as PEP 440 says; a release candidate counts as its place in the order."""
    if not tried:
        return
    try:
        suits = SpecifierSet(tried).contains(version, prereleases=True)
    except InvalidSpecifier as error:
        raise ModelRefused(f"manifest: engine.versions: {tried} is no range of versions") from error
    except InvalidVersion:
        suits = False
    if not suits:
        raise ModelRefused(
            f"the inference server at {address} is version {version[:40]}, tried were {tried}: "
            "install one of those, or add the model again with the versions you have validated"
        )


class _Probe:
    """One closed question about a made-up picture, and the same without the picture."""

    def __init__(self, model: EngineModel, manifest: Manifest, site_salt: str) -> None:
        self._model = model
        self._manifest = manifest
        self._image = _made_up_picture(manifest)
        self._talk = EngineConversation(manifest.scaffolding, [self._image], site_salt)
        wording = manifest.profile.wording
        stage, question = GRAPH[0].key, GRAPH[0].questions[0]
        self._ask = Ask(
            prompts.question_words(wording, stage, question),
            options=tuple(prompts.option_words(wording, option) for option in question.options),
        )

    def run(self) -> None:
        """Raises :class:`ModelRefused` when the server does not do what readings rest on."""
        try:
            (reply,) = self._model.answer([(self._talk, self._ask)])
            if isinstance(reply, AnswerRefused):
                raise self._refused(
                    f"{reply}: it must honour structured_outputs (vLLM 0.11 or later), send "
                    "log-probabilities (--max-logprobs 20) and run without a reasoning parser"
                )
            self._check_picture()
        except Declined as declined:
            raise self._refused(f"{declined}: read its log") from declined

    def _check_picture(self) -> None:
        """Tokens of the question with and without the picture tell the size it was seen in."""
        words = self._ask.prompt
        without = EngineConversation(self._manifest.scaffolding, [], "").put(Ask(words))
        shown = EngineConversation(self._manifest.scaffolding, [self._image], "").put(Ask(words))
        seen = self._count(shown) - self._count(without) - _MARKS
        cell = KINDS[self._manifest.architecture].cell
        expected = (self._image.width // cell) * (self._image.height // cell)
        if seen != expected:
            raise self._refused(
                f"a picture of {self._image.width} x {self._image.height} pixels makes {seen} "
                f"tokens there instead of {expected}: it must not be resized; see "
                "--mm-processor-kwargs in the operator's guide"
            )

    def _count(self, messages: list[dict[str, object]]) -> int:
        found = self._model.complete(messages, self._talk.salt, max_completion_tokens=1)
        if found.usage is None:
            raise self._refused("it does not say how many tokens a question has")
        return found.usage.prompt_tokens

    def _refused(self, why: str) -> ModelRefused:
        return ModelRefused(f"the inference server failed its check: {why}")


def _made_up_picture(manifest: Manifest) -> PreparedImage:
    """A grey ramp in the largest square that the profile shows."""
    policy = manifest.image_policy
    side = policy.side or math.isqrt(policy.max_pixels) // policy.multiple * policy.multiple
    row = bytes(255 * x // max(side - 1, 1) for x in range(side))
    return PreparedImage(
        sop_instance_uid=Uid("2.25.0"),
        width=side,
        height=side,
        gray=row * side,
        left=0,
        top=0,
        content_width=side,
        content_height=side,
        original_columns=side,
        original_rows=side,
    )
