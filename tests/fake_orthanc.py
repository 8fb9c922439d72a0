"""A stand-in for the ``orthanc`` module: studies in a dictionary, jobs that end at once."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

PLUGIN = Path(__file__).parents[1] / "orthanc" / "cxr_node_plugin.py"
DX = "1.2.840.10008.5.1.4.1.1.1.1"


class OrthancException(Exception):
    """What Orthanc's module raises."""


@dataclass
class FakeOrthanc:
    """Implements the calls that the plugin makes; everything may be looked into and changed."""

    configuration: dict[str, Any] = field(default_factory=dict)
    studies: dict[str, dict[str, Any]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    """The study of a series or an image."""
    modalities: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    labels: dict[str, set[str]] = field(default_factory=dict)
    has_labels: bool = True
    orders: list[list[str]] = field(default_factory=list)
    job_state: Callable[[list[str]], str] = lambda resources: "Success"
    calls: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    registered: dict[str, Any] = field(default_factory=dict)
    OrthancException: type[Exception] = OrthancException
    ChangeType: Any = field(
        default_factory=lambda: SimpleNamespace(
            **{
                name: name
                for name in (
                    *("ORTHANC_STARTED", "ORTHANC_STOPPED", "JOB_SUCCESS", "JOB_FAILURE"),
                    *("STABLE_STUDY", "NEW_INSTANCE", "DELETED"),
                )
            }
        )
    )
    ResourceType: Any = field(default_factory=lambda: SimpleNamespace(STUDY="STUDY"))
    CreateDicomFlags: Any = field(default_factory=lambda: SimpleNamespace(NONE=0))

    def add_study(self, number: int, *, updated: str = "20990101T000000", **tags: str) -> str:
        """One study with one DX image of the chest, unless ``tags`` say otherwise."""
        name = f"{number:08x}-" + "-".join(["00000000"] * 4)
        usual = {
            "SOPClassUID": DX,
            "Modality": "DX",
            "BodyPartExamined": "CHEST",
            "StudyInstanceUID": f"1.2.{number}",
        }
        self.studies[name] = {
            "ID": name,
            "Type": "Study",
            "LastUpdate": updated,
            "MainDicomTags": {"StudyInstanceUID": f"1.2.{number}"},
            "Series": [f"series-{name}"],
            "images": {},
        }
        self.parents[f"series-{name}"] = name
        self.add_image(name, f"image-{name}", **{**usual, **tags})
        return name

    def add_image(self, study: str, image: str, **tags: str) -> None:
        """One more image of a study."""
        self.studies[study]["images"][image] = tags
        self.parents[image] = study

    def GetConfiguration(self) -> str:  # noqa: N802 - Orthanc's name
        return json.dumps(self.configuration)

    def RestApiGet(self, path: str) -> bytes:  # noqa: N802
        self.calls.append(path)
        return json.dumps(self._get(path)).encode()

    def _get(self, path: str) -> Any:
        parts = urlsplit(path)
        names = parts.path.strip("/").split("/")
        query = parse_qs(parts.query)
        if names == ["studies"]:
            since, limit = int(query["since"][0]), int(query["limit"][0])
            return list(self.studies.values())[since : since + limit]
        if names == ["system"]:
            return {"HasLabels": self.has_labels}
        if names == ["modalities"]:
            return self.modalities
        kind, name = names[0], names[1]
        if kind == "studies" and name in self.studies:
            return sorted(self.labels.get(name, ())) if names[2:] else self.studies[name]
        if kind == "jobs" and name.isdigit() and int(name) < len(self.orders):
            state = self.job_state(self.orders[int(name)])
            return {"State": state, "ErrorDescription": "" if state == "Success" else "Timeout"}
        study = self.studies.get(self.parents.get(name, ""))
        if study is not None and kind == "series":
            return {"ParentStudy": study["ID"], "Instances": list(study["images"])}
        if study is not None and kind == "instances":
            tags = study["images"][name]
            kinds = {"simplified-tags": tags, "metadata": {"RemoteAET": "MODALITY"}}
            return kinds[names[2]] if names[2:] else {"ParentSeries": study["Series"][0]}
        raise OrthancException(path)

    def RestApiPost(self, path: str, body: bytes) -> bytes:  # noqa: N802
        self.calls.append(path)
        if path == "/tools/lookup":
            uid = body.decode()
            found = [
                s for s in self.studies.values() if s["MainDicomTags"]["StudyInstanceUID"] == uid
            ]
            return json.dumps([{"ID": s["ID"], "Type": "Study"} for s in found]).encode()
        self.orders.append(json.loads(body)["Resources"])
        return json.dumps({"ID": str(len(self.orders) - 1)}).encode()

    def RestApiPut(self, path: str, body: bytes) -> bytes:  # noqa: N802
        names = path.strip("/").split("/")
        if names[0] == "modalities":
            self.modalities[names[1]] = json.loads(body)
        elif names[1] not in self.studies:
            raise OrthancException(path)
        elif names[2] == "metadata":
            self.metadata.setdefault(names[1], {})[names[3]] = body.decode()
        else:
            self.labels.setdefault(names[1], set()).add(names[3])
        return b""

    def RestApiDelete(self, path: str) -> None:  # noqa: N802
        names = path.strip("/").split("/")
        self.labels[names[1]].discard(names[3])

    def CreateDicom(self, text: str, *_: Any) -> bytes:  # noqa: N802
        return text.encode()

    def LogError(self, text: str) -> None:  # noqa: N802
        self.logged.append(text)

    LogWarning = LogError

    def RegisterRestCallback(self, pattern: str, callback: Any) -> None:  # noqa: N802
        self.registered[pattern] = callback

    def RegisterOnChangeCallback(self, callback: Any) -> None:  # noqa: N802
        self.registered["change"] = callback

    def RegisterWorklistCallback(self, callback: Any) -> None:  # noqa: N802
        self.registered["worklist"] = callback

    def ExtendOrthancExplorer(self, script: str) -> None:  # noqa: N802
        self.registered["explorer"] = script


@contextmanager
def loaded(orthanc: FakeOrthanc) -> Iterator[ModuleType]:
    """The plugin's file, imported as that Orthanc would."""
    specification = importlib.util.spec_from_file_location("cxr_node_plugin", PLUGIN)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    saved = {name: sys.modules.get(name) for name in ("orthanc", "cxr_node_plugin")}
    sys.modules.update({"orthanc": orthanc, "cxr_node_plugin": module})  # type: ignore[dict-item]
    try:
        specification.loader.exec_module(module)
        yield module
    finally:
        for name, former in saved.items():
            if former is None:
                del sys.modules[name]
            else:
                sys.modules[name] = former
