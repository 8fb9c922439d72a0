"""What the installed path must do with every phantom, whichever model reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cxr_node.domain.eligibility import WORDS, Reason
from cxr_node.domain.priority import RANK, is_flag
from cxr_node.domain.study import StudyState
from cxr_node.evaluation.commission.limits import PathLimits
from cxr_node.evaluation.commission.studies import Asked

READ = frozenset({StudyState.REPORTED, StudyState.DELIVERED})
ENDED = READ | {StudyState.NOT_ELIGIBLE}


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of the path; ``failures`` name each study that broke it, and how."""

    name: str
    told: str
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


def path_checks(asked: Sequence[Asked], limits: PathLimits, model_digest: str) -> list[Check]:
    """In the order in which a study meets them."""
    read = [one for one in asked if one.readable]
    flags = [one.flag_seconds for one in read if one.flag_seconds is not None]
    spans = [one.report_seconds for one in read if one.report_seconds is not None]
    return [
        _check("every image taken with status 0x0000", asked, _taken),
        _check("every study comes to an end", asked, _ended),
        _check(
            "what may be read is read, what may not is refused with its reason", asked, _decided
        ),
        _check("every report is delivered to every destination", read, _delivered),
        _check(
            "every report is there, readable, and of the right patient, study, images and model",
            read,
            lambda one: _identity(one, model_digest),
        ),
        _check("report and worklist page name the same findings", read, _same_findings),
        _check("nothing is reported or flagged of a study that is not read", asked, _silent),
        _check("a worklist query answers every study with its priority", asked, _listed),
        Check("the worklist puts the higher priority first", _count(asked), _order(asked)),
        _check(
            f"flag within {limits.stat_seconds:g} s of the last image",
            read,
            lambda one: _within(one.flag_seconds, limits.stat_seconds),
            _slowest(flags, "flagged"),
        ),
        _check(
            f"report within {limits.study_seconds:g} s of the last image",
            read,
            lambda one: _within(one.report_seconds, limits.study_seconds),
            _slowest(spans, "reported"),
        ),
    ]


def _check(
    name: str, asked: Sequence[Asked], fault: Callable[[Asked], str], told: str = ""
) -> Check:
    faults = [(one, fault(one)) for one in asked]
    named = tuple(f"{one.study.name}: {words}" for one, words in faults if words)
    return Check(name, told or _count(asked), named)


def _count(asked: Sequence[Asked]) -> str:
    return f"{len(asked)} studies"


def _slowest(seconds: Sequence[float], what: str) -> str:
    if not seconds:
        return f"none {what}"
    middle = sorted(seconds)[len(seconds) // 2]
    return f"{len(seconds)} {what}, median {middle:.1f} s, longest {max(seconds):.1f} s"


def _taken(one: Asked) -> str:
    return one.answer.refused


def _ended(one: Asked) -> str:
    state = one.answer.state
    if one.answer.refused or state in ENDED:
        return ""
    words = f" ({one.answer.words})" if one.answer.words else ""
    return "the node does not list it" if state is None else f"it is {state}{words}"


def _decided(one: Asked) -> str:
    answer, expected = one.answer, one.study.refused_for
    if answer.state not in ENDED:
        return ""  # named already
    if not expected:
        refused = answer.state is StudyState.NOT_ELIGIBLE
        return f"refused though it may be read ({answer.reason})" if refused else ""
    if answer.state is not StudyState.NOT_ELIGIBLE:
        return f"read though {WORDS[Reason(expected)]}"
    return "" if answer.reason == expected else f"refused for {answer.reason}, not for {expected}"


def _delivered(one: Asked) -> str:
    return "; ".join(one.answer.undelivered)


def _identity(one: Asked, model_digest: str) -> str:
    if one.answer.unreadable:
        return "; ".join(one.answer.unreadable)
    if not one.answer.reports:
        return "no report"
    return "; ".join(dict.fromkeys(_wrong_values(one, model_digest)))


def _wrong_values(one: Asked, model_digest: str) -> Iterator[str]:
    study = one.study
    for report in one.answer.reports:
        for name, said, true in (
            ("Patient ID", report.patient_id, study.patient_id),
            ("Patient's Name", report.patient_name, study.patient_name),
            ("Study Instance UID", report.study_uid, study.study_uid),
            ("Accession Number", report.accession_number, study.accession_number),
        ):
            if said != true:
                yield f"{name} is {said or 'empty'}, not {true}"
        if not report.images or not report.images <= set(study.images):
            yield "it refers to other images than those sent"
        if report.model_digest != model_digest:
            yield f"it is by the model {report.model_digest[:12] or 'unnamed'}"
        if report.verified:
            yield "it claims to be verified by a person"


def _same_findings(one: Asked) -> str:
    """Every report of a study must say what the page says."""
    for report in one.answer.reports:
        said = {kind for kind, found in report.findings.items() if found.presence == "present"}
        if said != set(one.answer.findings):
            only = sorted(said ^ set(one.answer.findings))
            return f"only one of them names {', '.join(only)}"
    return ""


def _silent(one: Asked) -> str:
    if one.readable:
        return ""
    if one.answer.reports:
        return "a report was written"
    priority = one.answer.priority
    return f"its priority is {priority}" if priority is not None and is_flag(priority) else ""


def _listed(one: Asked) -> str:
    answer = one.answer
    if answer.state is None or answer.listed is answer.priority:
        return ""
    return "not listed" if answer.listed is None else f"{answer.listed}, not {answer.priority}"


def _order(asked: Sequence[Asked]) -> tuple[str, ...]:
    placed = sorted(
        (one for one in asked if one.answer.place is not None and one.answer.listed is not None),
        key=lambda one: one.answer.place or 0,
    )
    ranks = [RANK[one.answer.listed] for one in placed if one.answer.listed is not None]
    return tuple(
        f"{placed[n + 1].study.name} stands behind {placed[n].study.name}"
        for n in range(len(ranks) - 1)
        if ranks[n + 1] > ranks[n]
    )


def _within(seconds: float | None, limit: float) -> str:
    return f"{seconds:.1f} s" if seconds is not None and seconds > limit else ""
