"""What the terminal shows of a model: one row in the list, or everything about one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.ports import SizePolicy
from cxr_node.reasoning.acknowledgement import Acknowledgement
from cxr_node.reasoning.first_prompt import first_prompt
from cxr_node.reasoning.profiles import Calibration, Manifest, PictureSize, Profile, identity

OWN_LICENCE = "not needed: part of this project"


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One row: ``manifest`` is missing and ``problem`` set where a model cannot be used."""

    name: str
    manifest: Manifest | None
    acknowledged: str
    size: int
    used: str
    problem: str = ""


def models_table(models: Sequence[ListedModel]) -> Table:
    """The models of the site, the embedded one first."""
    table = Table("name", "family", "version", "licence", "acknowledged", "size", "used for")
    for model in models:
        if model.manifest is None or model.problem:
            table.add_row(Text(model.name), Text(model.problem), style="red")
            continue
        kept = "served" if model.manifest.engine else _megabytes(model.size)
        found = model.manifest
        words = [found.family.value, found.version, found.licence, model.acknowledged, kept]
        table.add_row(*map(Text, (model.name, *words, model.used)))
    return table


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def model_table(manifest: Manifest, accepted: Acknowledgement | None) -> Table:
    """All that a responsible person wants to know of one model."""
    table = Table("what", "value", title=Text(manifest.name))
    for what, value in _facts(manifest, accepted):
        table.add_row(what, Text(value))
    return table


def _facts(manifest: Manifest, accepted: Acknowledgement | None) -> Iterator[tuple[str, str]]:
    who = identity(manifest)
    yield "name, version", f"{manifest.name}, {manifest.version}"
    yield "family, network", f"{manifest.family}, {manifest.architecture}"
    yield "manufacturer", manifest.manufacturer
    yield "digest", who.digest
    yield "device UID", who.device_uid.text
    if manifest.engine:
        versions = manifest.engine.versions or "not stated"
        yield "served as", f"{manifest.engine.served_name}; server versions: {versions}"
    yield "licence", manifest.licence
    yield "acknowledged", _acknowledged(accepted)
    yield "intended use", manifest.intended_use
    yield "statement", manifest.statement
    yield "trained", "yes" if manifest.trained else "no: random weights"
    if manifest.lineage:
        yield "taught from", f"{manifest.lineage.base}, digest {manifest.lineage.base_digest}"
        yield "taught with", manifest.lineage.command
    yield "picture", _picture(manifest.picture)
    yield from _profile(manifest.profile)
    yield "stop tokens", " ".join(manifest.stop_tokens)
    yield "prompts", f"version {manifest.prompts_version}, chat {manifest.chat}"
    yield "first prompt, exactly", json.dumps(first_prompt(manifest), ensure_ascii=False)
    yield "", "the picture's token stands once here and is repeated for every visual token"
    for name, digest in sorted(manifest.files.items()):
        yield f"SHA-256 {name}", digest


def _profile(profile: Profile) -> Iterator[tuple[str, str]]:
    yield "pictures", f"{profile.pictures}, {profile.order}"
    yield "asked", f"{profile.manner}, wording {profile.wording}, boxes in {profile.boxes}"
    if profile.opening:
        yield "opening", f"{profile.opening.prompt} (up to {profile.opening.new_tokens} tokens)"
    yield "never told", ", ".join(profile.not_assessed) or "-"
    yield "stages not taught", ", ".join(profile.untaught) or "-"
    yield "threshold", f"{profile.default_threshold:g} where not given below"
    for kind in FindingKind:
        if kind in profile.thresholds:
            yield f"threshold {kind}", f"{profile.thresholds[kind]:g}"
    if not profile.calibration:
        yield "calibration", "none: probabilities are as the model says"
    for question, calibration in sorted(profile.calibration.items()):
        yield f"calibration {question}", _calibration(calibration)


def _calibration(calibration: Calibration) -> str:
    bias = "".join(f", {option} {value:+.3f}" for option, value in calibration.bias.items())
    found = f"temperature {calibration.temperature:.3f}{bias}"
    fit = calibration.fit
    if fit is None:
        return f"{found}; how it was found is not recorded"
    return (
        f"{found}; {fit.method} on {fit.data}: {fit.positives} positive, {fit.negatives} negative, "
        f"log loss {fit.log_loss:.3f}, calibration error {fit.calibration_error:.3f}"
    )


def _picture(picture: PictureSize) -> str:
    if picture.size is SizePolicy.FIT:
        return f"fit into {picture.max_pixels} pixels, sides in multiples of {picture.multiple}"
    return f"{picture.size} to {picture.side} x {picture.side}, multiples of {picture.multiple}"


def _acknowledged(accepted: Acknowledgement | None) -> str:
    terms = f": {accepted.terms}" if accepted else ""
    return acknowledged_words(accepted) + terms


def acknowledged_words(accepted: Acknowledgement | None) -> str:
    """Who accepted the licence, and when."""
    if accepted is None:
        return OWN_LICENCE
    return f"{accepted.person}, {accepted.at:%Y-%m-%d %H:%M %Z}"
