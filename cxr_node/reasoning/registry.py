"""The models of a site, each in a folder of its own below ``<data_dir>/models``.

A model is added from a folder that the site downloaded itself, or as the name under which an
inference server serves it. Adding copies, hashes and seals aside, and moves the finished
folder into place in one step, so that half a model never has a name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.ports import Clock
from cxr_node.reasoning.acknowledgement import acknowledge
from cxr_node.reasoning.chat_check import check_dialogue
from cxr_node.reasoning.families import family_of, manifest_for
from cxr_node.reasoning.model_source import Source, inspect
from cxr_node.reasoning.profiles import (
    BLOCK,
    MANIFEST,
    Architecture,
    EngineModel,
    Family,
    Hashed,
    Manifest,
    load_manifest,
    verify,
    write_manifest,
)

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_RESERVED = "embedded"
_ASIDE = ".adding-"


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be added: ``source`` for weights here, ``served`` for those on a server."""

    name: str
    family: Family
    source: Source | None = None
    served: EngineModel | None = None
    architecture: Architecture | None = None
    """Needed only without ``source``, where a family has more than one."""
    version: str = ""
    """Empty: a short digest of the weights."""
    licence: str = ""
    """Empty: as the family was published."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A model folder with its name; ``problem`` says why it cannot be used, if so."""

    name: str
    folder: Path
    manifest: Manifest | None
    problem: str = ""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def is_name(text: str) -> bool:
    """Whether ``text`` can be the name of a model, rather than a path."""
    return _NAME.fullmatch(text) is not None


def known_models(base: Path) -> tuple[Registered, ...]:
    """The site's models below ``base``, by name; a broken one is listed with its problem."""
    if not base.is_dir():
        return ()
    folders = sorted(path for path in base.iterdir() if path.is_dir() and is_name(path.name))
    return tuple(registered(f) for f in folders if not f.name.startswith(_RESERVED))


def registered(folder: Path, name: str = "") -> Registered:
    """The model in ``folder``, called ``name`` or as its folder."""
    name = name or folder.name
    try:
        return Registered(name, folder, load_manifest(folder))
    except ModelRefused as error:
        return Registered(name, folder, None, str(error))


def preview(base: Path, wish: Wish) -> Manifest:
    """Everything that can be checked before copying; the manifest still without digests.

    Raises :class:`ModelRefused` for a bad or taken name, an architecture that the family does
    not come in, or a folder that does not speak the family's dialogue.
    """
    _check_name(base, wish.name)
    if wish.family is Family.EMBEDDED:
        raise ModelRefused("the embedded model comes with the node; it is not added")
    manifest = manifest_for(
        wish.family,
        _architecture(wish),
        name=wish.name,
        version=wish.version or "not sealed",
        licence=wish.licence,
        engine=wish.served,
    )
    if wish.source is not None:
        check_dialogue(wish.source.folder, wish.source.config, manifest)
    return manifest


def terms_of(wish: Wish) -> str:
    """What must be shown before anybody can acknowledge it."""
    parts = [family_of(wish.family).terms.notice]
    if wish.source is not None:
        for name in wish.source.licences:
            words = (wish.source.folder / name).read_text(encoding="utf-8", errors="replace")
            parts.append(f"{name}:\n{words.strip()}")
    return "\n\n".join(parts)


def add(
    base: Path, wish: Wish, *, person: str, clock: Clock, reserve_bytes: int, copied: Hashed
) -> Manifest:
    """Add a model below ``base``; ``person`` acknowledges its licence.

    ``copied`` is told how many more bytes have been copied. ``reserve_bytes`` stay free on
    the disk. Raises :class:`ModelRefused`; nothing is left behind then.
    """
    if not person.strip():
        raise ModelRefused("a licence is acknowledged by a person: give a name")
    draft = preview(base, wish)
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_room(base, wish.source.size if wish.source else 0, reserve_bytes)
    try:
        with _aside(base, wish.name) as folder:
            sealed = _fill(folder, draft, wish, copied)
            acknowledge(folder, sealed, person=person.strip(), at=clock.now(), terms=terms_of(wish))
            _sync(folder)
            folder.rename(base / wish.name)
            _sync(base)
    except OSError as error:
        raise ModelRefused(
            f"{error.filename or base}: {error.strerror}; nothing was added"
        ) from error
    return sealed


def add_taught(
    base: Path, folder: Path, name: str, *, person: str, clock: Clock, reserve_bytes: int
) -> Manifest:
    """Add a model that was taught further by this node: sealed already, with its lineage.

    Its manifest is kept but for the name, and ``person`` acknowledges the licence of the weights
    that it was taught from. Raises :class:`ModelRefused`; nothing is left behind then.
    """
    if not person.strip():
        raise ModelRefused("a licence is acknowledged by a person: give a name")
    manifest = taught(folder)
    verify(folder, manifest)
    _check_name(base, name)
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_room(base, registered(folder).size, reserve_bytes)
    try:
        with _aside(base, name) as made:
            for path in manifest.files:
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / path, made / path)
            sealed = manifest.model_copy(update={"name": name})
            write_manifest(made, sealed)
            verify(made, sealed)
            terms = family_of(sealed.family).terms.notice
            acknowledge(made, sealed, person=person.strip(), at=clock.now(), terms=terms)
            _sync(made)
            made.rename(base / name)
            _sync(base)
    except OSError as error:
        raise ModelRefused(
            f"{error.filename or base}: {error.strerror}; nothing was added"
        ) from error
    return sealed


def taught(folder: Path) -> Manifest:
    """The manifest of a model that was taught further here. Raises :class:`ModelRefused`."""
    manifest = load_manifest(folder)
    if manifest.lineage is None:
        raise ModelRefused(
            f"{folder / MANIFEST}: this already is a model folder of a node; name it in "
            f"model.path, or remove {MANIFEST} to add it as a new model"
        )
    return manifest


def _fill(folder: Path, draft: Manifest, wish: Wish, copied: Hashed) -> Manifest:
    """Copy what is needed into ``folder`` and seal it."""
    digests: dict[str, str] = {}
    if wish.source is not None:
        digests = _copy(wish.source, folder, copied)
        # Once more on the copy: what was checked is what is kept.
        check_dialogue(folder, inspect(folder).config, draft)
    version = wish.version or _version(digests)
    sealed = draft.model_copy(update={"files": digests, "version": version})
    write_manifest(folder, sealed)
    return sealed


def _check_name(base: Path, name: str) -> None:
    if not is_name(name) or name.startswith(_RESERVED):
        raise ModelRefused(
            f"{name!r} cannot be the name of a model: use 1 to 64 small letters, digits, "
            f"'.', '_' and '-', beginning and ending with a letter or digit, not {_RESERVED!r}"
        )
    if (base / name).exists():
        raise ModelRefused(f"{base / name}: is there already; choose another --name or remove it")


def _architecture(wish: Wish) -> Architecture:
    """The network of the weights. Raises :class:`ModelRefused` when it is not known."""
    if wish.source is not None:
        return wish.source.architecture
    known = family_of(wish.family).architectures
    if wish.architecture is None and len(known) > 1:
        raise ModelRefused(f"say which architecture the server holds: {', '.join(known)}")
    return wish.architecture or known[0]


def _check_room(base: Path, needed: int, reserve_bytes: int) -> None:
    free = shutil.disk_usage(base).free
    if free - needed < reserve_bytes:
        raise ModelRefused(
            f"{base}: {needed} bytes are needed and {reserve_bytes} must stay free, "
            f"{free} are free; make room or move node.data_dir"
        )


@contextmanager
def _aside(base: Path, name: str) -> Iterator[Path]:
    """A folder to work in, removed when the work fails; one process at a time for a name."""
    folder = base / f"{_ASIDE}{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _empty(folder)  # what an add that was killed has left
        kept = False
        try:
            yield folder
            kept = True
        finally:
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError as error:
        raise ModelRefused(f"{folder}: {name} is being added by another process") from error
    finally:
        os.close(handle)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _copy(source: Source, target: Path, copied: Hashed) -> dict[str, str]:
    """Copy what is needed; name in the target to SHA-256 (hex) of what was read."""
    digests = {}
    for name, kept in sorted(source.files.items()):
        digest = hashlib.sha256()
        with (source.folder / name).open("rb") as read, (target / kept).open("xb") as write:
            while block := read.read(BLOCK):
                digest.update(block)
                write.write(block)
                copied(len(block))
            write.flush()
            os.fsync(write.fileno())
        digests[kept] = digest.hexdigest()
    return digests


def _version(digests: dict[str, str]) -> str:
    """A short digest of the weights."""
    if not digests:
        return "as served"
    weights: Sequence[str] = [d for n, d in sorted(digests.items()) if n.endswith(".safetensors")]
    return f"sha256-{hashlib.sha256(''.join(weights).encode()).hexdigest()[:12]}"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
