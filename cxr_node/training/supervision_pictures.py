"""Pictures that dialogues name, prepared through the door that the node itself reads with."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from cxr_node.config import ImagingSection
from cxr_node.domain.errors import NotConformant, NotReadable, TrainingRefused
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import ImagePolicy, PreparedImage
from cxr_node.imaging.dicomize import dicomize
from cxr_node.imaging.radiograph import RadiographDetails
from cxr_node.imaging.reader import PixelReader

_WRAPPED = frozenset({".png", ".jpg", ".jpeg"})
_KEPT_BYTES = 1 << 30
_ENDINGS = ("", ".dcm", ".png", ".jpg", ".jpeg")
"""Tried behind a name that is no file: data sets often name pictures without an ending."""


class NamedPictures:
    """Pictures of one folder by name, at the size a model wants; the last used ones are kept.

    DICOM files are read as they are; PNG and JPEG are wrapped first, as `cxr-node dicomize`
    would, so that a picture has the same pixels here and in a reading.
    """

    def __init__(self, folder: Path, policy: ImagePolicy, reader: PixelReader, aside: Path) -> None:
        self._folder, self._policy, self._reader, self._aside = folder, policy, reader, aside
        self._kept: OrderedDict[str, PreparedImage] = OrderedDict()
        self._bytes = 0

    def path(self, name: str) -> Path:
        """The file of a picture. Raises :class:`TrainingRefused` naming it."""
        base = (self._folder / name).resolve()
        if not base.is_relative_to(self._folder.resolve()):
            raise TrainingRefused(f"{name}: is outside the folder of pictures")
        for ending in _ENDINGS:
            if (path := base.with_name(base.name + ending)).is_file():
                return path
        raise TrainingRefused(f"{self._folder / name}: there is no such picture")

    def prepared(self, name: str) -> PreparedImage:
        """The picture at the model's size. Raises :class:`TrainingRefused` naming it."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        path = self.path(name)
        try:
            made = self._read(path)
        except (NotReadable, NotConformant, InvalidDicomError, AttributeError) as error:
            raise TrainingRefused(f"{path}: cannot be shown to the model: {error}") from error
        self._kept[name] = made
        self._bytes += len(made.gray)
        while self._bytes > _KEPT_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1].gray)
        return made

    def _read(self, path: Path) -> PreparedImage:
        if path.suffix.lower() in _WRAPPED:
            wrapped = self._aside / "wrapped.dcm"
            dicomize(path, wrapped, RadiographDetails(path.stem))
            path = wrapped
        header = dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        return self._reader.prepare(path, Uid(str(header.SOPInstanceUID)), self._policy)


@contextmanager
def named_pictures(folder: Path, policy: ImagePolicy) -> Iterator[NamedPictures]:
    """The pictures of ``folder``. Raises :class:`TrainingRefused` when there is none."""
    if not folder.is_dir():
        raise TrainingRefused(f"{folder}: there is no such folder of pictures")
    reader = PixelReader(ImagingSection())
    try:
        with tempfile.TemporaryDirectory() as aside:
            yield NamedPictures(folder, policy, reader, Path(aside))
    finally:
        reader.close()
