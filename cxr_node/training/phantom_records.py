"""Phantoms as dialogue records: all eight stages, answered from the truth."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_node.domain.instance import View
from cxr_node.phantom.make import chosen, make_phantom
from cxr_node.phantom.truth import PhantomTruth, PixelBox
from cxr_node.training import phantom_answers as answers
from cxr_node.training.record_stages import Answered, shown, turns_of
from cxr_node.training.records import Ident, Record, new_record
from cxr_node.training.samples import view_of

SOURCE = "cxr-node phantom"


def phantom_record(
    truth: PhantomTruth,
    size: int,
    *,
    study: str,
    image: str,
    earlier: tuple[str, str, PhantomTruth] | None = None,
    later: tuple[str, PhantomTruth] | None = None,
    patient: Ident = None,
) -> Record:
    """The full dialogue over one phantom of ``size`` × ``size`` pixels.

    ``earlier`` is study, image and truth of the reference study, ``later`` study and truth of
    the following one. Stages that the node would skip are absent: 4 with fewer than two
    findings, 5 without ``earlier``, 6 without ``later``, 6 and 7 where nothing is present.
    """
    said = list(_answered(truth, size, earlier and earlier[2], later and later[1]))
    return new_record(
        shown(turns_of(said), 1, earlier=1 if earlier else 0),
        source=SOURCE,
        patient=patient,
        study=study,
        images=[image, *([earlier[1]] if earlier else ())],
        reference_study=earlier[0] if earlier else None,
        following_study=later[0] if later else None,
    )


def phantom_records(first_seed: int, count: int) -> Iterator[Record]:
    """Dialogues over ``count`` phantoms of consecutive seeds, drawn at the model's size.

    Every second patient has an earlier study, every fourth also a later one: the same patient
    with what chance gives the next seeds.
    """
    for seed in range(first_seed, first_seed + count):
        name, view = f"phantom-{seed}", view_of(seed)
        now = make_phantom(seed, view=view)
        before = _another(seed, 1, view) if seed % 2 else None
        after = _another(seed, 2, view) if seed % 4 == 3 else None
        yield phantom_record(
            now.truth,
            now.size,
            study=name,
            image=name,
            earlier=(f"{name}-before", f"{name}-before", before) if before else None,
            later=(f"{name}-after", after) if after else None,
            patient=name,
        )


def _another(seed: int, step: int, view: View) -> PhantomTruth:
    """Another study of the patient of ``seed``."""
    return make_phantom(seed, findings=chosen(seed + step), view=view).truth


def _answered(
    truth: PhantomTruth, size: int, earlier: PhantomTruth | None, later: PhantomTruth | None
) -> Iterator[Answered]:
    def percent(box: PixelBox) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = (min(max(round(100 * edge / size, 2), 0.0), 100.0) for edge in box)
        return x0, y0, x1, y1

    yield from answers.quality(truth)
    yield from answers.findings(truth)
    yield from answers.attributes(truth, percent)
    if len(truth.findings) > 1:
        yield from answers.relations(truth)
    if earlier is not None:
        yield from answers.comparison(truth, earlier)
    if truth.findings and later is not None:
        yield from answers.course(truth, later)
    if truth.findings:
        yield from answers.advice(truth)
    yield from answers.report(truth)
