"""A model whose weights an inference server holds: the whole dialogue goes with every question.

The server keeps no study; its prefix cache finds again what it has already read, as long as
each request is the former one with something added, byte for byte. So the pictures are
encoded once, messages are only appended, and nothing in a request depends on the time or on
other studies.

Request fields (``POST /v1/chat/completions``; vLLM 0.11 or later, which brought
``structured_outputs``; 0.10 and older took ``guided_choice`` instead and ignore what they do
not know, which the check at the start finds out):

* ``messages``: pictures as ``image_url`` parts with PNG data URIs before the words of the
  first question, in the order shown; later turns as plain strings; the system line where the
  profile has one.
* ``structured_outputs: {"choice": [...]}``, ``logprobs``, ``top_logprobs``: a closed question.
* ``stop``, ``max_completion_tokens``: an open one.
* ``continue_final_message: true``, ``add_generation_prompt: false``: the last message is the
  beginning of the answer, and is continued (since 0.6.3).
* ``temperature: 0`` and penalties switched off by value: the server would else take them
  from the model's ``generation_config.json``, and Qwen2.5-VL's has a repetition penalty.
* ``cache_salt`` (since 0.9): a digest of the site's salt and the pictures, so that neither
  another site nor another patient's study can share a cached prefix with this one.
* ``mm_processor_kwargs: {"min_pixels", "max_pixels"}``: the Qwen processors round both sides
  of a picture to whole visual tokens and scale it into these bounds. A picture in the
  profile's size is already whole and within, so that it passes unchanged.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from PIL import Image
from pydantic import ValidationError

from cxr_node.domain.errors import AnswerRefused, EngineUnavailable, ModelRefused
from cxr_node.domain.findings import ModelIdentity
from cxr_node.domain.ports import Ask, Conversation, Generated, ImagePolicy, PreparedImage, Reply
from cxr_node.reasoning.architectures import KINDS
from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.engine_answers import Completion, option_scores, written
from cxr_node.reasoning.engine_client import PARALLEL, Declined, EngineClient
from cxr_node.reasoning.profiles import Manifest, Profile, identity
from cxr_node.reasoning.transcript import Transcript

ALTERNATIVES = 20
"""Alternatives asked for at every token of a closed answer; vLLM's own default limit."""

_NOT_SERVED = 404
_GREEDY: dict[str, Any] = {
    "temperature": 0.0,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "n": 1,
    "stream": False,
}

Message = dict[str, Any]


class EngineConversation:
    """Implements :class:`cxr_node.domain.ports.Conversation` as a list of messages."""

    def __init__(self, chat: Chat, images: Sequence[PreparedImage], site_salt: str) -> None:
        self._transcript = Transcript(chat, images)
        self._messages: list[Message] = []
        if chat.system:
            self._messages.append({"role": "system", "content": chat.system})
        self._pictures = [_picture_part(image) for image in images]
        self.salt = _salt(site_salt, images)
        """Keeps the server's cache of this study's pictures apart."""

    @property
    def context(self) -> str:
        return self._transcript.context

    def put(self, ask: Ask) -> list[Message]:
        """The messages of a request for ``ask``.

        Raises RuntimeError when a question is open, or none is where ``ask`` goes on with one.
        """
        if ask.prompt:
            self._transcript.ask(ask.prompt)
            words: Any = ask.prompt
            if self._pictures:
                words = [*self._pictures, {"type": "text", "text": ask.prompt}]
                self._pictures = []
            self._messages.append({"role": "user", "content": words})
        elif not self._transcript.waiting:
            raise RuntimeError("no question is open")
        begun = [{"role": "assistant", "content": ask.lead}] if ask.lead else []
        return [*self._messages, *begun]

    def settle(self, answer: str) -> None:
        """Fix the answer of the open question; exactly this text is sent with later ones."""
        self._transcript.settle(answer)
        self._messages.append({"role": "assistant", "content": answer})

    def resume(self, turns: Sequence[tuple[str, str]]) -> None:
        """Take prompts with their answers as said; all are sent with the next question."""
        for prompt, answer in turns:
            self.put(Ask(prompt))
            self.settle(answer)


class EngineModel:
    """Implements :class:`cxr_node.domain.ports.VisionModel`; keeps no state of a study."""

    def __init__(self, client: EngineClient, manifest: Manifest, *, site_salt: str = "") -> None:
        if manifest.engine is None:
            raise ValueError("the manifest names no served model")
        self._client = client
        self._manifest = manifest
        self._served = manifest.engine.served_name
        self._salt = site_salt
        self._identity = identity(manifest)
        self._pixels = pixel_bounds(manifest)
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="engine")

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    @property
    def image_policy(self) -> ImagePolicy:
        return self._manifest.image_policy

    @property
    def profile(self) -> Profile:
        return self._manifest.profile

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        """Start a study on 1 to ``profile.pictures`` pictures; asks the server nothing yet.

        Only when the server failed last does it wait for its return. Raises
        :class:`EngineUnavailable`.
        """
        if not 1 <= len(images) <= self.profile.pictures:
            raise ValueError(f"this model looks at 1 to {self.profile.pictures} pictures")
        cell = KINDS[self._manifest.architecture].cell
        if any(image.width % cell or image.height % cell for image in images):
            raise ValueError(f"picture sides must be multiples of {cell}")
        self._client.await_return()
        yield EngineConversation(self._manifest.scaffolding, images, self._salt)

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        """One question each of several open studies, all under way at once.

        Raises :class:`EngineUnavailable` when the server gives no usable answer to one of
        them, and :class:`ModelRefused` when another model answers than the one named.
        """
        turns = [(_of(conversation), ask) for conversation, ask in asked]
        if len(turns) == 1:
            return [self._reply(*turns[0])]
        under_way = [self._pool.submit(self._reply, *turn) for turn in turns]
        wait(under_way)
        return [reply.result() for reply in under_way]

    def complete(self, messages: Sequence[Message], salt: str, **more: Any) -> Completion:
        """One request; ``more`` are its fields beyond the common ones.

        Raises as :meth:`answer` does, and :class:`Declined` when the server takes the
        request for a wrong one.
        """
        body = _GREEDY | {"model": self._served, "messages": list(messages), "cache_salt": salt}
        body |= {"mm_processor_kwargs": self._pixels} | more
        try:
            found = Completion.model_validate_json(self._client.complete(_json(body)))
        except ValidationError:
            # The text of the error would quote the answer.
            raise EngineUnavailable(
                f"the inference server at {self._client.address} sends what is no chat completion"
            ) from None
        except Declined as error:
            if error.status == _NOT_SERVED:
                raise self._other_model("no model of that name") from error
            raise
        if found.model != self._served:
            raise self._other_model("another model")
        return found

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown()
        self._client.close()

    def _other_model(self, answers: str) -> ModelRefused:
        return ModelRefused(
            f"the inference server at {self._client.address} was asked for {self._served} and "
            f"{answers} answers: start it with --served-model-name {self._served}"
        )

    def _reply(self, talk: EngineConversation, ask: Ask) -> Reply:
        """The reply to one question; a refused answer as a value."""
        messages = talk.put(ask)
        if not ask.options and ask.max_new_tokens <= 0:
            return Generated("", truncated=True)
        begun = bool(ask.lead)
        framing = {"add_generation_prompt": not begun, "continue_final_message": begun}
        try:
            found = self.complete(messages, talk.salt, **framing, **_question(ask))
            if ask.options:
                return option_scores(found, ask.options, self._manifest.stop_tokens)
            return written(found, ask.stop)
        except AnswerRefused as refusal:
            return refusal
        except Declined as declined:
            return AnswerRefused(str(declined))


def _question(ask: Ask) -> dict[str, Any]:
    """The fields in which closed and open questions differ."""
    if not ask.options:
        return {"max_completion_tokens": ask.max_new_tokens, "stop": list(ask.stop)}
    return {
        "structured_outputs": {"choice": list(ask.options)},
        "logprobs": True,
        "top_logprobs": ALTERNATIVES,
        # A token is at least one byte of text; one more is the end.
        "max_completion_tokens": max(len(option.encode()) for option in ask.options) + 1,
    }


def _picture_part(image: PreparedImage) -> Message:
    """A picture inline, lossless; 8-bit grey, of which the server makes three equal colours."""
    file = io.BytesIO()
    Image.frombytes("L", (image.width, image.height), image.gray).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}}


def _salt(site_salt: str, images: Sequence[PreparedImage]) -> str:
    digest = hashlib.sha256(site_salt.encode("utf-8"))
    for image in images:
        digest.update(hashlib.sha256(image.gray).digest())
    return digest.hexdigest()


def pixel_bounds(manifest: Manifest) -> dict[str, int]:
    """Least and most pixels of a picture that the server shall take as it is."""
    policy = manifest.image_policy
    least = KINDS[manifest.architecture].cell ** 2
    return {"min_pixels": least, "max_pixels": policy.max_pixels or policy.side**2}


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _of(conversation: Conversation) -> EngineConversation:
    if not isinstance(conversation, EngineConversation):
        raise TypeError("this conversation belongs to another kind of model")
    return conversation
