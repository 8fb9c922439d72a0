"""Does a model folder speak the dialogue that the node will hold with it.

The node writes prompts itself, byte for byte, and does not use the folder's chat template;
a template that would write anything else shows that the weights were taught another dialogue.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cxr_node.domain.errors import ModelRefused
from cxr_node.reasoning.chat import ChatName
from cxr_node.reasoning.model_source import CONFIG, TOKENIZER, read_json
from cxr_node.reasoning.profiles import Manifest

_TURNS = ("Is this chest radiograph normal?", "abnormal", "Is edema present?")
_FAULTS = (
    TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
_CURE = "this folder is not of the named family, or not complete"


def check_dialogue(folder: Path, config: dict[str, Any], manifest: Manifest) -> None:
    """Compare tokenizer and chat template with the manifest's chat.

    Raises :class:`ModelRefused` naming the file.
    """
    _check_tokens(folder / TOKENIZER, config, manifest)
    path, template = _template(folder)
    if not _same(path, template, manifest):
        raise ModelRefused(
            f"{path}: writes a dialogue in another form than {manifest.family} is asked in; {_CURE}"
        )


def _check_tokens(path: Path, config: dict[str, Any], manifest: Manifest) -> None:
    chat = manifest.scaffolding
    found = _added_tokens(path)
    needed = [chat.picture_prefix, chat.picture_token, chat.picture_suffix, *manifest.stop_tokens]
    for token in needed:
        if token not in found:
            raise ModelRefused(f"{path}: does not know the token {token}; {_CURE}")
    number = config.get("image_token_id")
    if found[chat.picture_token] != number:
        raise ModelRefused(
            f"{path}: {chat.picture_token} is token {found[chat.picture_token]}, "
            f"{CONFIG} says {number}; {_CURE}"
        )


def _added_tokens(path: Path) -> dict[str, int]:
    """Special token to its number."""
    added = read_json(path).get("added_tokens")
    if not isinstance(added, list):
        raise ModelRefused(f"{path}: has no added_tokens; download it again")
    entries = (token for token in added if isinstance(token, dict))
    return {str(token.get("content")): token.get("id", -1) for token in entries}


def _template(folder: Path) -> tuple[Path, str]:
    """The chat template and where it stands; looked for where the library would."""
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        return jinja, jinja.read_text(encoding="utf-8", errors="replace")
    for name in ("chat_template.json", "tokenizer_config.json"):
        path = folder / name
        if path.is_file():
            found = read_json(path).get("chat_template")
            if isinstance(found, str) and found:
                return path, found
    raise ModelRefused(f"{folder}: holds no chat template; download the whole folder")


def _same(path: Path, template: str, manifest: Manifest) -> bool:
    """Whether the template writes two questions about one picture as the node does."""
    chat = manifest.scaffolding
    first, answer, second = _TURNS
    ours = chat.head((1,)) + chat.question(first, first=True) + chat.answer(answer)
    ours += chat.question(second, first=False)
    dialogue: list[dict[str, Any]] = [
        {
            "role": "user",
            "content": [{"type": "image", "image": ""}, {"type": "text", "text": first}],
        },
        {"role": "assistant", "content": answer},
        {"role": "user", "content": second},
    ]
    if manifest.chat is ChatName.QWEN:  # the node's own line; else the template must write it
        dialogue.insert(0, {"role": "system", "content": chat.system})
    return _write(path, template, dialogue) == ours


def _write(path: Path, template: str, dialogue: list[dict[str, Any]]) -> str:
    """What the template makes of a dialogue, as the library would call it; runs no code."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = datetime.now(UTC).strftime
    try:
        return environment.from_string(template).render(
            messages=dialogue, add_generation_prompt=True, tools=None
        )
    except _FAULTS as error:
        raise ModelRefused(f"{path}: the chat template fails: {type(error).__name__}") from error


def _refuse(message: str) -> None:
    raise TemplateError(message)
