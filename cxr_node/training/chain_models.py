"""Text models that write chains beside the rules: a local one, or an inference server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cxr_node.domain.errors import AnswerRefused, EngineUnavailable, ModelRefused
from cxr_node.reasoning.engine_answers import Completion, written
from cxr_node.reasoning.engine_client import Declined, EngineClient

NEW_TOKENS = 1500
"""A plan, its evidence or the refined steps take a few hundred."""

_NOT_SERVED = 404


class EngineText:
    """A language model behind an OpenAI-style server; see ``docs/training.md``."""

    def __init__(self, client: EngineClient, served: str, new_tokens: int = NEW_TOKENS) -> None:
        self._client = client
        self._served = served
        self._new_tokens = new_tokens

    def complete(self, prompt: str) -> str:
        """The greedy answer; empty where the server will not answer this prompt.

        Raises :class:`EngineUnavailable`, and :class:`ModelRefused` when no model of that name
        is served.
        """
        body = {
            "model": self._served,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0.0,
            "max_completion_tokens": self._new_tokens,
            "response_format": {"type": "json_object"},
        }
        try:
            found = Completion.model_validate_json(self._client.complete(json.dumps(body).encode()))
            return written(found, ()).text
        except ValidationError:
            raise EngineUnavailable(
                f"the inference server at {self._client.address} sends what is no chat completion"
            ) from None
        except AnswerRefused:
            return ""
        except Declined as error:
            if error.status != _NOT_SERVED:
                return ""
            raise ModelRefused(
                f"the inference server at {self._client.address} serves no {self._served}"
            ) from error


class LocalText:
    """A language model of the transformers library, from a folder of this machine."""

    def __init__(self, folder: Path, new_tokens: int = NEW_TOKENS) -> None:
        """Load it; nothing is downloaded, no code of it runs. Raises :class:`ModelRefused`."""
        import torch  # an optional dependency; the rules need none
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if not folder.is_dir():
            raise ModelRefused(f"{folder}: there is no such folder")
        self._torch = torch
        self._new_tokens = new_tokens
        named: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **named)
            model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **named)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelRefused(f"{folder}: cannot be loaded: {type(error).__name__}") from error
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def complete(self, prompt: str) -> str:
        """The greedy answer, through the model's chat template where it has one.

        Empty for a prompt that leaves no room for an answer in the model's context.
        """
        text, whole = prompt, self._tokenizer.chat_template is None
        if not whole:
            messages = [{"role": "user", "content": prompt}]
            text = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        given = self._tokenizer(text, return_tensors="pt", add_special_tokens=whole)
        ids = given["input_ids"].to(self._model.device)
        room = getattr(self._model.config, "max_position_embeddings", None)
        if room is not None and ids.shape[1] + self._new_tokens > room:
            return ""
        with self._torch.inference_mode():
            made = self._model.generate(
                input_ids=ids,
                attention_mask=self._torch.ones_like(ids),
                max_new_tokens=self._new_tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
            )
        answer: str = self._tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        return answer
