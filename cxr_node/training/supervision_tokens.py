"""Taught turns as tokens, encoded piece by piece as the node's own conversation does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.transcript import Transcript
from cxr_node.training.supervision import TaughtTurn


@dataclass(frozen=True, slots=True)
class Encoded:
    """A dialogue as tokens; ``weights`` are 0 where nothing is learned."""

    ids: list[int]
    weights: list[float]
    stages: tuple[StageKey, ...]
    """Stage of every learned answer."""

    @property
    def learned(self) -> int:
        """How many tokens are learned."""
        return sum(weight > 0 for weight in self.weights)


@dataclass(frozen=True, slots=True)
class Encoder:
    """What decides the tokens of a dialogue with one model."""

    chat: Chat
    tokenizer: Tokenizer
    stop_ids: Collection[int]
    weights: Mapping[StageKey, float]
    """How much an answer of each stage counts; what is not named is context alone."""

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def spelled(self, turn: TaughtTurn) -> bool:
        """Whether the tokenizer knows all words of a turn, and none frames the chat."""
        for text in (turn.prompt, turn.settled):
            ids = self.encode(text)
            if not self._framing.isdisjoint(ids):
                return False
            said = self.tokenizer.decode(ids, skip_special_tokens=False)
            if _letters(said) != _letters(text):
                return False
        return True

    @property
    def _framing(self) -> frozenset[int]:
        """The special tokens that pictures and turns are framed with."""
        chat = self.chat
        frame = chat.head((1,)) + chat.question("", first=False) + chat.answer("")
        special = self.tokenizer.get_added_tokens_decoder()
        return frozenset(n for n in self.encode(frame) if n in special and special[n].special)

    def dialogue(self, turns: Sequence[TaughtTurn], visual_tokens: tuple[int, ...]) -> Encoded:
        """Pictures, then every turn, up to the last answer that is learned."""
        talk = Transcript(self.chat, ())
        ids = self.encode(self.chat.head(visual_tokens))
        weights, stages, end = [0.0] * len(ids), [], 0
        for turn in turns:
            asked, said = self.encode(talk.ask(turn.prompt)), self.encode(talk.settle(turn.settled))
            weight = self.weights.get(turn.stage, 0.0)
            learned = self._up_to_stop(said)
            ids += [*asked, *said]
            weights += [0.0] * len(asked) + [weight] * learned + [0.0] * (len(said) - learned)
            if weight > 0:
                stages.append(turn.stage)
                end = len(ids) - len(said) + learned
        return Encoded(ids[:end], weights[:end], tuple(stages))

    def _up_to_stop(self, said: Sequence[int]) -> int:
        """Tokens of an answer that the model itself writes: the first that ends it is the last."""
        ends = (place for place, number in enumerate(said, start=1) if number in self.stop_ids)
        return next(ends, len(said))


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
