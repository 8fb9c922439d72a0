"""The repository keeps its own rules: sizes, names, docstrings, licences, honest pages."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PRODUCT = ("cxr_node", "workers", "sr_templates")
PLUGIN = "orthanc"
"""Its one file may be long, because being one file to copy is its whole point; nothing else of
these rules is waived for it."""
LONGEST_FILE = 500
P95_FILE = 350
LONGEST_FUNCTION = 60
BROAD_EXCEPTS = {
    "cxr_node/dicom/store_scp.py": 1,
    "cxr_node/entry/loops.py": 1,
    "cxr_node/imaging/decode_child.py": 2,
    "cxr_node/messaging/mllp_server.py": 1,
    "cxr_node/services/canary.py": 1,
    "cxr_node/services/claims.py": 1,
    "cxr_node/services/lanes.py": 1,
    "orthanc/cxr_node_plugin.py": 1,
}
"""Who may catch anything: the edges where a sender, a loop or a parent process must go on."""

_VAGUE_NAME = re.compile(r"(^|_)(manager|helpers?|utils?|misc|common|stuff)(_|$)")
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_HOME_PATH = re.compile(r"(?<![\w.])/(home|root|Users)/\w")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def length(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_are_short() -> None:
    lengths = {named(path): length(path) for path in sources(*PRODUCT, "tests", "benchmarks")}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}
    in_order = sorted(lengths.values())
    assert in_order[int(len(in_order) * 0.95)] <= P95_FILE


def test_functions_are_short() -> None:
    long = [
        f"{named(path)}:{node.lineno} {node.name}"
        for path in sources(*PRODUCT, PLUGIN)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.body[0].lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def test_every_module_says_what_it_holds() -> None:
    silent = [
        named(path)
        for path in sources(*PRODUCT, PLUGIN, "tests")
        if tree(path).body and not ast.get_docstring(tree(path))
    ]
    assert silent == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = ast.walk(handler.type) if handler.type else ()
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    return handler.type is None or bool(names & {"Exception", "BaseException"})


def test_catching_everything_is_rare() -> None:
    broad = Counter(
        named(path)
        for path in sources(*PRODUCT, PLUGIN)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    )
    assert broad - Counter(BROAD_EXCEPTS) == Counter()


def test_the_plugin_needs_nothing_but_python() -> None:
    [path] = sources(PLUGIN)
    assert length(path) > LONGEST_FILE, "short enough for the rule of all the others"
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else _names(node))
    }
    assert imported - sys.stdlib_module_names == set()


def _names(node: ast.Import) -> list[str]:
    return [alias.name for alias in node.names]


def test_modules_have_names_of_the_field() -> None:
    assert [named(p) for p in sources(*PRODUCT) if _VAGUE_NAME.search(p.stem)] == []


@pytest.mark.parametrize("pattern", [_UNFINISHED, _HOME_PATH], ids=["unfinished", "home path"])
def test_no_leftovers_in_the_text(pattern: re.Pattern[str]) -> None:
    texts = [*sources(*PRODUCT, PLUGIN, "tests"), *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    texts += [ROOT / "Makefile", ROOT / "pyproject.toml", *(ROOT / ".ci").iterdir()]
    found = [
        f"{named(path)}:{number}"
        for path in texts
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|CNRI|HPND|MPL|Mozilla|Zlib|Unlicense|CC0"
    r"|LGPL|Lesser General Public"
)
COPYLEFT = re.compile(r"(?<!L)GPL|Affero|(?<!Lesser )General Public License")


def _required(name: str, extras: tuple[str, ...]) -> Iterator[Requirement]:
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield requirement


@cache
def product_distributions() -> dict[str, Distribution]:
    """Everything that is installed to run the node, directly or not; no test tools."""
    found: dict[str, Distribution] = {}
    waiting = [("cxr-node", ("model", "train", "celery", "evaluate"))]
    while waiting:
        name, extras = waiting.pop()
        for requirement in _required(name, extras):
            if requirement.name not in found:
                found[requirement.name] = distribution(requirement.name)
                waiting.append((requirement.name, tuple(requirement.extras)))
    return found


def _licence(found: Distribution) -> str:
    said = found.metadata
    classifiers = [c for c in said.get_all("Classifier", []) if c.startswith("License ::")]
    # The field License may hold a whole text, in which any licence may be mentioned.
    free = said.get("License", "").strip().split("\n")[0][:100]
    return said.get("License-Expression") or "; ".join(classifiers) or free


def test_required_dependencies_have_permissive_licences() -> None:
    licences = {name: _licence(found) for name, found in product_distributions().items()}
    assert {"pydicom", "torch", "kombu"} <= licences.keys()
    # An expression may offer a choice; one permissive choice is enough.
    wrong = {
        name: words
        for name, words in licences.items()
        if not PERMISSIVE.search(words)
        or (COPYLEFT.search(words) and " OR " not in words and " or " not in words)
    }
    assert wrong == {}


_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
_QUOTED = re.compile(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:md|toml|yaml|json|py|yml))`")
MADE_LATER = ("cxr-node.toml", "demo-out/", "cxr-node-data/", "metrics.json", "run.json")
"""What a page names although only running the node makes it."""


@pytest.mark.parametrize(
    "page", [named(path) for path in (*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md")))]
)
def test_pages_name_only_files_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    here = (ROOT / page).parent
    links = [link for link in _LINK.findall(text) if "://" not in link]
    paths = [name for name in _QUOTED.findall(text) if not name.startswith(MADE_LATER)]
    missing = [link for link in links if not (here / link).exists()]
    missing += [name for name in paths if not (ROOT / name).exists()]
    assert missing == []


def test_pins_cover_what_is_required() -> None:
    """Every direct requirement has an exact version; none is a local path or build."""
    lines = (ROOT / ".ci/constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert [pin for pin in pins.values() if not re.fullmatch(r"[\w.]+", pin)] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [
        line
        for extra in ("model", "train", "celery", "evaluate", "dev")
        for line in _extra(project, extra)
    ]
    wanted = {canonicalize_name(Requirement(x).name) for x in (*project["dependencies"], *extras)}
    assert wanted - {canonicalize_name(name) for name in pins} == set()


def _extra(project: dict[str, Any], name: str) -> list[str]:
    found: list[str] = project["optional-dependencies"][name]
    return found
