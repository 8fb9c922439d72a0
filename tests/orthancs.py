"""Orthancs with the node's plugin: Debian 12's and Debian 13's, started, killed, started again."""

from __future__ import annotations

import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from cxr_node.config import PeerSection
from cxr_node.dicom.store_scu import DimseSender
from tests.peers import (
    Orthanc,
    answers,
    free_port,
    missing,
    orthanc_command,
    running,
    server_folder,
    until,
)

PLUGIN = Path(__file__).parents[1] / "orthanc" / "cxr_node_plugin.py"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cxr-node"


@dataclass(frozen=True)
class Release:
    """An Orthanc as a Debian ships it; ``root`` is that Debian's folder, none this machine's."""

    name: str
    root: Path | None
    labels: bool

    def require(self) -> None:
        """Skip or fail the test where it is not installed."""
        if self.root is None:
            if not Path("/usr/share/orthanc/plugins/libOrthancPython.so").exists():
                missing("Orthanc's Python plugin", "orthanc-python")
        elif not (self.root / "usr/sbin/Orthanc").exists() or os.geteuid() != 0:
            missing("Debian 13's Orthanc (made by .ci/debian13.sh, as root)", "debootstrap")


BOOKWORM = Release("orthanc-1.10.1", None, labels=False)
TRIXIE = Release("orthanc-1.12.7", _CACHE / "debian-13-orthanc", labels=True)
RELEASES = (BOOKWORM, TRIXIE)
both = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


class PluggedOrthanc:
    """An Orthanc with the plugin that keeps its storage over restarts; a context manager."""

    def __init__(
        self, release: Release, section: Any, dicom_port: int = 0, **settings: Any
    ) -> None:
        release.require()
        self.release = release
        self.section = section
        self.settings = settings
        self.peer = Orthanc("ORTHANC", dicom_port or free_port(), free_port())
        self._lasting = ExitStack()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        root = self.release.root
        self.folder = self._lasting.enter_context(server_folder("plugged", root=root))
        shutil.copy(PLUGIN, self.folder)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._lasting.close()

    def start(self) -> None:
        """Start on the storage of the time before, if there was one."""
        root = self.release.root
        inside = self.folder if root is None else Path("/") / self.folder.relative_to(root)
        settings = {
            "Plugins": ["/usr/share/orthanc/plugins/libOrthancPython.so"],
            "PythonScript": str(inside / PLUGIN.name),
            "DicomAlwaysAllowFindWorklist": True,
            "DefaultEncoding": "Utf8",
            "CxrNode": self.section,
            **self.settings,
        }
        command = orthanc_command(self.peer, self.folder, root, settings)
        environment = {"TCP_NODELAY": "1"}
        self._process = self._running.enter_context(running(command, self.folder, environment))
        until(lambda: answers(self.peer), "Orthanc")
        until(self._plugin_decided, "the plugin")

    def _plugin_decided(self) -> bool:
        if self.settings.get("Plugins") == []:
            return True
        status = self.status()
        return bool(status["Sending"] or status["Problems"])

    def stop(self) -> None:
        """In the ordinary way."""
        self._running.close()

    def kill(self) -> None:
        """As the kernel would, in the middle of anything."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._running.close()

    def log(self) -> str:
        """What it has written since its first start."""
        return (self.folder / "output").read_text(errors="replace")

    def get(self, path: str) -> Any:
        return self.peer.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.peer.call("POST", path, {} if body is None else body)

    def status(self) -> dict[str, Any]:
        found = self.get("/cxr-node/status")
        assert isinstance(found, dict)
        return found

    def answer(self, method: str, path: str) -> tuple[int, str]:
        """Status and Location or body; redirections are not followed."""
        request = urllib.request.Request(f"{self.peer.base_url}{path}", method=method)
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("Location") or error.read().decode()

    def study(self, uid: str) -> str:
        """Orthanc's identifier of a study that it holds."""
        [found] = self.peer.find("Study", StudyInstanceUID=uid)
        return found

    def modalities(self, uid: str) -> list[str]:
        """Modality of each series of a study, sorted."""
        found = self.post(
            "/tools/find",
            {"Level": "Series", "Query": {"StudyInstanceUID": uid}, "Expand": True},
        )
        return sorted(series["MainDicomTags"]["Modality"] for series in found)

    def metadata(self, uid: str, number: int) -> str:
        found = self.get(f"/studies/{self.study(uid)}/metadata?expand")
        named = {4120: "CxrNodeState", 4121: "CxrNodePriority"}
        return str(found.get(str(number)) or found.get(named[number], ""))

    def upload(self, path: Path) -> None:
        """One file over REST."""
        address = f"{self.peer.base_url}/instances"
        request = urllib.request.Request(address, data=path.read_bytes(), method="POST")
        urllib.request.urlopen(request, timeout=20).close()

    def send(self, *paths: Path, own_ae: str = "MODALITY") -> None:
        """C-STORE from a modality."""
        address = PeerSection(
            name="orthanc", ae_title="ORTHANC", host="127.0.0.1", port=self.peer.dicom_port
        )
        sender = DimseSender(
            own_ae=own_ae, destinations=(address,), timeout_seconds=20.0, max_pdu=131_072
        )
        for path in paths:
            sender.send("orthanc", path)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def eventually(done: Callable[[], bool], what: str, seconds: float = 90.0) -> float:
    """Poll until ``done``; the seconds that it took."""
    began = time.monotonic()
    until(done, what, seconds)
    return time.monotonic() - began


@contextmanager
def plugged(release: Release, section: Any, **settings: Any) -> Iterator[PluggedOrthanc]:
    """An Orthanc with the plugin and short clocks, unless ``section`` says otherwise."""
    quick = {"PollSeconds": 0.3, "QuietSeconds": 0.2, "RetrySeconds": 0.5}
    whole = {**quick, **section} if isinstance(section, dict) else section
    with PluggedOrthanc(release, whole, **settings) as orthanc:
        yield orthanc
