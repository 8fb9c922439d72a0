"""A modality of phantoms: a burst with an emergency in its middle, then one study at a time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom import dcmread
from rich.console import Console

from cxr_node.config import PeerSection
from cxr_node.dicom.modality import Modality
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import Severity
from cxr_node.domain.instance import View
from cxr_node.phantom.batched.case import Case, make_case
from cxr_node.phantom.batched.dicom import write_film
from cxr_node.phantom.batched.make import Radiograph, radiographs
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.vendors import VENDORS

EMERGENCY_SEED = 50_000_002
"""From here on emergencies are drawn: large pneumothoraces, apart from the seeds of the rest."""
_ROUTINE: tuple[tuple[Sign, ...], ...] = (
    (),
    (Sign.CARDIOMEGALY,),
    (),
    (Sign.PACEMAKER,),
    (Sign.PLEURAL_EFFUSION,),
)
"""What the others show, in turn, in its mildest form."""
_AGAIN_SECONDS, _TRIES = 5.0, 24
_RECEIVER = re.compile(r"([^@\\]{1,16})@(\[[^\]]+\]|[^:@]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Pace:
    """``burst`` studies at once, the emergency in place ``emergency_at`` (counted from 1, 0 for
    none), then one every ``every`` seconds (0: none) until ``number`` are sent (0: for ever)."""

    burst: int
    emergency_at: int
    every: float
    number: int


def receiver(text: str) -> PeerSection:
    """``AE@host:port``. Raises :class:`ConfigurationError`."""
    found = _RECEIVER.fullmatch(text)
    if found is None or not 0 < int(found[3]) < 65536:
        raise ConfigurationError(f"{text}: a receiver is written AE@host:port")
    host = found[2].strip("[]")
    return PeerSection(name="receiver", ae_title=found[1], host=host, port=int(found[3]))


def burst_cases(pace: Pace, seed: int) -> list[Case]:
    """The cases of the burst, in the order in which they are sent."""
    return [
        _emergency(seed) if place == pace.emergency_at else _routine(seed + place)
        for place in range(1, pace.burst + 1)
    ]


def _emergency(seed: int) -> Case:
    drawn = EMERGENCY_SEED + seed
    return make_case(drawn, view=View.AP, signs=(Sign.PNEUMOTHORAX,), severity=Severity.SEVERE)


def _routine(seed: int) -> Case:
    signs = _ROUTINE[seed % len(_ROUTINE)]
    return make_case(seed, view=View.PA, signs=signs, severity=Severity.MILD)


class PhantomModality:
    """Draws and sends; says a line for each study on ``console``."""

    def __init__(self, modality: Modality, console: Console, size: int, seed: int) -> None:
        self._modality = modality
        self._console = console
        self._size = size
        self._seed = seed

    def run(self, pace: Pace, sleep: Callable[[float], None] = time.sleep) -> None:
        """Send the burst, drawn before the first leaves; then go on at the pace."""
        with TemporaryDirectory(prefix="phantoms-") as name:
            folder = Path(name)
            drawn = radiographs(burst_cases(pace, self._seed), self._size)
            files = [(film, write_film(film, folder, VENDORS[0])) for film in drawn]
            for film, path in files:
                self._send(film, path, sleep)
            if not pace.every:
                return
            for film in radiographs(self._later(pace), self._size, batch=1):
                sleep(pace.every)
                self._send(film, write_film(film, folder), sleep)

    def _later(self, pace: Pace) -> Iterator[Case]:
        sent = pace.burst
        while not pace.number or sent < pace.number:
            sent += 1
            yield make_case(self._seed + sent)

    def _send(self, film: Radiograph, path: Path, sleep: Callable[[float], None]) -> None:
        """Keep the study until the receiver has it; give it up after some minutes."""
        signs = " ".join(plan.sign.value for plan in film.case.plans) or "normal"
        study = dcmread(path, specific_tags=["StudyInstanceUID"]).StudyInstanceUID
        for _ in range(_TRIES):
            (answer,) = self._modality.send([path])
            if answer.taken:
                self._say(f"sent {study} {signs}")
                break
            self._say(f"not sent, again in {_AGAIN_SECONDS:.0f} s: {answer.words}")
            sleep(_AGAIN_SECONDS)
        else:
            self._say(f"given up {study}")
        path.unlink()

    def _say(self, words: str) -> None:
        self._console.print(words, highlight=False, soft_wrap=True)
