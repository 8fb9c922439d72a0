"""Which model a configured path means, with and without loading it."""

from __future__ import annotations

from pathlib import Path

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.findings import ModelIdentity
from cxr_node.domain.ports import ImagePolicy, VisionModel
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.profiles import identity, load_manifest
from cxr_node.reasoning.scripted import ScriptedModel, load_script, script_identity

_SCRIPT = ".script.json"


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
    if path.endswith(_SCRIPT):
        return script_identity(load_script(Path(path)))
    return identity(load_manifest(_folder(path, cache)))


def read_image_policy(path: str, *, cache: Path | None = None) -> ImagePolicy:
    """The picture that the model at ``path`` wants, from its manifest alone."""
    if path.endswith(_SCRIPT):
        return ScriptedModel(script=load_script(Path(path))).image_policy
    return load_manifest(_folder(path, cache)).image_policy


def _folder(path: str, cache: Path | None) -> Path:
    if path:
        return Path(path)
    try:
        return embedded_folder(cache)
    except ImportError as error:
        raise ModelRefused(
            f"building the embedded model needs the package {error.name}; install cxr-node[model]"
        ) from error
