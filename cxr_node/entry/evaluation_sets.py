"""Which phantoms an evaluation draws, from what the command line asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cxr_node.config import ImagingSection
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import ReadingKind
from cxr_node.evaluation.items import Item
from cxr_node.imaging.reader import PixelReader


@dataclass(frozen=True, slots=True)
class PhantomWish:
    """A set of phantoms; ``files`` is where they are written as DICOM, None for pictures."""

    difficulty: str
    seeds: Sequence[int]
    size: int
    kind: ReadingKind
    pairs: bool = False
    files: Path | None = None

    @property
    def words(self) -> str:
        """The set in words; whoever draws it again gets the same pictures."""
        how = " with priors" if self.pairs else ""
        how += " through the files of several makers" if self.files else ""
        seeds = f"seeds {self.seeds[0]} to {self.seeds[-1]}"
        return f"{self.difficulty} phantoms, {seeds} at {self.size} pixels{how}"


@contextmanager
def phantom_set(wish: PhantomWish, imaging: ImagingSection) -> Iterator[list[Item]]:
    """The studies, drawn when their turn comes.

    Raises :class:`ConfigurationError` without torch.
    """
    try:
        from cxr_node.evaluation.batched_phantoms import Files, Films, batched_items
    except ImportError as error:
        raise ConfigurationError(
            f"drawing needs the package {error.name}; install cxr-node[model]"
        ) from error
    from cxr_node.phantom.batched.patient import Level

    films = Films(Level(wish.difficulty), wish.size, wish.kind, wish.pairs)
    images = PixelReader(imaging)
    try:
        files = Files(wish.files, images) if wish.files else None
        yield batched_items(wish.seeds, films, files)
    finally:
        images.close()
