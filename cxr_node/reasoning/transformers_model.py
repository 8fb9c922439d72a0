"""A Qwen vision-language model from a verified folder, the embedded one and a 7B one alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import Qwen2VLImageProcessorPil
from transformers.utils import logging as library_logging

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import ModelIdentity
from cxr_node.domain.ports import Ask, Conversation, ImagePolicy, PreparedImage, Reply
from cxr_node.reasoning.answering import answer
from cxr_node.reasoning.architectures import check_config, check_pictures, network_class
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.forward import Engine, Pictures
from cxr_node.reasoning.last_layer import LastLayer
from cxr_node.reasoning.patches import Patches
from cxr_node.reasoning.profiles import Manifest, Profile, identity, load_manifest, verify
from cxr_node.reasoning.slots import Slots
from cxr_node.reasoning.windows import batch_windows, multiply_patches


class TransformersModel:
    """Implements :class:`cxr_node.domain.ports.VisionModel`; keeps no state of a study."""

    def __init__(self, engine: Engine, patches: Patches, manifest: Manifest) -> None:
        self._engine = engine
        self._patches = patches
        self._manifest = manifest
        self._identity = identity(manifest)

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    @property
    def image_policy(self) -> ImagePolicy:
        return self._manifest.image_policy

    @property
    def profile(self) -> Profile:
        return self._manifest.profile

    @property
    def engine(self) -> Engine:
        """Network, tokenizer and store, for measurements."""
        return self._engine

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        """Start a study on 1 to ``profile.pictures`` pictures."""
        if not 1 <= len(images) <= self.profile.pictures:
            raise ValueError(f"this model looks at 1 to {self.profile.pictures} pictures")
        pictures = self.look(images)
        with self._engine.slots.seat() as seat:
            conversation = CachedConversation(self._engine, seat, images, pictures)
            try:
                yield conversation
            finally:
                conversation.close()

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        """One question each of several open studies, all in one forward."""
        return answer(self._engine, [(_own(talk), ask) for talk, ask in asked])

    def look(self, images: Sequence[PreparedImage]) -> Pictures:
        """Patches of pictures that already have the size the profile asks for."""
        cell = self._patches.cell
        for image in images:
            if image.width % cell or image.height % cell:
                raise ValueError(f"picture sides must be multiples of {cell}")
        pictures, network = self._patches.of(images), self._engine.network
        return replace(
            pictures,
            patches=pictures.patches.to(network.device, network.dtype),
            grid=pictures.grid.to(network.device),
        )


def load_model(folder: Path, *, threads: int = 0, device: str = "auto") -> TransformersModel:
    """Verify the folder against its manifest, then load it; nothing is downloaded.

    ``device`` is "auto", "cpu" or "cuda". On a CPU everything is computed in 32-bit
    floating point, whatever the weights are stored in. Raises :class:`ModelRefused`.
    """
    manifest = load_manifest(folder)
    verify(folder, manifest)
    check_config(folder, manifest)
    if threads:
        torch.set_num_threads(threads)
    place = _place(device)
    library_logging.disable_progress_bar()
    try:
        dtype = torch.float32 if place == "cpu" else _dtype(manifest)
        network = _network(folder, network_class(manifest.architecture), dtype)
        processor = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelRefused(
            f"{folder}: cannot be loaded: {type(error).__name__}; the files are as they were "
            "sealed, so get the model anew and add it again"
        ) from error
    check_pictures(folder, manifest, processor)
    network.to(place)
    model = assembled(network, tokenizer, processor, manifest)
    emit(Event.MODEL_LOADED, family=manifest.family, trained=manifest.trained, device=place)
    return model


def assembled(
    network: Any, tokenizer: Tokenizer, processor: Any, manifest: Manifest
) -> TransformersModel:
    """A model of parts that are already loaded, where they are.

    Raises :class:`ModelRefused` when tokenizer, network and manifest do not fit together.
    """
    network.train(False)
    multiply_patches(network)
    if network.device.type == "cuda":  # on a processor the calls cost less than the copies
        batch_windows(network)
    return TransformersModel(_engine(network, tokenizer, manifest), Patches(processor), manifest)


def _network(folder: Path, made_as: Any, dtype: torch.dtype) -> Any:
    found: Any = made_as.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=dtype,
        attn_implementation="sdpa",
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # listed below, by name
    )
    network, report = found
    # The library would fill a gap with fresh random weights and only log it.
    shapes = [name for name, *_ in report["mismatched_keys"]]
    faults = sorted([*report["missing_keys"], *report["unexpected_keys"], *shapes])
    if faults:
        raise ModelRefused(
            f"{folder}: config.json and the safetensors disagree on {faults[0]}; "
            "get both from one version of the model and add it again"
        )
    return network


def _dtype(manifest: Manifest) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, manifest.accelerator_dtype)
    return dtype


def _place(device: str) -> str:
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ModelRefused("model.device is cuda, but no CUDA device is usable")
    return "cuda" if available and device != "cpu" else "cpu"


def _engine(network: Any, tokenizer: Tokenizer, manifest: Manifest) -> Engine:
    chat = manifest.scaffolding
    stops = [tokenizer.token_to_id(token) for token in manifest.stop_tokens]
    stop_ids = frozenset(number for number in stops if number is not None)
    if len(stop_ids) != len(stops):
        raise ModelRefused(f"{manifest.name}: the tokenizer does not know every stop token")
    picture = tokenizer.token_to_id(chat.picture_token)
    if picture is None or picture != network.config.image_token_id:
        raise ModelRefused(
            f"{manifest.name}: tokenizer and configuration disagree on the picture token"
        )
    positions = network.config.get_text_config().max_position_embeddings
    return Engine(
        network,
        tokenizer,
        chat,
        stop_ids,
        picture,
        positions,
        slots=Slots(),
        last=LastLayer(network),
        spelt={},
    )


def _own(conversation: Conversation) -> CachedConversation:
    if not isinstance(conversation, CachedConversation):
        raise TypeError("this conversation belongs to another kind of model")
    return conversation
