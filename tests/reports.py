"""Structured Reports for tests: a source image on disk, a request about it, and a look inside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydicom import Dataset

from cxr_node.domain.findings import Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.reporting.measurement_report import ReportRequest, build_report
from cxr_node.reporting.object_file import encode
from cxr_node.reporting.templates import Templates, load_templates
from cxr_node.services.prioritise import decide
from tests.builders import radiograph, save
from tests.readings import IMAGE, SERIES, box, sample_findings, sample_image, sample_reading

BUILT_AT = datetime(2026, 1, 2, 10, 30, tzinfo=UTC)


@cache
def templates() -> Templates:
    """The shipped templates."""
    return load_templates()


def source_file(folder: Path, **tags: Any) -> Path:
    """The image that ``sample_reading`` speaks of, as a file."""
    same = {"instance_uid": IMAGE.text, "series_uid": SERIES.text, "study_uid": "1.2.3.4.5"}
    return save(radiograph(**{**same, "rows": 512, "columns": 400, **tags}), folder)


def request(source: Path, reading: Reading | None = None, **changes: Any) -> ReportRequest:
    """What a report of ``reading`` about ``source`` is made of."""
    said = reading or sample_reading()
    plain = ReportRequest(
        reading=said,
        sources=(source,),
        templates=templates(),
        revision=1,
        decision=decide(said, templates()),
        built_at=BUILT_AT,
        site_key="test site",
    )
    return replace(plain, **changes)


def reading_of(header: Dataset) -> Reading:
    """A sample reading that speaks of the image with this header, boxes in proportion."""
    uid = Uid(str(header.SOPInstanceUID))
    rows, columns = int(header.get("Rows") or 512), int(header.get("Columns") or 400)
    image = sample_image(
        sop_instance_uid=uid,
        sop_class_uid=Uid(str(header.SOPClassUID)),
        series_uid=Uid(str(header.SeriesInstanceUID)),
        rows=rows,
        columns=columns,
    )
    heart = box(0.3 * columns, 0.4 * rows, 0.7 * columns, 0.8 * rows, uid)
    ratio = sample_reading().ratio
    assert ratio is not None
    return sample_reading(
        images=(image,),
        findings=sample_findings(uid),
        ratio=replace(ratio, heart=heart, thorax=heart),
    )


def write(report: Dataset, folder: Path, name: str = "report.dcm") -> Path:
    """The report as a file."""
    path = folder / name
    path.write_bytes(encode(report))
    return path


def built(folder: Path, reading: Reading | None = None, **changes: Any) -> Dataset:
    """A report about the sample image."""
    return build_report(request(source_file(folder), reading, **changes))


def items_below(report: Dataset, meaning: str) -> list[Dataset]:
    """Every content item of that concept name, anywhere in the tree."""
    found = []
    for item in report.get("ContentSequence") or ():
        names = item.get("ConceptNameCodeSequence")
        if names and names[0].CodeMeaning == meaning:
            found.append(item)
        found.extend(items_below(item, meaning))
    return found


def text_of(report: Dataset, meaning: str) -> str:
    """Text of the one TEXT item of that concept name."""
    (item,) = items_below(report, meaning)
    return str(item.TextValue)


def coded(item: Dataset) -> str:
    """Meaning of the value of a CODE item."""
    return str(item.ConceptCodeSequence[0].CodeMeaning)
