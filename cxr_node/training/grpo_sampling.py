"""A model that draws its answers instead of giving the likeliest, for readings to learn from.

It stands where the node's model stands, so a rollout walks the node's own path: the same
questions, the same prompts byte for byte, the model's own earlier answers as context. A closed
question is drawn over its option list, a text token by token. What was drawn is remembered
token by token: those alone may carry a loss. Draws come from torch's global generator on the
processor, whose state a checkpoint keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import FindingKind, ModelIdentity
from cxr_node.domain.ports import Ask, Conversation, Generated, ImagePolicy, PreparedImage, Reply
from cxr_node.domain.stages import GRAPH, AnswerKind
from cxr_node.reasoning import prompts
from cxr_node.reasoning.answering import TOO_LONG, answer
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.forward import Engine, Pictures, Piece, forward
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.transformers_model import TransformersModel

_NEVER = -1e9
"""Score of an option that was not drawn: no calibration brings it back."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One settled answer: where its tokens begin in the dialogue, and which of them were drawn."""

    start: int
    mask: tuple[int, ...]
    """1 for a token that was drawn as it stands, 0 for one that the node wrote."""


class DrawingTalk(CachedConversation):
    """A conversation that remembers which of its tokens the model has drawn.

    A text stands as it was drawn, also where the node would have cleaned or refused it: what
    is learned from must be what was said.
    """

    def __init__(
        self, engine: Engine, seat: int, images: Sequence[PreparedImage], pictures: Pictures
    ) -> None:
        super().__init__(engine, seat, images, pictures)
        self.images = tuple(images)
        """As they were shown, in order."""
        self._own: list[tuple[int, list[int]]] = []
        self._verbatim = False
        self.answers: list[Drawn] = []
        """One for every settled answer, in order."""

    def chose(self, ask: Ask, option: str) -> None:
        """Remember an option drawn behind the lead of ``ask``."""
        encode = self._engine.encode
        lead = encode(ask.lead)
        self._own.append((len(lead), encode(ask.lead + option)[len(lead) :]))
        self._verbatim = False

    def wrote(self, tokens: Sequence[int], *, lead: int) -> None:
        """Remember a text drawn behind ``lead`` tokens, its end included if it came to one."""
        self._own.append((lead, list(tokens)))
        self._verbatim = True

    def settle(self, answer: str) -> None:
        """Fix the answer; a text that was drawn stands as it is."""
        start = len(self.token_ids)
        if self._verbatim:
            said = self._engine.spell(self.draft)
            self._transcript.settle(said)
            self._append([*self.draft, *self._engine.encode(self._engine.chat.answer_suffix)])
        else:
            super().settle(answer)
        self.answers.append(Drawn(start, self._mask(self.token_ids[start:])))
        self._own, self._verbatim = [], False

    def _mask(self, settled: Sequence[int]) -> tuple[int, ...]:
        mask = [0] * len(settled)
        for offset, tokens in self._own:
            for place, token in enumerate(tokens, start=offset):
                if place >= len(settled) or settled[place] != token:
                    break  # from here on it was drawn in another context
                mask[place] = 1
        return tuple(mask)


class DrawingModel:
    """Implements :class:`cxr_node.domain.ports.VisionModel` by drawing at ``temperature``.

    Without ``texts`` only options and boxes are drawn; texts are the likeliest and carry no
    loss.
    """

    def __init__(
        self, model: TransformersModel, *, temperature: float = 1.0, texts: bool = True
    ) -> None:
        self._model = model
        self._temperature = temperature
        self._boxes = None if texts else _box_prompts(model.profile)
        self._barred = _barred(model.engine)

    @property
    def identity(self) -> ModelIdentity:
        return self._model.identity

    @property
    def image_policy(self) -> ImagePolicy:
        return self._model.image_policy

    @property
    def profile(self) -> Profile:
        return self._model.profile

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[DrawingTalk]:
        """Start a study; its conversation remembers what is drawn."""
        engine = self._model.engine
        with ExitStack() as opened:
            seat = opened.enter_context(engine.slots.seat())
            talk = DrawingTalk(engine, seat, images, self._model.look(images))
            opened.callback(talk.close)
            yield talk

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        """One question each of several open studies, drawn."""
        # What is foreseen rests on likeliest answers; here they are drawn.
        own = [
            (_own(talk), Ask(a.prompt, a.options, a.max_new_tokens, a.lead, a.stop))
            for talk, a in asked
        ]
        drawn = [i for i, (_, ask) in enumerate(own) if self._draws(ask)]
        rest = [i for i in range(len(own)) if i not in set(drawn)]
        replies = dict(zip(rest, answer(self._model.engine, [own[i] for i in rest]), strict=True))
        replies |= zip(drawn, self._write([own[i] for i in drawn]), strict=True)
        return [self._chosen(*own[i], replies[i]) for i in range(len(own))]

    def _draws(self, ask: Ask) -> bool:
        """Whether a text is drawn token by token."""
        if ask.options:
            return False
        return self._boxes is None or any(ask.prompt.endswith(words) for words in self._boxes)

    def _chosen(self, talk: DrawingTalk, ask: Ask, reply: Reply) -> Reply:
        """Scores under which one option is certain: the one that is drawn from ``reply``."""
        if not isinstance(reply, tuple):
            return reply
        weights = torch.softmax(torch.tensor(reply, dtype=torch.float64) / self._temperature, 0)
        drawn = int(torch.multinomial(weights, 1))
        talk.chose(ask, ask.options[drawn])
        return tuple(0.0 if i == drawn else _NEVER for i in range(len(reply)))

    def _write(self, asked: Sequence[tuple[DrawingTalk, Ask]]) -> list[Reply]:
        texts = [_Text(self._model.engine, talk, ask) for talk, ask in asked]
        while running := sorted((t for t in texts if not t.ended), key=lambda t: t.talk.seat):
            logits = forward(self._model.engine, [text.piece() for text in running]).cpu().double()
            logits[:, self._barred] = -torch.inf
            weights = torch.softmax(logits / self._temperature, -1)
            for text, token in zip(running, torch.multinomial(weights, 1), strict=True):
                text.hear(int(token))
        return [text.reply for text in texts]


class _Text:
    """A text that is being drawn."""

    def __init__(self, engine: Engine, talk: DrawingTalk, ask: Ask) -> None:
        talk.put(ask)
        self.talk = talk
        self._engine = engine
        self._ask = ask
        self._lead = len(talk.draft)
        self._drawn: list[int] = []
        self._room = min(ask.max_new_tokens, engine.positions - talk.tokens - 1)
        self._stopped = False

    @property
    def ended(self) -> bool:
        return self._stopped or self._room <= 0

    def piece(self) -> Piece:
        stem = self.talk.pending
        return Piece(
            self.talk.seat,
            self.talk.delta,
            stem,
            [len(stem) - 1],
            opening=self.talk.opening,
        )

    def hear(self, token: int) -> None:
        self._drawn.append(token)
        self._room -= 1
        if token in self._engine.stop_ids:
            self._stopped = True
            return
        self.talk.write(token)
        spelt = self._engine.spell(self._drawn) if self._ask.stop else ""
        self._stopped = any(stop in spelt for stop in self._ask.stop)

    @property
    def reply(self) -> Reply:
        """The text as the node's own model would hand it over."""
        self.talk.wrote(self._drawn, lead=self._lead)
        if not self._drawn:
            return AnswerRefused(TOO_LONG)
        text = self._engine.decode(self._drawn)
        for stop in self._ask.stop:
            text = text.partition(stop)[0].strip()
        return Generated(text, truncated=not self._stopped)


def _own(conversation: Conversation) -> DrawingTalk:
    if not isinstance(conversation, DrawingTalk):
        raise TypeError("this conversation belongs to another kind of model")
    return conversation


def _box_prompts(profile: Profile) -> frozenset[str]:
    """The words of every question that asks for a place."""
    unit = prompts.BOX_UNITS[profile.boxes]
    return frozenset(
        prompts.question_words(profile.wording, stage.key, question, subject, unit)
        for stage in GRAPH
        for question in stage.questions
        if question.kind is AnswerKind.BOX
        for subject in (*FindingKind, *prompts.STRUCTURES)
    )


def _barred(engine: Engine) -> list[int]:
    """Tokens of the chat itself, which no answer may hold: all special ones but its end."""
    added = engine.tokenizer.get_added_tokens_decoder()
    return [n for n, t in added.items() if t.special and n not in engine.stop_ids]
