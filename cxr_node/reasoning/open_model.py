"""Which model a configured path means, with and without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.findings import ModelIdentity
from cxr_node.domain.ports import ImagePolicy, VisionModel
from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.profiles import Profile, identity, load_manifest
from cxr_node.reasoning.scripted import SCRIPTED_CHAT, ScriptedModel, load_script

_SCRIPT = ".script.json"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """All that decides which prompts a model is given, without its weights."""

    identity: ModelIdentity
    image_policy: ImagePolicy
    profile: Profile
    chat: Chat


def open_model(
    path: str, *, threads: int = 0, device: str = "auto", cache: Path | None = None
) -> VisionModel:
    """The model at ``path``: a folder with a manifest, a ``*.script.json`` file, or "".

    Empty means the embedded model, which is built once below ``cache`` if the package
    does not carry it. Raises :class:`ModelRefused`.
    """
    if path.endswith(_SCRIPT):
        return ScriptedModel(script=load_script(Path(path)))
    folder = _folder(path, cache)
    try:
        from cxr_node.reasoning.transformers_model import load_model
    except ImportError as error:
        raise ModelRefused(
            f"reading needs the package {error.name}; install cxr-node[model]"
        ) from error
    return load_model(folder, threads=threads, device=device)


def read_identity(path: str, *, cache: Path | None = None) -> ModelIdentity:
    """Who the model at ``path`` is, from its manifest alone; imports no torch.

    Only an embedded model that is neither shipped nor built yet is built first.
    """
    return read_facts(path, cache=cache).identity


def read_facts(path: str, *, cache: Path | None = None) -> ModelFacts:
    """What prompts to the model at ``path`` are made of; imports no torch."""
    if path.endswith(_SCRIPT):
        model = ScriptedModel(script=load_script(Path(path)))
        return ModelFacts(model.identity, model.image_policy, model.profile, SCRIPTED_CHAT)
    manifest = load_manifest(_folder(path, cache))
    return ModelFacts(
        identity(manifest), manifest.image_policy, manifest.profile, manifest.scaffolding
    )


def _folder(path: str, cache: Path | None) -> Path:
    if path:
        return Path(path)
    try:
        return embedded_folder(cache)
    except ImportError as error:
        raise ModelRefused(
            f"building the embedded model needs the package {error.name}; install cxr-node[model]"
        ) from error
