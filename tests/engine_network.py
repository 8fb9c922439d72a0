"""The model behind the test inference server: the library's own forward, nothing of the node.

It renders the chat with the folder's own template, sizes pictures with the folder's own
processor, lets the library find positions, and decodes greedily, constrained to given choices
if asked. So that what the node concludes over HTTP is compared with an independent reading.

Its prefix cache is worse than real ones: it finds a prefix again by its tokens and its salt
alone, and never looks at the pictures. Studies are kept apart by their salts or not at all.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoModelForImageTextToText, DynamicCache, Qwen2VLImageProcessorPil

from cxr_node.reasoning.profiles import load_manifest

FLOOR = -9999.0
Entry = dict[str, Any]


@dataclass(slots=True)
class Completed:
    """What came of one request."""

    text: str
    finish_reason: str
    prompt_ids: list[int]
    prompt_text: str
    logprobs: list[Entry] = field(default_factory=list)


class EngineNetwork:
    """One model folder, read without the node's own code. One request at a time."""

    def __init__(self, folder: Path, *, masked: bool = True) -> None:
        self.masked = masked
        """Whether log-probabilities are taken after the grammar's mask, as vLLM's V1 does."""
        self._manifest = load_manifest(folder)
        self._network: Any = AutoModelForImageTextToText.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, attn_implementation="sdpa"
        )
        self._network.train(False)
        self._processor: Any = Qwen2VLImageProcessorPil.from_pretrained(folder)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._template = _template(folder)
        self._ends = [self._tokenizer.token_to_id(token) for token in self._manifest.stop_tokens]
        self._picture_token = self._manifest.scaffolding.picture_token
        self._blank = self.decode([self._encode("a")[0]]).startswith(" ")
        self._one_at_a_time = threading.Lock()
        self._held: dict[str, _Held] = {}

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=not special))

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def complete(self, body: dict[str, Any]) -> Completed:
        """Answer one chat completion request."""
        pictures = self._pictures(body)
        text = self.render(body)
        around = text.split(self._picture_token)
        for at, row in enumerate(pictures["image_grid_thw"].tolist() if pictures else ()):
            many = row[0] * row[1] * row[2] // self._processor.merge_size**2
            around[at] += self._picture_token * many
        text = "".join(around)
        ids = self._encode(text)
        picture_id = self._tokenizer.token_to_id(self._picture_token)
        with self._one_at_a_time, torch.inference_mode():
            held = self._held.get(body.get("cache_salt", ""))
            run = _Run(self, self._network, ids, pictures, picture_id, held)
            done = self._decode(run, Completed("", "length", ids, text), body)
            self._held[body.get("cache_salt", "")] = run.hold()
        return done

    def render(self, body: dict[str, Any]) -> str:
        """The chat as text, one picture token a picture."""
        messages = body["messages"]
        begun = messages[-1]["content"] if body.get("continue_final_message") else None
        ask = body.get("add_generation_prompt", True)
        if self._template:
            environment = Environment(trim_blocks=True, lstrip_blocks=True)
            parts = [message | {"content": _parts(message["content"])} for message in messages]
            text = environment.from_string(self._template).render(
                messages=parts, add_generation_prompt=ask
            )
        else:
            text = self._scaffold(messages)
        if begun is None:
            return str(text)
        return str(text[: text.rindex(begun) + len(begun)])

    def _scaffold(self, messages: Sequence[Any]) -> str:
        """For a folder without a template: the embedded model's three tokens a turn."""
        chat = self._manifest.scaffolding
        text = chat.opening
        for message in messages:
            if message["role"] == "assistant":
                text += message["content"] + chat.answer_suffix
            elif message["role"] == "user":
                text += chat.question_prefix
                for part in _parts(message["content"]):
                    text += chat.picture(1) if part["type"] == "image" else part["text"]
                text += chat.question_suffix
        return text

    def _pictures(self, body: dict[str, Any]) -> Any:
        found = []
        for message in body["messages"]:
            for part in message["content"] if isinstance(message["content"], list) else ():
                if part["type"] == "image_url":
                    head, _, data = part["image_url"]["url"].partition(",")
                    assert head == "data:image/png;base64", "pictures come inline"
                    found.append(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        if not found:
            return None
        bounds = body.get("mm_processor_kwargs") or {}
        size = dict(self._processor.size)
        size["shortest_edge"] = bounds.get("min_pixels", size["shortest_edge"])
        size["longest_edge"] = bounds.get("max_pixels", size["longest_edge"])
        return self._processor(images=found, size=size, do_resize=True, return_tensors="pt")

    def _decode(self, run: _Run, done: Completed, body: dict[str, Any]) -> Completed:
        choices = (body.get("structured_outputs") or {}).get("choice")
        lines = [[*self._encode(choice), self._ends[0]] for choice in choices or ()]
        written: list[int] = []
        while len(written) < body["max_completion_tokens"]:
            allowed = sorted(
                {line[len(written)] for line in lines if line[: len(written)] == written}
            )
            token = run.token(written, allowed, done, body)
            if token in self._ends:
                done.finish_reason = "stop"
                break
            written.append(token)
            text = self.decode(written, special=False)
            if ends := [at for mark in body.get("stop") or () if (at := text.find(mark)) >= 0]:
                done.text, done.finish_reason = text[: min(ends)], "stop"
                return done
        text = self.decode(written, special=False)
        is_first_blank = self._blank and choices and text not in choices
        done.text = text.removeprefix(" ") if is_first_blank else text
        if is_first_blank:
            _strip_first(done.logprobs)
        return done


@dataclass(frozen=True, slots=True)
class _Held:
    """A prompt that was read: its tokens, keys and values, and offset of positions."""

    ids: list[int]
    cache: Any
    delta: Any


class _Run:
    """One request's cache. The library keeps the offset of positions on the model."""

    def __init__(
        self,
        owner: EngineNetwork,
        network: Any,
        ids: list[int],
        pictures: Any,
        picture_id: int,
        held: _Held | None,
    ) -> None:
        self._owner = owner
        self._network = network
        self._ids = ids
        self._read = 0
        known = _shared(held.ids, ids[:-1]) if held else 0
        if held and picture_id not in ids[known:]:
            self._cache = held.cache
            self._shorten(known)
            network.model.rope_deltas = held.delta
            self._logits = self._forward(torch.tensor([ids[known:]]))
            return
        self._cache = DynamicCache()
        network.model.rope_deltas = None
        tokens = torch.tensor([ids])
        kinds = (tokens == picture_id).int()
        shown = dict(pictures) if pictures else {}
        self._logits = self._forward(tokens, mm_token_type_ids=kinds, **shown)

    def hold(self) -> _Held:
        """The prompt, for a request that begins with it."""
        self._shorten(len(self._ids))
        return _Held(self._ids, self._cache, self._network.model.rope_deltas)

    def _shorten(self, length: int) -> None:
        if surplus := self._cache.get_seq_length() - length:
            self._cache.crop(-surplus)

    def _forward(self, tokens: torch.Tensor, **more: Any) -> torch.Tensor:
        found: torch.Tensor = self._network(
            input_ids=tokens, past_key_values=self._cache, use_cache=True, **more
        ).logits[0, -1]
        return found.float()

    def token(
        self, written: Sequence[int], allowed: Sequence[int], done: Completed, body: dict[str, Any]
    ) -> int:
        """The next token, greedily, with what was known about it."""
        if len(written) > self._read:
            self._logits = self._forward(torch.tensor([[written[-1]]]))
            self._read = len(written)
        logits = self._logits
        constrained = logits
        if allowed:
            constrained = torch.full_like(logits, float("-inf"))
            constrained[list(allowed)] = logits[list(allowed)]
        token = int(constrained.argmax())
        if body.get("logprobs"):
            shown = constrained if self._owner.masked else logits
            found = torch.log_softmax(shown, -1)
            best = found.topk(body["top_logprobs"]).indices.tolist()
            others = [self._entry(n, found) for n in dict.fromkeys([token, *best])]
            done.logprobs.append(self._entry(token, found) | {"top_logprobs": others})
        return token

    def _entry(self, token: int, found: torch.Tensor) -> Entry:
        text = self._owner.decode([token])
        value = max(float(found[token]), FLOOR)
        return {"token": text, "logprob": value, "bytes": list(text.encode())}


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    unequal = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(unequal, min(len(a), len(b)))


def _strip_first(logprobs: Sequence[Entry]) -> None:
    """A tokenizer whose words carry their blank drops it where a text begins."""
    for entry in [*logprobs[:1], *(e for first in logprobs[:1] for e in first["top_logprobs"])]:
        entry["token"] = entry["token"].removeprefix(" ")


def _parts(content: str | list[Entry]) -> list[Entry]:
    """OpenAI's parts as chat templates know them."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [{"type": "image"} if part["type"] == "image_url" else part for part in content]


def _template(folder: Path) -> str:
    path = folder / "chat_template.json"
    return json.loads(path.read_text())["chat_template"] if path.is_file() else ""
