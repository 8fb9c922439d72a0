"""What the page says, in order, before anyone decides where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_node import __version__
from cxr_node.domain.findings import Box, DevicePosition, Finding, Presence, Reading
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.priority import PriorityDecision, is_flag
from cxr_node.reporting.measurement_report import ReportRequest
from cxr_node.reporting.narrative import label, percent
from cxr_node.reporting.page.identity import Identity, identity, readable_date
from cxr_node.reporting.page.status import is_verified, status
from cxr_node.reporting.page.steps import Step, steps
from cxr_node.reporting.page.warnings import warnings
from cxr_node.reporting.patient_study import read_header, recorded_at
from cxr_node.reporting.person_words import banner
from cxr_node.reporting.wording import PageWords, Wording

_IN_HEADLINE = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One finding of the table; ``number`` is also beside its box, 0 without a number."""

    number: int
    name: str
    attributes: str
    probability: float | None
    threshold: float
    uncertain: bool
    device: bool


@dataclass(frozen=True, slots=True)
class BoxLabel:
    """A box on the picture, in the picture's own pixels."""

    number: int
    text: str
    corners: tuple[float, float, float, float]
    device: bool


@dataclass(frozen=True, slots=True)
class PageContent:
    """Everything on the page. ``image`` is None where no picture could be had."""

    words: PageWords
    status: str
    verified: bool
    priority: str
    flagged: bool
    revision: str
    identity: Identity
    prior: str
    headline: str
    proposal: str
    warnings: tuple[str, ...]
    image: PreparedImage | None
    boxes: tuple[BoxLabel, ...]
    caption: tuple[str, ...]
    rows: tuple[Row, ...]
    absent: str
    legend: str
    steps: tuple[Step, ...]
    footer: tuple[str, ...]


def page_content(request: ReportRequest, pictures: tuple[PreparedImage, ...]) -> PageContent:
    """Gather it. ``pictures`` are those of the request's images that could be rendered."""
    reading, wording = request.reading, request.templates.wording
    source = read_header(request.sources[0])
    image = _shown(reading, pictures)
    flagged = is_flag(request.decision.priority)
    words = wording.page
    return PageContent(
        words=words,
        status=status(reading, wording),
        verified=is_verified(reading),
        priority=words.priority.format(priority=request.decision.priority) if flagged else "",
        flagged=flagged,
        revision=words.revision.format(number=request.revision) if request.revision > 1 else "",
        identity=identity(source, words),
        prior=_prior(reading, wording),
        headline=headline(reading, wording),
        proposal=_proposal(reading, request.decision, wording),
        warnings=warnings(reading, wording),
        image=image,
        boxes=_boxes(reading, image, wording),
        caption=_caption(reading, image, wording),
        rows=_rows(reading, wording),
        absent=_absent(reading, wording),
        legend=_legend(reading, wording),
        steps=steps(reading, wording),
        footer=_footer(request, str(source.get("StudyInstanceUID", "")), source_time(request)),
    )


def source_time(request: ReportRequest) -> str:
    """The moment of the reading in the zone of the source."""
    moment = recorded_at(read_header(request.sources[0]), request.built_at)
    return moment.strftime("%Y-%m-%d %H:%M %z").strip()


def headline(reading: Reading, wording: Wording) -> str:
    """The conclusion: what is held present, first of all; then what is uncertain."""
    told = [f for f in reading.present if not f.kind.is_device or _misplaced(f)]
    uncertain = [f for f in reading.findings if f.presence is Presence.UNCERTAIN]
    if told:
        sentences = [_sentence(_listed(told, wording))]
    elif all(f.presence is Presence.NOT_ASSESSED for f in reading.findings):
        sentences = [wording.conclusion.nothing_assessed]
    else:
        sentences = [wording.conclusion.nothing]
    if uncertain:
        names = ", ".join(wording.findings[f.kind] for f in uncertain[:_IN_HEADLINE])
        sentences.append(wording.page.uncertain.format(findings=names))
    return " ".join(sentences)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _listed(findings: list[Finding], wording: Wording) -> str:
    """The most probable first, devices last; the rest are counted."""
    ordered = sorted(findings, key=lambda f: (f.kind.is_device, -(f.probability or 0.0)))
    named = [_named(f, wording) for f in ordered[:_IN_HEADLINE]]
    if len(ordered) > _IN_HEADLINE:
        named.append(wording.page.more.format(count=len(ordered) - _IN_HEADLINE))
    return "; ".join(named)


def _named(finding: Finding, wording: Wording) -> str:
    name = wording.findings[finding.kind]
    if finding.laterality:
        name = wording.markers.sided.format(
            side=wording.laterality[finding.laterality], finding=name
        )
    place = f", {wording.position[finding.position]}" if finding.position else ""
    if finding.by_person:
        return f"{name}{place} ({wording.amendment.stated})"
    certainty = "" if finding.probability is None else f" ({percent(finding.probability)})"
    return f"{name}{place}{certainty}"


def _misplaced(finding: Finding) -> bool:
    return finding.position not in (None, DevicePosition.CORRECT)


def _proposal(reading: Reading, decision: PriorityDecision, wording: Wording) -> str:
    words = wording.page
    reason = wording.rules.get(decision.rule, decision.words).rstrip(".")
    said = [words.proposal.format(priority=decision.priority, words=reason)]
    if reading.amendment is not None:
        said.insert(0, banner(reading, wording))
    if reading.advice is not None:
        step, category = reading.advice.next_step, reading.advice.acr_category
        said.append(
            words.advice.format(
                category=category or wording.stages.no_category,
                next_step=wording.next_steps.get(step, step),
            )
        )
    return " ".join(said)


def _prior(reading: Reading, wording: Wording) -> str:
    if reading.prior is None:
        return wording.page.no_prior
    date = readable_date(reading.prior.date)
    return wording.page.prior.format(value=date) if date else wording.page.prior_undated


def _rows(reading: Reading, wording: Wording) -> tuple[Row, ...]:
    """What is present, numbered as in the report, then what is uncertain."""
    uncertain = [f for f in reading.findings if f.presence is Presence.UNCERTAIN]
    numbered = [*enumerate(reading.present, 1), *((0, f) for f in uncertain)]
    return tuple(
        Row(
            number=number,
            name=_sentence(wording.findings[f.kind])[:-1],
            attributes=", ".join(_attributes(f, wording)),
            probability=None if f.by_person else f.probability,
            threshold=f.threshold,
            uncertain=f.presence is Presence.UNCERTAIN,
            device=f.kind.is_device,
        )
        for number, f in numbered
    )


def _attributes(finding: Finding, wording: Wording) -> list[str]:
    parts = [wording.page.finding_uncertain] if not finding.present else []
    if finding.by_person:
        parts.append(wording.amendment.stated)
    if finding.laterality:
        parts.append(wording.laterality[finding.laterality])
    if finding.zone:
        parts.append(wording.zones[finding.zone])
    if finding.severity:
        parts.append(wording.severity[finding.severity])
    if finding.position:
        parts.append(wording.position[finding.position])
    return parts


def _absent(reading: Reading, wording: Wording) -> str:
    held = [f for f in reading.findings if f.presence is Presence.ABSENT]
    named = [
        wording.findings[f.kind]
        + ("" if f.probability is None or f.by_person else f" {percent(f.probability)}")
        for f in held
    ]
    return wording.page.absent.format(findings=", ".join(named)) if named else ""


def _legend(reading: Reading, wording: Wording) -> str:
    told = [f for f in reading.findings if f.probability is not None]
    calibrated = bool(told) and all(f.calibrated for f in told)
    return wording.page.legend + ("" if calibrated else f" {wording.page.uncalibrated}")


def _shown(reading: Reading, pictures: tuple[PreparedImage, ...]) -> PreparedImage | None:
    """The picture with most boxes; of equals, the one read first."""
    boxed = [f.box.sop_instance_uid for f in reading.present if f.box]
    if not pictures:
        return None
    return max(pictures, key=lambda picture: boxed.count(picture.sop_instance_uid))


def _boxes(reading: Reading, image: PreparedImage | None, wording: Wording) -> tuple[BoxLabel, ...]:
    if image is None:
        return ()
    return tuple(
        BoxLabel(number, label(f, wording), _corners(f.box, image), f.kind.is_device)
        for number, f in enumerate(reading.present, 1)
        if f.box is not None and f.box.sop_instance_uid == image.sop_instance_uid
    )


def _corners(box: Box, image: PreparedImage) -> tuple[float, float, float, float]:
    """In the content of the picture, without its padding."""
    x0, y0 = image.from_original(box.x0, box.y0)
    x1, y1 = image.from_original(box.x1, box.y1)
    return x0 - image.left, y0 - image.top, x1 - image.left, y1 - image.top


def _caption(reading: Reading, image: PreparedImage | None, wording: Wording) -> tuple[str, ...]:
    words, count = wording.page, len(reading.images)
    projection = wording.phrase(reading.projection or words.projection_unknown)
    template = words.picture if count < 2 else words.picture_one_of
    lines = [template.format(projection=projection, count=count)]
    if image is None:
        lines.append(words.no_picture)
    if reading.ratio is not None:
        ratio = words.ratio_ap if reading.projection == "AP" else words.ratio
        lines.append(ratio.format(ratio=f"{reading.ratio.value:.2f}"))
    return tuple(lines)


def _footer(request: ReportRequest, study: str, built: str) -> tuple[str, ...]:
    model, words = request.reading.model, request.templates.wording.page
    return (
        words.disclaimer_verified if is_verified(request.reading) else words.disclaimer,
        words.model.format(
            name=model.name,
            version=model.version,
            digest=model.digest[:12],
            node=__version__,
            templates=request.templates.version[:12],
        ),
        words.built.format(date=built, study=study),
    )
