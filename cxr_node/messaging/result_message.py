"""A notice as ORU^R01 (HL7 v2.5.1 §7.3.1): preliminary, or corrected by a person; never final."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cxr_node.config_messaging import CharacterSet, Hl7Section
from cxr_node.domain.notice import Coded, NotedFinding, Notice
from cxr_node.messaging.hl7_text import CODECS, encoded, escaped
from cxr_node.messaging.person_names import to_xpn
from cxr_node.messaging.result_mapping import ResultMapping

_PERCENT = Coded("UCUM", "%", "percent")
_STAMP = "%Y%m%d%H%M%S%z"

Field = str | Sequence["Field"]
"""Text, or components; text is escaped when the segment is written."""


def control_id(notice: Notice) -> str:
    """MSH-10, at most 20 characters as v2.5 has it; the same at every attempt."""
    return f"C{hashlib.sha256(notice.uid.text.encode('ascii')).hexdigest()[:19].upper()}"


def result_message(notice: Notice, section: Hl7Section, mapping: ResultMapping) -> bytes:
    """The whole message as it travels inside its frame."""
    oru = _Oru(notice, section, mapping)
    text = "".join(f"{segment}\r" for segment in oru.segments())
    return encoded(text, section.character_set)


@dataclass(frozen=True, slots=True)
class _Oru:
    notice: Notice
    section: Hl7Section
    mapping: ResultMapping

    @property
    def _status(self) -> str:
        return self.mapping.status(self.notice.event)

    @property
    def _stamp(self) -> str:
        return self.notice.at.strftime(_STAMP)

    def segments(self) -> Iterator[str]:
        yield self._header()
        yield self._patient()
        yield self._common_order()
        yield self._request()
        yield from (
            _segment("OBX", {1: str(number), **fields})
            for number, fields in enumerate(self._observations(), 1)
        )
        if self.mapping.zds:
            uid = self.notice.study.study_uid.text
            yield _segment("ZDS", {1: (uid, self.mapping.application, "Application", "DICOM")})

    def _header(self) -> str:
        section = self.section
        fields: dict[int, Field] = {
            3: self.mapping.application,
            4: self.notice.station,
            5: section.application,
            6: section.facility,
            7: self._stamp,
            9: ("ORU", "R01", "ORU_R01"),
            10: control_id(self.notice),
            11: "T" if self.notice.phantom else "P",
            12: self.mapping.hl7_version,
        }
        # MSH-1 and MSH-2 are the delimiters, and so part of the name here.
        written = _segment("MSH|^~\\&", {number - 2: value for number, value in fields.items()})
        return f"{written}{'|' * 6}{_declared(section.character_set)}"

    def _patient(self) -> str:
        patient = self.notice.patient
        names = [name for name in to_xpn(patient.name) if _fits(name, self.section.character_set)]
        return _segment(
            "PID",
            {1: "1", 3: (patient.patient_id, "", "", patient.issuer), 7: patient.birth_date}
            | {8: patient.sex},
            repeated={5: names},
        )

    def _common_order(self) -> str:
        return _segment("ORC", {1: "RE", 2: self._placer, 3: self._filler})

    @property
    def _placer(self) -> str:
        return self.notice.order.placer_number if self.notice.order else ""

    @property
    def _filler(self) -> str:
        ordered = self.notice.order.filler_number if self.notice.order else ""
        return ordered or self.notice.study.accession_number

    def _request(self) -> str:
        study, order = self.notice.study, self.notice.order
        procedure = (order.procedure if order else None) or self.mapping.default_procedure.coded
        return _segment(
            "OBR",
            {
                1: "1",
                2: self._placer,
                3: self._filler or study.study_uid.text,
                4: _code(procedure),
                7: f"{study.study_date}{study.study_time.partition('.')[0]}",
                18: study.accession_number,
                22: self._stamp,
                24: self.mapping.service_section,
                25: self._status,
            },
        )

    def _observations(self) -> Iterator[dict[int, Field]]:
        made = {
            "conclusion": self._conclusion,
            "priority": self._priority,
            "findings": self._findings,
            "study_uid": self._study_uid,
            "reports": self._reports,
            "model": self._model,
        }
        for name in self.mapping.sections:
            yield from made[name]()

    def _conclusion(self) -> Iterator[dict[int, Field]]:
        yield self._obx("TX", self.mapping.observations.conclusion.coded, self.notice.conclusion)

    def _priority(self) -> Iterator[dict[int, Field]]:
        codes, level = self.mapping.observations, self.notice.priority
        flag = self.mapping.abnormal_flags[level] if self.notice.flagged else ""
        yield self._obx("ST", codes.priority.coded, level.value, flag=flag)
        if self.notice.priority_words:
            yield self._obx("TX", codes.reason.coded, self.notice.priority_words)

    def _findings(self) -> Iterator[dict[int, Field]]:
        every = self.mapping.findings == "all"
        told = [f for f in self.notice.findings if every or f.presence != "absent"]
        for number, finding in enumerate(told, 1):
            flag = self.mapping.abnormal_flags[self.notice.priority] if finding.present else ""
            yield self._obx(
                "CWE", finding.code, _code(finding.presence_code), sub=str(number), flag=flag
            )
            yield from self._details(finding, str(number))

    def _details(self, finding: NotedFinding, sub: str) -> Iterator[dict[int, Field]]:
        codes, wanted = self.mapping.observations, self.mapping.details
        if "probability" in wanted and finding.probability is not None:
            percent = f"{finding.probability * 100:.1f}"
            yield self._obx("NM", codes.probability.coded, percent, sub=sub, unit=_PERCENT)
        if finding.presence == "absent":
            return
        for name, code in (
            ("site", finding.site),
            ("laterality", finding.laterality),
            ("severity", finding.severity),
        ):
            if name in wanted and code is not None:
                concept = getattr(codes, name).coded
                yield self._obx("CWE", concept, _code(code), sub=sub)

    def _study_uid(self) -> Iterator[dict[int, Field]]:
        yield self._obx(
            "ST", self.mapping.observations.study_uid.coded, self.notice.study.study_uid.text
        )

    def _reports(self) -> Iterator[dict[int, Field]]:
        concept = self.mapping.observations.report.coded
        for report in self.notice.reports:
            yield self._obx("ST", concept, report.sop_instance_uid.text)

    def _model(self) -> Iterator[dict[int, Field]]:
        model = self.notice.model
        yield self._obx(
            "ST", self.mapping.observations.model.coded, f"{model.name} {model.version}"
        )

    def _obx(
        self,
        kind: str,
        concept: Coded,
        value: Field,
        *,
        sub: str = "",
        flag: str = "",
        unit: Coded | None = None,
    ) -> dict[int, Field]:
        fields: dict[int, Field] = {2: kind, 3: _code(concept), 4: sub, 5: value}
        fields |= {6: _code(unit) if unit else "", 8: flag, 11: self._status, 14: self._stamp}
        return fields


def _segment(
    name: str,
    fields: Mapping[int, Field],
    repeated: Mapping[int, Sequence[Field]] | None = None,
) -> str:
    """A segment with its fields at their numbers; trailing empty ones are left out."""
    written = {number: _written(value) for number, value in fields.items()}
    for number, values in (repeated or {}).items():
        written[number] = "~".join(map(_written, values))
    last = max((number for number, value in written.items() if value), default=0)
    return "|".join([name, *(written.get(number, "") for number in range(1, last + 1))])


def _written(value: Field) -> str:
    if isinstance(value, str):
        return escaped(value)
    return "^".join(_written(part) for part in value).rstrip("^")


def _code(code: Coded) -> Field:
    return (code.value, code.meaning, code.scheme)


def _declared(character_set: CharacterSet) -> str:
    """MSH-18: ISO 2022 sets stand second, after the empty default (ASCII)."""
    return f"~{character_set}" if character_set == "ISO IR87" else character_set


def _fits(name: Sequence[str], character_set: CharacterSet) -> bool:
    """Whether this way of writing a name may go out; the first, in Latin letters, always does."""
    try:
        "".join(name).encode(CODECS[character_set])
    except UnicodeEncodeError:
        return name[7:] in ([], ["A"])
    return True
