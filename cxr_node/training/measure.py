"""Asks a trained network the triage questions on many phantoms at once, own answers in context.

Every triage answer is one token, so a batch of studies keeps one length and shares one
cache; a test holds the scores equal to the product's own conversation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import GRAPH, AnswerKind, Question, StageKey
from cxr_node.phantom.truth import DRAWN
from cxr_node.reasoning import prompts
from cxr_node.reasoning.chat import BRIEF_CHAT
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.words import build_tokenizer
from cxr_node.training.figures import auroc
from cxr_node.training.samples import CELLS
from cxr_node.training.tower import grids, patches, see

_BATCH = 25
Margins = dict[str, NDArray[np.float64]]
"""``question`` or ``presence:finding`` to log-probabilities (n, options), in graph order."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One triage question in tokens; every option is a single one."""

    name: str
    prompt: list[int]
    options: list[int]


class TriageAsker:
    """The triage questions in the product's order, put to a network in batches."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._tokenizer = build_tokenizer()
        self._head = self._ids(BRIEF_CHAT.head((CELLS * CELLS,)))
        self._end = self._ids(BRIEF_CHAT.answer_suffix)
        ids = torch.tensor([self._head + [0] * 900])
        self._positions, _ = network.model.get_rope_index(
            ids, mm_token_type_ids=(ids == self._picture).int(), image_grid_thw=grids(1)
        )

    @property
    def _picture(self) -> int:
        return int(self._network.config.image_token_id)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _questions(self) -> list[_Asked]:
        asked: list[_Asked] = []
        for stage in GRAPH:
            for question in stage.questions:
                if question.triage and question.kind is AnswerKind.CLOSED:
                    asked += self._of(stage.key, question, first=not asked)
        return asked

    def _of(self, stage: StageKey, question: Question, *, first: bool) -> list[_Asked]:
        subjects = [str(k) for k in FindingKind] if question.key == "presence" else [""]
        made = []
        for number, subject in enumerate(subjects):
            words = prompts.question_words(Wording.BRIEF, stage, question, subject)
            prompt = self._ids(BRIEF_CHAT.question(words, first=first and number == 0))
            said = [self._ids(prompts.option_words(Wording.BRIEF, o)) for o in question.options]
            name = f"{question.key}:{subject}" if subject else question.key
            made.append(_Asked(name, prompt, [option for (option,) in said]))
        return made

    @torch.inference_mode()
    def ask(self, images: NDArray[np.uint8]) -> Margins:
        """Log-probabilities of all options of all triage questions for (n, 224, 224) pictures."""
        parts = [self._batch(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)]
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def _batch(self, images: NDArray[np.uint8]) -> Margins:
        cache, found = DynamicCache(), {}
        waiting = torch.tensor([self._head] * len(images))
        tokens = see(self._network, patches(images))
        for asked in self._questions():
            ids = torch.cat([waiting, torch.tensor([asked.prompt] * len(images))], 1)
            scores = torch.log_softmax(self._forward(ids, tokens, cache), -1)[:, asked.options]
            found[asked.name] = scores.double().numpy()
            answer = torch.tensor(asked.options)[scores.argmax(1)]
            waiting = torch.cat([answer[:, None], torch.tensor([self._end] * len(images))], 1)
        return found

    def _forward(self, ids: torch.Tensor, tokens: torch.Tensor, cache: Any) -> torch.Tensor:
        past = cache.get_seq_length()
        text = self._network.get_input_embeddings()(ids)
        place = (ids == self._picture).unsqueeze(-1)
        mixed = text.masked_scatter(place, tokens.to(text.dtype)) if place.any() else text
        states = self._network.model.language_model(
            inputs_embeds=mixed,
            position_ids=self._positions[:, :, past : past + ids.shape[1]].expand(3, len(ids), -1),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        logits: torch.Tensor = self._network.lm_head(states[:, -1]).float()
        return logits


def margin(scores: Margins, kind: FindingKind) -> NDArray[np.float64]:
    """Log-odds of present against absent."""
    pair = scores[f"presence:{kind}"]
    return np.asarray(pair[:, 0] - pair[:, 1])


def truth_of(truths: list[dict[str, Any]], kind: FindingKind) -> NDArray[np.bool_]:
    """Which of the phantoms have the finding."""
    return np.array([str(kind) in t["findings"] for t in truths])


def areas(scores: Margins, truths: list[dict[str, Any]]) -> dict[str, float]:
    """AUROC of every finding that phantoms can have."""
    return {str(k): auroc(margin(scores, k), truth_of(truths, k)) for k in DRAWN}


def accuracy(scores: Margins, truths: list[dict[str, Any]], name: str, key: str) -> float:
    """Share of exact answers to a closed question asked once; ``key`` names its truth."""
    options = next(q.options for s in GRAPH for q in s.questions if q.key == name)
    said = [options[i] for i in scores[name].argmax(1)]
    return float(np.mean([a == t[key] for a, t in zip(said, truths, strict=True)]))
