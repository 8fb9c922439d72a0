"""Images and composed services keep their rules: pinned, closed, on this machine only."""

from __future__ import annotations

import json
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from cxr_node.config import load

ROOT = Path(__file__).parents[2]
DOCKERFILES = ("workers/Dockerfile", "workers/containers/servers.Dockerfile", "orthanc/Dockerfile")
COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSED["services"]


@pytest.mark.parametrize("service", SERVICES)
def test_services_are_pinned_and_closed(service: str) -> None:
    found = SERVICES[service]
    assert re.fullmatch(r"[\w/-]+:\d[\w.-]*", found["image"])
    assert found["read_only"] and found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in found.get("ports", ()))


def test_no_password_is_written_down() -> None:
    """They are drawn on the first start, into a volume."""
    named = [
        key
        for found in SERVICES.values()
        for key in found.get("environment", {})
        if re.search("PASS|TOKEN|KEY|SECRET", key)
    ]
    assert named == []
    node = load(ROOT / "workers/containers/node.toml")
    assert node.database.password_file and node.doorbell.broker_password_file
    keys = (ROOT / "workers/containers/keys.sh").read_text()
    for file in (node.database.password_file, node.doorbell.broker_password_file):
        assert Path(file).name in keys


def test_database_and_broker_are_reached_by_the_node_alone() -> None:
    for service in ("database", "broker"):
        assert SERVICES[service]["networks"] == ["inner"] and "ports" not in SERVICES[service]
    reached = {name for name, found in SERVICES.items() if "inner" in found.get("networks", ())}
    assert reached == {"database", "broker", "node", "worker", "worker-gpu", "publisher"}


def test_node_believes_the_front_alone() -> None:
    assert {n for n, found in SERVICES.items() if "door" in found.get("networks", ())} == {
        "front",
        "node",
    }
    (trusted,) = load(ROOT / "workers/containers/node.toml").web.trusted_proxies
    (subnet,) = COMPOSED["networks"]["door"]["ipam"]["config"]
    named = re.fullmatch(r"\$\{CXR_DOOR:-(.+)\}", subnet["subnet"])
    assert named is not None and ip_network(named[1]).subnet_of(ip_network(trusted))


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_are_pinned_and_not_root(name: str) -> None:
    text = (ROOT / name).read_text()
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    own = {stage for _, stage in stages}
    assert {base for base, _ in stages} - own <= {"debian:bookworm-slim", "debian:trixie-slim"}
    # What is run sets its user after everything else.
    for block in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]:
        if "\nCMD " in block:
            assert "\nUSER cxr\n" in block[block.rfind("COPY") :]


def test_viewer_is_the_one_that_tests_use() -> None:
    script = (ROOT / ".ci/viewer.sh").read_text()
    image = (ROOT / "orthanc/Dockerfile").read_text()
    for name in ("version", "sha256"):
        value = re.search(rf"^{name}=(\S+)$", script, re.MULTILINE)
        assert value is not None and value[1] in image


def test_pacs_and_node_know_each_other() -> None:
    pacs = json.loads((ROOT / "orthanc/sandbox.json").read_text().replace("${CXR_TLS}", "false"))
    node = load(ROOT / "workers/containers/node.toml")
    (peer,) = node.destinations
    assert (peer.ae_title, peer.host, peer.port) == (pacs["DicomAet"], "pacs", pacs["DicomPort"])
    routed = pacs["DicomModalities"][pacs["CxrNode"]["Modality"]]
    assert (routed["AET"], routed["Host"]) == (node.node.ae_title, "node")
    assert routed["Port"] == node.listener.port
    assert {"pacs", "node"} <= SERVICES.keys()


def test_only_the_composed_hospital_is_left_out_of_the_tests() -> None:
    """It needs images that ``make sandbox-test`` builds; every other folder runs always."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {f"tests/{path.parent.name}" for path in (ROOT / "tests").glob("*/test_*.py")}
    listed = project["tool"]["pytest"]["ini_options"]["testpaths"]
    assert folders - set(listed) == {"tests/compose"}
