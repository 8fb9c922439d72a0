"""Programs by others that judge a Structured Report; each returns what it complains about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.peers import missing, require

_JAVA = Path("/usr/share/java")
_JARS = (
    "pixelmed",
    "javax.json",
    "javax.json-api",
    "commons-codec",
    "commons-net",
    "slf4j-api",
    "vecmath",
)
_XPATH = ("xpathTotalOpLimit", "xpathExprOpLimit", "xpathExprGrpLimit")
# The private scheme is declared in the object, but dciodvfy knows only the standard's list;
# and a result has no better identifiers for a DICOMDIR than its source had.
_NOISE = re.compile(r"Unrecognized defined term = <99[A-Z0-9_]*>|needed to build DICOMDIR")
# PixelMed of 2022: a baseline group that lacks every chest radiograph's code, and a row
# that it expects of each measurement group, whatever its template.
_PIXELMED_FALSE = (
    re.compile(r'"Procedure reported"\).* not found in context group 100'),
    re.compile(r"1410 .*(\[Row 5\]|\[Row 7\]).*[Mm]issing conditional"),
)


def run(*command: str) -> str:
    """Standard output and error of a program that must not crash."""
    done = subprocess.run(command, capture_output=True, check=False, timeout=900)
    text = done.stdout + done.stderr
    assert done.returncode >= 0, f"{command[0]} died of signal {-done.returncode}"
    return text.decode("utf-8", "replace")


def dciodvfy(path: Path, iod: str = "SR") -> tuple[list[str], list[str]]:
    """Errors and warnings, without the warnings that no result can avoid.

    ``iod`` is the end of the name that the tool must know the object by.
    """
    lines = run(require("dciodvfy", "dicom3tools"), "-new", str(path)).splitlines()
    errors = [line for line in lines if line.startswith("Error")]
    warnings = [x for x in lines if x.startswith("Warning") and not _NOISE.search(x)]
    assert any(line.endswith(iod) for line in lines), f"not recognised as {iod}: {lines}"
    return errors, warnings


def pixelmed(path: Path) -> list[str]:
    """Errors of the template validator, without its known false alarms."""
    java = require("java", "default-jre-headless")
    if not (_JAVA / "pixelmed.jar").exists():
        missing("PixelMed", "libpixelmed-java")
    jars = [str(_JAVA / f"{name}.jar") for name in _JARS if (_JAVA / f"{name}.jar").exists()]
    output = run(
        java,
        *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),  # a short run on few cores
        "-cp",
        os.pathsep.join(jars),
        *(f"-Djdk.xml.{limit}=0" for limit in _XPATH),
        "com.pixelmed.validate.DicomSRValidator",
        str(path),
    )
    assert "Root Template TID_1500" in output, output[:2_000]
    assert "Root Template Validation Complete" in output, output[:2_000]
    errors = [line for line in output.splitlines() if line.startswith("Error")]
    return [x for x in errors if not any(known.search(x) for known in _PIXELMED_FALSE)]


def dcmqi(path: Path) -> Any:
    """What dcmqi's independent reader of TID 1500 understood."""
    beside = Path(sys.executable).with_name("tid1500reader")
    program = str(beside) if beside.exists() else require("tid1500reader", "dcmqi")
    target = path.with_suffix(".json")
    output = run(program, "--inputDICOM", str(path), "--outputMetadata", str(target))
    assert target.exists(), output
    return json.loads(target.read_text("utf-8"))


def dsrdump(path: Path) -> str:
    """DCMTK's rendering as text, long values whole."""
    return run(require("dsrdump", "dcmtk"), "+Pl", str(path))


def dsr2html(path: Path) -> str:
    """DCMTK's rendering as a page."""
    return run(require("dsr2html", "dcmtk"), str(path))
