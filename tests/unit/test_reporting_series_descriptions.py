"""What the objects are called at each destination: predictable words for the rules of a PACS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydicom import Dataset

from cxr_node.config import PeerSection
from cxr_node.config_series import SeriesSection
from cxr_node.domain.findings import FindingKind
from cxr_node.domain.results import ResultKind
from cxr_node.reporting.measurement_report import build_report
from cxr_node.reporting.object_file import encode
from cxr_node.reporting.study_objects import (
    StudyObject,
    build_objects,
    is_report,
    report_kinds,
)
from tests.publishing import peer
from tests.readings import finding, sample_reading
from tests.reports import request, source_file

OBJECTS = (ResultKind.PAGE, ResultKind.KEY_OBJECT)
QUIET = sample_reading(findings=tuple(finding(k, 0.02) for k in FindingKind), advice=None)
USUAL = ["AI TRIAGE STAT", "AI REPORT PAGE", "AI TRIAGE STAT KEY IMAGE"]


def place(name: str, **series: Any) -> PeerSection:
    return peer(name, objects=OBJECTS, series=SeriesSection(**series))


def called(found: list[StudyObject], name: str) -> list[str]:
    return [str(o.dataset.SeriesDescription) for o in found if name in o.destinations]


def test_nothing_configured_is_as_it_always_was(tmp_path: Path) -> None:
    found = build_objects(request(source_file(tmp_path)), [place("PACS"), place("OTHER")], {})
    assert called(found, "PACS") == called(found, "OTHER") == USUAL
    assert [o.kind for o in found] == ["sr", "page", "key-object"]


def test_each_destination_has_its_own_words(tmp_path: Path) -> None:
    own = place(
        "OWN",
        flagged={"sr": "KI {priority}", "page": "KI {priority} BLATT"},
        described={"key-object": "never", "page": "KI BLATT"},
    )
    plain = place("PLAIN", mark_flagged=False, described={"sr": "AI"})
    found = build_objects(request(source_file(tmp_path)), [place("PACS"), own, plain], {})
    assert called(found, "PACS") == USUAL
    assert called(found, "OWN") == ["KI STAT", "KI STAT BLATT", "AI TRIAGE STAT KEY IMAGE"]
    assert called(found, "PLAIN") == ["AI", "AI REPORT PAGE", "AI KEY IMAGE"]
    assert all(len(o.destinations) == 1 for o in found)
    uids = {uid for o in found for uid in (o.dataset.SOPInstanceUID, o.dataset.SeriesInstanceUID)}
    assert len(uids) == 2 * len(found), "other words never travel under one UID"


def test_an_unflagged_study_has_the_ordinary_words(tmp_path: Path) -> None:
    own = place("OWN", flagged={"sr": "STAT"}, described={"page": "SHEET {priority}"})
    found = build_objects(request(source_file(tmp_path), QUIET), [own], {})
    assert called(found, "OWN") == ["AI READING", "SHEET ROUTINE"]


def test_other_words_change_nothing_else(tmp_path: Path) -> None:
    asked = request(source_file(tmp_path))
    usual, own = (
        build_objects(asked, [place("PACS", **series)], {})[0].dataset
        for series in ({}, {"flagged": {"sr": "OWN"}})
    )
    assert encode_tree(usual) == encode_tree(own)
    assert usual.SOPInstanceUID != own.SOPInstanceUID


def encode_tree(report: Dataset) -> list[str]:
    return [str(item) for item in report.ContentSequence]


def test_a_destination_s_report_replaces_the_one_it_had(tmp_path: Path) -> None:
    """Where its words are new, the one it had under the usual words."""
    asked = request(source_file(tmp_path))
    own = place("OWN", flagged={"sr": "OWN"})
    usual, of_its_own = report_kinds([own])[::-1]
    assert usual == "sr" and is_report(of_its_own) and not is_report("page")
    files: dict[str, Path] = {}
    for kind in (usual, of_its_own):
        earlier = build_report(request(asked.sources[0], revision=len(files) + 3))
        files[kind] = tmp_path / f"{kind}.dcm"
        files[kind].write_bytes(encode(earlier))
    for known in ({usual: files[usual]}, files):
        (first, *_) = build_objects(asked, [own], known)
        named = first.dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
        uid = named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        assert uid.encode() in list(known.values())[-1].read_bytes()
        assert first.kind == of_its_own


@pytest.mark.parametrize(
    "words", ["{finding}", "AI\\STAT", "AI\nSTAT", " ", "x" * 65, "{priority}" * 10, "{priority"]
)
def test_words_that_cannot_stand_there_are_refused(words: str) -> None:
    with pytest.raises(ValidationError):
        SeriesSection(flagged={"sr": words})


def test_an_unknown_object_is_refused() -> None:
    with pytest.raises(ValidationError):
        SeriesSection.model_validate({"described": {"report": "x"}})
