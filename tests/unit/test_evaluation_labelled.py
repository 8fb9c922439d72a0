"""Labelled images: what a CSV tells, what it does not, and where a true box lies."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cxr_node.config import ImagingSection
from cxr_node.domain.errors import ConfigurationError, Unreadable
from cxr_node.domain.ports import ImagePolicy, SizePolicy
from cxr_node.evaluation.labelled import ignored_words, image_items, read_table
from cxr_node.imaging.reader import PixelReader
from cxr_node.phantom.stored import stored_film

POLICY = ImagePolicy(SizePolicy.LETTERBOX, side=112)
LISTED = """file,labels,view,age,sex
a/1.png,Effusion|Infiltration,AP,30,F
a/2.png,No Finding,PA,61,M
b/3.png,Pneumothorax|Emphysema,PA,,
"""


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_of_labels_tells_of_all_labels_in_it(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, LISTED))
    first, second, third = found.rows
    assert first.labels == {
        "lung_opacity": True,
        "no_finding": False,
        "pleural_effusion": True,
        "pneumothorax": False,
    }
    assert [second.labels["no_finding"], third.labels["pneumothorax"]] == [True, True]
    assert found.unknown == ("Emphysema",)
    assert "Emphysema" in ignored_words(found.unknown)
    assert first.groups == {"view": "AP", "sex": "F", "age": "under 40"}
    assert (second.groups["age"], "age" in third.groups) == ("under 75", False)


def test_only_files_under_a_prefix(tmp_path: Path) -> None:
    rows = read_table(table(tmp_path, LISTED), under="a/").rows
    assert [row.file for row in rows] == ["a/1.png", "a/2.png"]
    assert "pneumothorax" not in rows[0].labels


def test_columns_of_labels_tell_one_by_one(tmp_path: Path) -> None:
    text = (
        "file,No Finding,Pleural Effusion,Mass,Nodule,Pneumonia,Hernia\n"
        "1.dcm,0,1,0,1,,1\n"
        "2.dcm,1.0,0,0,0,-1,0\n"
    )
    found = read_table(table(tmp_path, text))
    assert found.rows[0].labels == {
        "no_finding": False,
        "pleural_effusion": True,
        "lung_lesion": True,
    }
    assert found.rows[1].labels == {
        "no_finding": True,
        "pleural_effusion": False,
        "lung_lesion": False,
    }
    assert found.unknown == ("Hernia",)


@pytest.mark.parametrize(
    ("text", "words"),
    [("name,labels\nx,Edema\n", "no row"), ("file,labels\nx.png,Hernia\n", "no label")],
)
def test_a_table_without_files_or_labels_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_table(table(tmp_path, text))


def test_boxes_reach_the_models_picture(tmp_path: Path) -> None:
    """A picture of 200 x 100 lies in the middle of the model's square: 25 % free above."""
    shades = stored_film()[50:250:2, :400:2]
    Image.fromarray(shades).save(tmp_path / "1.png")
    boxes = table(tmp_path, "file,label,x,y,w,h\n1.png,Effusion,50,0,100,50\n", "boxes.csv")
    found = read_table(table(tmp_path, "file,labels,view\n1.png,Effusion,AP\n"), boxes)
    images = PixelReader(ImagingSection())
    try:
        (item,) = image_items(found, tmp_path, images, tmp_path / "work")
        request, truth = item.open(POLICY)
    finally:
        images.close()
    assert truth.boxes["pleural_effusion"][0] == pytest.approx((25, 25, 75, 50), abs=0.5)
    assert request.quality_control is False
    assert request.references[0].view == "AP"
    assert list(truth.answers.values()) == ["AP"]
    assert (request.images[0].width, request.images[0].original_columns) == (112, 200)


def test_what_is_no_picture_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"nothing")
    found = read_table(table(tmp_path, "file,labels\n1.png,Edema\n"))
    images = PixelReader(ImagingSection())
    (item,) = image_items(found, tmp_path, images, tmp_path / "work")
    with pytest.raises(Unreadable):
        item.open(POLICY)
    images.close()
