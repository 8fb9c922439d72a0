"""Which model a configured path means, with and without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cxr_node.config import EngineSection
from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.findings import ModelIdentity
from cxr_node.domain.ports import ImagePolicy, VisionModel
from cxr_node.reasoning.acknowledgement import acknowledgement
from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.profiles import Manifest, Profile, identity, load_manifest
from cxr_node.reasoning.registry import is_name, known_models
from cxr_node.reasoning.scripted import ScriptedModel, load_script

_SCRIPT = ".script.json"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """All that decides which prompts a model is given, without its weights."""

    identity: ModelIdentity
    image_policy: ImagePolicy
    profile: Profile
    chat: Chat


def open_model(
    path: str,
    *,
    threads: int = 0,
    device: str = "auto",
    cache: Path | None = None,
    engine: EngineSection | None = None,
) -> VisionModel:
    """The model that ``path`` means: a ``*.script.json`` file, or what :func:`locate` finds.

    ``engine`` says where the server of a model without weights is. Raises
    :class:`ModelRefused`, and :class:`EngineUnavailable` for a server that does not answer.
    """
    if path.endswith(_SCRIPT):
        return ScriptedModel(script=load_script(Path(path)))
    folder, manifest = permitted(path, cache)
    if manifest.engine is not None:
        from cxr_node.reasoning.engine_start import open_engine  # an HTTP client and pictures

        return open_engine(folder, engine or EngineSection())
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
        return ModelFacts(model.identity, model.image_policy, model.profile, model.chat)
    _, manifest = permitted(path, cache)
    return ModelFacts(
        identity(manifest), manifest.image_policy, manifest.profile, manifest.scaffolding
    )


def locate(path: str, cache: Path | None = None) -> Path:
    """The folder that ``path`` means: a name below ``cache``, a folder, or the embedded model.

    A name given to ``model add`` comes before a folder of that name in the working folder.
    Empty means the embedded model, which is built once below ``cache`` if the package does
    not carry it. Raises :class:`ModelRefused` when there is nothing.
    """
    if not path:
        return _embedded(cache)
    named = cache / path if cache is not None and is_name(path) else None
    if named is not None and named.is_dir():
        return named
    if Path(path).is_dir():
        return Path(path)
    known = ", ".join(model.name for model in known_models(cache)) if cache else ""
    raise ModelRefused(
        f"{path}: neither a folder nor the name of a model that was added; "
        f"known are: {known or 'none'} (see `cxr-node model list`)"
    )


def permitted(path: str, cache: Path | None) -> tuple[Path, Manifest]:
    """Folder and manifest of a model whose licence was acknowledged where it needs be."""
    folder = locate(path, cache)
    manifest = load_manifest(folder)
    acknowledgement(folder, manifest)
    return folder, manifest


def _embedded(cache: Path | None) -> Path:
    try:
        return embedded_folder(cache)
    except ImportError as error:
        raise ModelRefused(
            f"building the embedded model needs the package {error.name}; install cxr-node[model]"
        ) from error
