"""Phantoms as dialogue records: all eight stages, answered from the truth."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_node.phantom.make import chosen, make_phantom
from cxr_node.phantom.truth import Phantom, PhantomTruth, PixelBox
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

    Two seeds are one patient: the odd one is the later study of the even one before it, and
    compares with it. Every second patient's course is known to the earlier study too.
    """
    for seed in range(first_seed, first_seed + count):
        now = _study(seed)
        before = _study(seed - 1) if seed % 2 else None
        after = _study(seed + 1) if seed % 4 == 0 else None
        yield phantom_record(
            now.truth,
            now.size,
            study=_name(seed),
            image=_name(seed),
            earlier=(_name(seed - 1), _name(seed - 1), before.truth) if before else None,
            later=(_name(seed + 1), after.truth) if after else None,
            patient=_name(seed - seed % 2),
        )


def _study(seed: int) -> Phantom:
    patient = seed - seed % 2
    return make_phantom(patient, findings=chosen(seed), view=view_of(patient))


def _name(seed: int) -> str:
    return f"phantom-{seed}"


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
