"""``cxr-node evaluate`` from the command line, with a scripted model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cxr_node.phantom.stored import write_stored_film


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cxr_node.entry.cli", "evaluate", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )


def scripted(folder: Path) -> str:
    path = folder / "sick.script.json"
    path.write_text(json.dumps({"answers": {"presence": 0.8}, "name": "sick"}), encoding="utf-8")
    return str(path)


def metrics(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return found


def test_phantoms_are_read_graded_and_reported(tmp_path: Path) -> None:
    wish = ("phantoms", "--count", "3", "--size", "112", "--out", "out", "--model")
    done = run(tmp_path, *wish, scripted(tmp_path), "--resamples", "100")
    assert done.returncode == 0, done.stderr
    assert "macro F1" in done.stdout
    assert metrics(tmp_path / "out")["n"] == 3
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "sick" in page and "no model has looked at the image" in page
    other = run(tmp_path, "phantoms", "--count", "4", "--out", "out", "--model", "sick.script.json")
    assert other.returncode == 2
    assert "another evaluation" in other.stderr


def test_images_of_a_table_are_read(tmp_path: Path) -> None:
    films = [write_stored_film(tmp_path / "films", study) for study in ("one", "two")]
    rows = "".join(f"{film.name},{n},{1 - n}\n" for n, film in enumerate(films))
    table = tmp_path / "labels.csv"
    table.write_text(f"file,Pneumothorax,Edema\n{rows}gone.dcm,1,0\n", encoding="utf-8")
    wish = ("images", str(table), "--root", "films", "--out", "out", "--model")
    done = run(tmp_path, *wish, scripted(tmp_path), "--triage")
    assert done.returncode == 0, done.stderr
    found = metrics(tmp_path / "out")
    assert found["n"] == 2
    assert [key for key, _ in found["failed"]] == ["gone.dcm"]  # type: ignore[attr-defined]


def test_dialogues_are_graded_without_a_model(tmp_path: Path) -> None:
    turn = {
        "stage": 1,
        "task_type": "View_Information",
        "qtype": "single-choice",
        "image_input_count": 1,
        "question": "Which?",
        "answer": "PA",
        "option_list": ["PA", "AP"],
    }
    records = [
        {"study_id": n, "image": [], "content": [turn | {"prediction": said}]}
        for n, said in enumerate(("PA", "AP", "B", ""))
    ]
    (tmp_path / "answered.json").write_text(json.dumps(records), encoding="utf-8")
    done = run(tmp_path, "dialogues", "answered.json", "--out", "out", "--model-name", "another")
    assert done.returncode == 0, done.stderr
    found = metrics(tmp_path / "out")
    assert found["about"]["model"] == "another"  # type: ignore[index]
    exact = found["answers"][0]["exact"]  # type: ignore[index]
    assert (exact["value"], exact["n"]) == (0.25, 4)
    assert found["parsing"]["refused"] == 1  # type: ignore[index]
