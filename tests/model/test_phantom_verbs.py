"""``cxr-node phantom``: what the verbs write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from typer.testing import CliRunner

from cxr_node.entry.cli import app


def _made(out: Path, *options: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["phantom", "make", "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    lines = (out / "truth.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_pictures_truth_masks_and_sheet(tmp_path: Path) -> None:
    lines = _made(tmp_path, "--n", "5", "--seed", "20", "--size", "96", "--masks", "--view", "ap")
    assert [line["seed"] for line in lines] == [20, 21, 22, 23, 24]
    assert {line["view"] for line in lines} == {"AP"}
    assert Image.open(tmp_path / "sheet.png").size[0] > 1000
    for line in lines:
        assert Image.open(tmp_path / line["image"]).size == (96, 96)
        boxes = {sign["sign"]: sign["box"] for sign in line["signs"]}
        assert line["masks"].keys() == boxes.keys()
        for sign, name in line["masks"].items():
            mask = np.asarray(Image.open(tmp_path / name))
            columns = np.flatnonzero(mask.any(axis=0))
            assert boxes[sign][0] == pytest.approx(100 * columns[0] / 96, abs=0.01)


def test_pairs_are_two_studies_of_one_patient_as_dicom(tmp_path: Path) -> None:
    lines = _made(tmp_path, "--n", "2", "--size", "96", "--pairs", "--dicom", "--hard")
    for line in lines:
        now, before = (pydicom.dcmread(tmp_path / f["image"]) for f in (line, line["prior"]))
        assert now.PatientID == before.PatientID
        assert now.StudyInstanceUID != before.StudyInstanceUID
        assert before.StudyDate < now.StudyDate
        assert now.QualityControlImage == "YES"
        assert line["difficulty"] == "phantom-2-hard"
        assert line["stages"]["comparison"] is not None


def test_the_same_seed_is_written_the_same(tmp_path: Path) -> None:
    first = _made(tmp_path / "a", "--n", "3", "--size", "96", "--seed", "9")
    again = _made(tmp_path / "b", "--n", "1", "--size", "96", "--seed", "11")
    assert first[2] == again[0]


def test_a_lateral_pair_is_refused(tmp_path: Path) -> None:
    options = ["phantom", "make", "--out", str(tmp_path), "--pairs", "--view", "lateral"]
    assert CliRunner().invoke(app, options).exit_code == 2


def test_sheet_shows_every_sign_once(tmp_path: Path) -> None:
    from cxr_node.phantom.batched.contact_sheet import EXHIBITS
    from cxr_node.phantom.batched.signs import Sign

    assert {sign for exhibit in EXHIBITS for sign in exhibit.signs} == set(Sign)
    path = tmp_path / "sheet.png"
    done = CliRunner().invoke(app, ["phantom", "sheet", "--out", str(path), "--size", "64"])
    assert done.exit_code == 0, done.output
    assert Image.open(path).size == (7 * 68 - 4, 4 * 84 - 4)
