"""How questions and answers are framed for a model: the chat scaffolding, as data.

One study is one dialogue: opening, pictures and first question, then answer and question
in turn. Nothing is summarised; every later question sees all earlier text.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Chat(BaseModel):
    """The fixed texts around pictures, questions and answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opening: str = ""
    """Before everything, for example a system line."""
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

QWEN_CHAT = Chat(
    opening="<|im_start|>system\nYou are a radiologist reading a chest radiograph.<|im_end|>\n",
    question_prefix="<|im_start|>user\n",
    question_suffix="<|im_end|>\n<|im_start|>assistant\n",
    answer_suffix="<|im_end|>\n",
    picture_prefix="<|vision_start|>",
    picture_token="<|image_pad|>",  # noqa: S106 - a token of text, not a secret
    picture_suffix="<|vision_end|>",
)
"""The ChatML framing of Qwen2.5-VL."""
