"""A folder in MIMIC-CXR's layout as dialogue records: studies by id, reports by section.

The data set is credentialed. A record names pictures and studies by their ids and holds of the
report only the sections that are answers; where the files lie stays with the site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cxr_node.domain.errors import RecordRefused
from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.stages import PROJECTIONS, StageKey
from cxr_node.reasoning.labels import LABELS, NO_FINDING, SUPPORT_DEVICES
from cxr_node.training.mimic_lists import ListedStudy, with_order
from cxr_node.training.record_stages import (
    CLOSED,
    OPEN,
    TASKS,
    Answered,
    option_words,
    plain_turn,
    shown,
    turn_of,
    turns_of,
)
from cxr_node.training.records import Record, RecordTurn, new_record
from cxr_node.training.report_sections import report_sections

SOURCE = "MIMIC-CXR"
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".dcm")
DEVICES_QUESTION = "Are support devices present, absent or uncertain?"
WHOLE_QUESTION = "Write the findings and the impression of the report."
_OFFERED = (Presence.PRESENT, Presence.ABSENT, Presence.UNCERTAIN)
_PROJECTION = {"LL": "lateral", "LATERAL": "lateral", "RL": "lateral"}


def study_folder(root: Path, subject: str, study: str) -> Path:
    """Where a study's pictures lie; the report is beside it, named ``.txt``."""
    files = root / "files" if (root / "files").is_dir() else root
    return files / f"p{subject[:2]}" / f"p{subject}" / f"s{study}"


def picture_file(root: Path, subject: str, study: str, dicom_id: str) -> Path | None:
    """The file of a picture that a record names; None when there is none."""
    folder = study_folder(root, subject, study)
    candidates = (folder / f"{dicom_id}{suffix}" for suffix in PICTURE_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def mimic_records(
    root: Path,
    studies: Iterable[ListedStudy],
    *,
    split: str = "",
    pictures: bool = True,
    missing: Callable[[Path], None] = lambda _: None,
) -> Iterator[Record]:
    """One record per listed study that has something to ask; ``split`` empty takes all.

    ``missing`` is called for every report, and with ``pictures`` for every picture, that is
    listed and not there. Raises :class:`RecordRefused` when ``root`` is no folder or a report
    is no text.
    """
    if not root.is_dir():
        raise RecordRefused(f"{root}: the folder does not exist")
    for study, before, after in with_order(studies):
        if split and study.split != split:
            continue
        if pictures:
            for path in _missing_pictures(root, study):
                missing(path)
        turns = _turns(study, _report(root, study, missing))
        if turns:
            yield new_record(
                turns,
                source=SOURCE,
                patient=study.subject,
                study=study.study,
                images=list(study.pictures),
                reference_study=before or None,
                following_study=after or None,
                **({"split": study.split} if study.split else {}),
            )


def _missing_pictures(root: Path, study: ListedStudy) -> Iterator[Path]:
    for name in study.pictures:
        if picture_file(root, study.subject, study.study, name) is None:
            folder = study_folder(root, study.subject, study.study)
            yield folder / f"{name}{PICTURE_SUFFIXES[0]}"


def _report(root: Path, study: ListedStudy, missing: Callable[[Path], None]) -> str:
    path = study_folder(root, study.subject, study.study).with_suffix(".txt")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        missing(path)
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise RecordRefused(f"{path}: cannot be read as text") from error


def _turns(study: ListedStudy, report: str) -> list[RecordTurn]:
    found = turns_of([*_views(study), *_findings(study)])
    if devices := study.labels.get(SUPPORT_DEVICES):
        found.append(_devices(devices))
    sections = report_sections(report)
    for key, text in (("findings", sections.findings), ("impression", sections.impression)):
        if text:
            found.append(turn_of(Answered(StageKey.REPORT, key, text)))
    if sections.together:
        task = "Report_Generation[ALL]"
        found.append(plain_turn(StageKey.REPORT, task, OPEN, WHOLE_QUESTION, sections.together))
    return shown(found, len(study.pictures))


def _views(study: ListedStudy) -> Iterator[Answered]:
    """The projection, where there is one picture and the lists name its view."""
    views = [_PROJECTION.get(view.upper(), view.upper()) for view in study.pictures.values()]
    if len(views) == 1 and views[0] in PROJECTIONS:
        yield Answered(StageKey.QUALITY_VIEW, "projection", views[0])


def _findings(study: ListedStudy) -> Iterator[Answered]:
    stage = StageKey.FINDINGS
    labels = study.labels
    named = {label: said for label, said in labels.items() if _kind(label)}
    if Presence.PRESENT in named.values():
        yield Answered(stage, "overall", "abnormal")
    elif labels.get(NO_FINDING) is Presence.PRESENT:
        yield Answered(stage, "overall", "normal")
    for label, said in named.items():
        yield Answered(stage, "presence", said, str(_kind(label)))


def _kind(label: str) -> FindingKind | None:
    """The one finding that a label stands for."""
    kinds = tuple(LABELS[label])
    return kinds[0] if len(kinds) == 1 else None


def _devices(said: Presence) -> RecordTurn:
    return plain_turn(
        StageKey.FINDINGS,
        TASKS[StageKey.FINDINGS][0],
        CLOSED,
        DEVICES_QUESTION,
        option_words(said),
        target="yes_no_foreign_body",
        option_list=[option_words(p) for p in _OFFERED],
    )
