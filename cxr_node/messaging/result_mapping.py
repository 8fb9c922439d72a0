"""The shape of ``messages/oru.yaml``: what an ORU^R01 holds, and under which codes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cxr_node.domain.notice import Coded, NoticeEvent
from cxr_node.domain.priority import Priority

SectionName = Literal["conclusion", "priority", "findings", "study_uid", "reports", "model"]
Detail = Literal["probability", "site", "laterality", "severity"]


_RESULTS = {NoticeEvent.FLAGGED, NoticeEvent.REPORTED, NoticeEvent.CORRECTED}


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CodeTable(_Table):
    """One code."""

    scheme: str = Field(max_length=20)
    value: str = Field(min_length=1, max_length=20)
    meaning: str = Field(min_length=1, max_length=199)

    @property
    def coded(self) -> Coded:
        return Coded(self.scheme, self.value, self.meaning)


class Observations(_Table):
    """Identifiers (OBX-3) of what is no finding."""

    conclusion: CodeTable
    priority: CodeTable
    reason: CodeTable
    probability: CodeTable
    site: CodeTable
    laterality: CodeTable
    severity: CodeTable
    study_uid: CodeTable
    report: CodeTable
    model: CodeTable


class ResultMapping(_Table):
    """The whole file."""

    version: str = Field(max_length=16)
    hl7_version: Literal["2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6"]
    application: str = Field(max_length=180)
    sections: tuple[SectionName, ...] = Field(min_length=1)
    findings: Literal["all", "present"]
    details: tuple[Detail, ...]
    zds: bool
    statuses: dict[NoticeEvent, Literal["P", "R", "C"]]
    abnormal_flags: dict[Priority, str]
    service_section: str = Field(max_length=10)
    default_procedure: CodeTable
    observations: Observations

    def status(self, event: NoticeEvent) -> str:
        """OBR-25 and OBX-11; what tells of no new result repeats a preliminary one."""
        return self.statuses.get(event, "P")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not set(self.statuses) >= _RESULTS:
            raise ValueError("statuses: one for each of flagged, reported, corrected")
        if set(self.abnormal_flags) != set(Priority):
            raise ValueError("abnormal_flags: one for each priority")
        return self
