"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tables of the command line keep their words, whatever the width where the tests run.
os.environ["COLUMNS"] = "200"

pytest_plugins = [
    "tests.canaries",
    *("tests.peers", "tests.databases", "tests.nodes"),
    *("tests.models", "tests.families", "tests.engines", "tests.publishing"),
]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real radiographs, named by CXR_TEST_DATA; in CI it must be there."""
    named = os.environ.get("CXR_TEST_DATA", "")
    if named and Path(named).is_dir():
        return Path(named)
    if os.environ.get("CI"):
        pytest.fail("CXR_TEST_DATA must name the folder of real radiographs in CI")
    pytest.skip("did not run: CXR_TEST_DATA is not set, so there are no real radiographs")
