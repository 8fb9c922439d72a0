"""All objects of a study with 20 findings, against plain highdicom construction of the like.

CPU seconds of this process, median of the runs after a warm-up. The plain side calls the
library's own constructors with finished values: no page is laid out, no code looked up, no
text cleaned, nothing carried from the source. Decoding the radiograph for the page happens
in another process and is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import highdicom as hd
import highdicom.sr as sr
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.domain.findings import Finding, Reading
from cxr_node.domain.results import ResultKind
from cxr_node.reporting.companions import companions
from cxr_node.reporting.measurement_report import ReportRequest, build_report
from cxr_node.reporting.object_file import encode
from tests.page_examples import many_findings, picture_of
from tests.readings import sample_image, sample_reading
from tests.reports import request, source_file
from tests.unit.test_reporting_companions import MASKS

_MOST_SECONDS = 0.25
_FINDINGS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        path = source_file(Path(folder))
        reading = sample_reading(findings=many_findings(_FINDINGS, sample_image()))
        _compare(request(path, reading), path, runs)


def _compare(asked: ReportRequest, path: Path, runs: int) -> None:
    pictures = (picture_of(sample_image()),)
    table = Table("object", "node, ms", "plain highdicom, ms", "ratio")
    plain_all = 0.0
    plain = _plain(dcmread(path), asked.reading)

    def made(kind: ResultKind) -> None:
        for _, dataset in companions(asked, (kind,), pictures, MASKS):
            encode(dataset)

    ours: dict[str, Callable[[], object]] = {"sr": lambda: encode(build_report(asked))}
    ours |= {kind.value: lambda kind=kind: made(kind) for kind in ResultKind}
    for name, build in ours.items():
        mine = _median(build, runs)
        theirs = _median(plain[name], runs) if name in plain else None
        plain_all += theirs or 0.0
        ratio = f"{mine / theirs:.2f}" if theirs else "-"
        shown = f"{theirs * 1000:.0f}" if theirs else "-"
        table.add_row(name, f"{mine * 1000:.0f}", shown, ratio)

    def everything() -> None:
        encode(build_report(asked))
        for _, dataset in companions(asked, tuple(ResultKind), pictures, MASKS):
            encode(dataset)

    together = _median(everything, runs)
    table.add_row(
        "all", f"{together * 1000:.0f}", f"{plain_all * 1000:.0f}", f"{together / plain_all:.2f}"
    )
    Console().print(table)
    verdict = "within" if together <= _MOST_SECONDS else "ABOVE"
    Console().print(f"{verdict} {_MOST_SECONDS * 1000:.0f} ms for {_FINDINGS} findings")


def _median(build: Callable[[], object], runs: int) -> float:
    build()
    taken = []
    for _ in range(runs):
        began = time.process_time()
        build()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def _plain(source: Dataset, reading: Reading) -> dict[str, Callable[[], object]]:
    """The library's constructors, fed with finished values."""
    pixels = np.zeros((1754, 1240, 3), np.uint8)
    masks = np.zeros((1, source.Rows, source.Columns, 3), np.uint8)
    masks[:, 100:200, 100:200] = 1
    return {
        "sr": lambda: _write(_plain_report(source, reading)),
        "page": lambda: _write(
            hd.sc.SCImage.from_ref_dataset(
                source,
                pixels,
                hd.PhotometricInterpretationValues.RGB,
                8,
                hd.CoordinateSystemNames.PATIENT,
                **_series(),
                manufacturer="m",
                patient_orientation=("L", "F"),
                transfer_syntax_uid=ExplicitVRLittleEndian,
            )
        ),
        "key-object": lambda: _write(
            hd.ko.KeyObjectSelectionDocument(
                [source],
                hd.ko.KeyObjectSelection(codes.DCM.OfInterest, [source], description="x"),
                **_series(),
                manufacturer="m",
            )
        ),
        "gsps": lambda: _write(_plain_state(source, reading)),
        "seg": lambda: _write(
            hd.seg.Segmentation(
                [source],
                masks,
                hd.seg.SegmentationTypeValues.BINARY,
                [
                    hd.seg.SegmentDescription(
                        n,
                        f"segment {n}",
                        codes.SCT.AnatomicalStructure,
                        codes.SCT.Lung,
                        hd.seg.SegmentAlgorithmTypeValues.MANUAL,
                    )
                    for n in (1, 2, 3)
                ],
                **_series(),
                **_equipment(),
            )
        ),
    }


def _write(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _series() -> dict[str, object]:
    return {
        "series_instance_uid": generate_uid(),
        "series_number": 1,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
    }


def _equipment() -> dict[str, object]:
    return {
        "manufacturer": "m",
        "manufacturer_model_name": "m",
        "software_versions": "1",
        "device_serial_number": "1",
    }


def _plain_report(source: Dataset, reading: Reading) -> Dataset:
    image = sr.SourceImageForRegion.from_source_image(source)
    groups = []
    for number, finding in enumerate(reading.present, 1):
        tracking = sr.TrackingIdentifier(uid=generate_uid(), identifier=f"F{number}")
        groups.append(
            sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=tracking,
                referenced_region=sr.ImageRegion(
                    sr.GraphicTypeValues.POLYLINE, _corners(finding), image
                ),
                finding_type=codes.SCT.Pneumothorax,
                finding_sites=[sr.FindingSite(codes.SCT.Lung, laterality=codes.SCT.Right)],
                qualitative_evaluations=[
                    sr.QualitativeEvaluation(codes.DCM.PresenceOfProperty, codes.SCT.Present)
                ],
            )
        )
        groups.append(
            sr.MeasurementsAndQualitativeEvaluations(
                tracking_identifier=tracking,
                finding_type=codes.SCT.Pneumothorax,
                measurements=[
                    sr.Measurement(codes.DCM.CertaintyOfFinding, 87.0, codes.UCUM.Percent)
                ],
            )
        )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                codes.DCM.Device, sr.DeviceObserverIdentifyingAttributes(generate_uid())
            )
        ),
        procedure_reported=codes.SCT.PlainXRayOfChest
        if hasattr(codes.SCT, "PlainXRayOfChest")
        else codes.SCT.Imaging,
        imaging_measurements=groups,
    )
    return sr.Comprehensive3DSR([source], content, **_series(), manufacturer="m")


def _plain_state(source: Dataset, reading: Reading) -> Dataset:
    layer = hd.pr.GraphicLayer("BOXES", 1)
    units = hd.pr.AnnotationUnitsValues.PIXEL
    annotation = hd.pr.GraphicAnnotation(
        [source],
        layer,
        graphic_objects=[
            hd.pr.GraphicObject(hd.pr.GraphicTypeValues.POLYLINE, _corners(f), units)
            for f in reading.present
        ],
        text_objects=[
            hd.pr.TextObject("label", units, anchor_point=(10.0, 10.0)) for _ in reading.present
        ],
    )
    return hd.pr.GrayscaleSoftcopyPresentationState(
        [source],
        content_label="BOXES",
        graphic_annotations=[annotation],
        graphic_layers=[layer],
        **_series(),
        **_equipment(),
    )


def _corners(finding: Finding) -> np.ndarray:
    box = finding.box
    assert box is not None
    corners = [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)]
    return np.asarray([*corners, corners[0]], np.float64)


if __name__ == "__main__":
    main()
