"""A stored radiograph as the browser gets it, through the decoder that the node uses."""

from __future__ import annotations

import io
from pathlib import Path

from fastapi.testclient import TestClient
from PIL import Image

from cxr_node.config import ImagingSection
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import SpooledFile
from cxr_node.imaging.reader import PixelReader
from cxr_node.store import studies
from cxr_node.store.database import Database
from cxr_node.web.app import create_app
from cxr_node.web.source import Address
from cxr_node.web.store_pages import StorePages
from tests.builders import radiograph, save
from tests.instances import NOW, facts


def served(database: Database, reader: PixelReader) -> StorePages:
    """The pages of one process, which has drawn nothing yet."""
    return StorePages(
        database,
        render=lambda file, uid: reader.render_png(file, uid, max_side=128),
        health=dict,
        address=Address("CXRNODE", "127.0.0.1", 0),
    )


def test_the_picture_has_the_shape_of_the_radiograph(
    sqlite_database: Database, tmp_path: Path
) -> None:
    made = radiograph()
    instance = Uid(str(made.SOPInstanceUID))
    described = facts(sop_instance_uid=instance)
    path = save(made, tmp_path)
    with sqlite_database.begin() as session:
        study = studies.upsert_study(session, described, "MODALITY", NOW)
        revision = studies.open_revision(session, study, NOW)
        file = SpooledFile(path, "ab" * 32, path.stat().st_size)
        studies.add_instance(session, study, revision.number, described, file, "MODALITY", "", NOW)
    reader = PixelReader(ImagingSection())
    drawn, undrawn = (served(sqlite_database, reader) for _ in range(2))
    node = TestClient(create_app(drawn))
    uid = described.study.study_uid
    picture = Image.open(io.BytesIO(node.get(f"/studies/{uid}/images/{instance}.png").content))
    path.unlink()
    gone = undrawn.picture(uid, instance)
    reader.close()
    assert max(picture.size) <= 128
    assert abs(picture.width / picture.height - made.Columns / made.Rows) < 0.02
    assert len(set(picture.convert("L").tobytes())) > 50
    assert gone is None
