"""The hospital sandbox as a whole: brought up with Docker Compose, asked from outside, removed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from cxr_node.entry.http_client import NodePage
from cxr_node.web.documents import WorklistItem
from tests.peers import free_port

ROOT = Path(__file__).parents[1]
START_SECONDS = 240.0
_PORTS = ("PAGE", "VIEWER", "PACS", "NODE", "PACS_DICOM", "NODE_DICOM")


def compose_command() -> list[str]:
    """``COMPOSE``, else Compose v2, else 1.29."""
    if named := os.environ.get("COMPOSE"):
        return shlex.split(named)
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


@dataclass
class Stack:
    """One sandbox under a project name and on ports of its own."""

    project: str = field(default_factory=lambda: f"cxr-{uuid4().hex[:8]}")
    ports: Mapping[str, int] = field(default_factory=lambda: {n: free_port() for n in _PORTS})

    def __post_init__(self) -> None:
        self._command = compose_command()
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "CXR_DOOR": f"10.231.{int(self.project[-2:], 16)}.16/28",
            **{f"CXR_{name}_PORT": str(port) for name, port in self.ports.items()},
        }
        self.node = NodePage("127.0.0.1", self.ports["NODE"])

    def compose(self, *arguments: str, seconds: float = 300.0) -> str:
        """Run Compose to its end; its output. Fails with what it said."""
        found = subprocess.run(
            [*self._command, *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert found.returncode == 0, f"{arguments}: {found.stdout}{found.stderr}"
        return found.stdout

    def sending(self, *options: str) -> subprocess.Popen[str]:
        """The modality sends phantoms to the PACS; it runs on its own."""
        send = ("cxr-node", "phantom", "send", "--to=ORTHANC@pacs:4242", *options)
        return subprocess.Popen(
            [*self._command, "run", "--rm", "--no-deps", "-T", "modality", *send],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def container(self, service: str) -> str:
        """Id of the one container of a service, also of one that ended."""
        label = f"label=com.docker.compose.project={self.project}"
        own = f"label=com.docker.compose.service={service}"
        return docker("ps", "--all", "--quiet", "--filter", label, "--filter", own).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of the service's container."""
        found: dict[str, Any] = json.loads(docker("inspect", self.container(service)))[0]
        return found

    def healthy(self, service: str) -> bool:
        state = self.inspect(service)["State"]
        return bool(state.get("Health", {}).get("Status") == "healthy")

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def get(self, name: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """JSON from one of the ports; with ``body`` it is posted."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url(name)}{path}", data)
        request.add_header("Accept", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else []

    def studies(self) -> dict[str, WorklistItem]:
        """The node's worklist by Study Instance UID."""
        return {item.study_uid: item for item in self.node.studies()}

    def reports(self, study_uid: str) -> list[str]:
        """SOP Instance UIDs of the study's Structured Reports in the PACS, over DICOMweb."""
        path = f"/dicom-web/studies/{study_uid}/instances?Modality=SR"
        return [found["00080018"]["Value"][0] for found in self.get("VIEWER", path)]

    def labels(self, study_uid: str) -> set[str]:
        """The study's labels in the PACS."""
        query = {"Level": "Study", "Query": {"StudyInstanceUID": study_uid}}
        (study,) = self.get("PACS", "/tools/find", query)
        return set(self.get("PACS", f"/studies/{study}/labels"))

    def until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Poll; on time-out fail with the last lines of every container."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise AssertionError(f"not {what} in {seconds:.0f} s\n{self.logs()}")
            time.sleep(1.0)

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail=40")

    def remains(self) -> str:
        """Containers, volumes and networks that still bear the project's name."""
        label = f"label=com.docker.compose.project={self.project}"
        return "".join(
            docker(*kind, "--quiet", "--filter", label)
            for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        )


def docker(*arguments: str) -> str:
    """Output of one command of the engine."""
    assert shutil.which("docker"), "docker is not installed; make sandbox-test installs it"
    found = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return found.stdout


@contextmanager
def running_stack() -> Iterator[Stack]:
    """A sandbox whose parts are all healthy, without the studies it would send by itself."""
    stack = Stack()
    try:
        try:
            stack.compose("up", "--detach", "--no-build", "--scale", "modality=0")
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{stack.logs()}") from failure
        for service in ("node", "worker", "publisher", "pacs", "front"):
            stack.until(lambda name=service: stack.healthy(name), START_SECONDS, service)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
        assert stack.remains() == ""
