"""What the training libraries need to hold the node's own dialogue: a processor and a template.

The template is made from the manifest's chat, so that what is trained on is byte for byte what
the node asks. The processor looks at still pictures only: the library's own asks for
torchvision because of its video part (``Qwen2_5_VLProcessor`` of transformers 5).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.processing_utils import ProcessorMixin

from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.model_source import read_json
from cxr_node.reasoning.profiles import Manifest

_TEMPLATE = (
    "{{ OPENING }}{% for message in messages %}"
    "{% if message.role == 'user' %}{{ QUESTION }}"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}{{ PICTURE }}{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}{{ ANSWER }}"
    "{% else %}"
    "{{ message.content if message.content is string else message.content[0].text }}{{ END }}"
    "{% endif %}{% endfor %}"
)


def chat_template(chat: Chat) -> str:
    """The template that writes ``chat``.

    A question ends where its answer starts, so there is no generation prompt to be added.
    """
    words = {
        "OPENING": chat.opening,
        "QUESTION": chat.question_prefix,
        "PICTURE": chat.picture(1),
        "ANSWER": chat.question_suffix,
        "END": chat.answer_suffix,
    }
    named = "".join(f"{{% set {name} = {text!r} %}}" for name, text in words.items())
    return named + _TEMPLATE


class StillPictureProcessor(Qwen2_5_VLProcessor):
    """Pictures and text of Qwen2-VL, Qwen2.5-VL and Qwen3-VL; no video, no torchvision."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: Any = None,
        **_: Any,
    ) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def load_processor(folder: Path, manifest: Manifest) -> StillPictureProcessor:
    """The processor of a model folder that was verified; pictures come in the model's size."""
    template = chat_template(manifest.scaffolding)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(folder / "tokenizer.json")),
        eos_token=manifest.stop_tokens[0],
        pad_token=_padding(folder) or manifest.stop_tokens[-1],
        padding_side="left",
        chat_template=template,
    )
    pictures = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    pictures.do_resize = False  # the node brings every picture to the model's size itself
    return StillPictureProcessor(pictures, tokenizer, chat_template=template)


def _padding(folder: Path) -> str:
    """The padding token as ``tokenizer_config.json`` names it; empty where it names none."""
    found = read_json(folder / "tokenizer_config.json").get("pad_token")
    return str(found.get("content", "") if isinstance(found, dict) else found or "")
