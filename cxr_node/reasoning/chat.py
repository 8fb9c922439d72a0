"""How questions and answers are framed for a model: the chat scaffolding, as data.

One study is one dialogue: opening, pictures and first question, then answer and question
in turn. Nothing is summarised; every later question sees all earlier text.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Chat(BaseModel):
    """The fixed texts around pictures, questions and answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opening: str = ""
    """Before everything, for example a system line."""
    system: str = ""
    """The words of that line alone, for a server that does its own framing."""
    question_prefix: str
    question_suffix: str
    """After a question; the answer starts here."""
    answer_suffix: str
    picture_prefix: str
    picture_token: str
    """Stands for one visual token; repeated as often as the picture has them."""
    picture_suffix: str

    def head(self, visual_tokens: tuple[int, ...]) -> str:
        """All text before the first question; one number of visual tokens a picture."""
        return self.opening + self.question_prefix + "".join(map(self.picture, visual_tokens))

    def picture(self, visual_tokens: int) -> str:
        """One picture's place in the text."""
        return self.picture_prefix + self.picture_token * visual_tokens + self.picture_suffix

    def question(self, prompt: str, *, first: bool) -> str:
        """A question; the first one shares its turn with the pictures."""
        return ("" if first else self.question_prefix) + prompt + self.question_suffix

    def answer(self, words: str) -> str:
        """A finished answer."""
        return words + self.answer_suffix


BRIEF_CHAT = Chat(
    question_prefix="<|user|>",
    question_suffix="<|assistant|>",
    answer_suffix="<|end|>",
    picture_prefix="<|vision_start|>",
    picture_token="<|image_pad|>",  # noqa: S106 - a token of text, not a secret
    picture_suffix="<|vision_end|>",
)
"""Three tokens a turn, for the embedded model."""


def _chatml(system: str) -> Chat:
    """ChatML as Qwen2-VL, Qwen2.5-VL and Qwen3-VL share it, with a system line."""
    return Chat(
        opening=f"<|im_start|>system\n{system}<|im_end|>\n",
        question_prefix="<|im_start|>user\n",
        question_suffix="<|im_end|>\n<|im_start|>assistant\n",
        answer_suffix="<|im_end|>\n",
        picture_prefix="<|vision_start|>",
        picture_token="<|image_pad|>",  # noqa: S106 - a token of text, not a secret
        picture_suffix="<|vision_end|>",
        system=system,
    )


QWEN_CHAT = _chatml("You are a radiologist reading a chest radiograph.")
"""For instruct models: the node's own system line, the same bytes in all three templates."""

QWEN_DEFAULT_CHAT = _chatml("You are a helpful assistant.")
"""For models taught without a system turn on Qwen2-VL or Qwen2.5-VL, whose chat templates
then write their own line. Qwen3-VL's template does not."""


class ChatName(StrEnum):
    """The scaffoldings that a manifest may name."""

    BRIEF = "brief"
    QWEN = "qwen"
    QWEN_DEFAULT = "qwen-default"

    @property
    def scaffolding(self) -> Chat:
        return _CHATS[self]


_CHATS = {
    ChatName.BRIEF: BRIEF_CHAT,
    ChatName.QWEN: QWEN_CHAT,
    ChatName.QWEN_DEFAULT: QWEN_DEFAULT_CHAT,
}
