"""The default priority rules, finding by finding, as a radiologist would expect them."""

from __future__ import annotations

from typing import Any

import pytest

from cxr_node.domain.findings import (
    Advice,
    DevicePosition,
    Finding,
    FindingKind,
    Presence,
    Reading,
    ReadingKind,
    Severity,
)
from cxr_node.domain.policy import PatientClass
from cxr_node.domain.priority import Priority
from cxr_node.reporting.templates import load_templates
from cxr_node.services.prioritise import decide, inputs_of
from tests.readings import finding, sample_reading
from tests.reports import templates

K, S, D = FindingKind, Severity, DevicePosition
LOW, UNSURE, SURE = 0.5, 0.6, 0.9


def reading(*findings: Finding, **changes: Any) -> Reading:
    plain = {"findings": findings, "advice": None, "abnormal": 0.01, "changes": ()}
    return sample_reading(**{**plain, **changes})


TABLE: list[tuple[Finding, str, str]] = [
    (finding(K.PNEUMOTHORAX, SURE), "STAT", "pneumothorax"),
    (finding(K.PNEUMOTHORAX, SURE, severity=S.MODERATE), "STAT", "pneumothorax"),
    (finding(K.PNEUMOTHORAX, SURE, severity=S.SEVERE), "STAT", "pneumothorax"),
    (finding(K.PNEUMOTHORAX, SURE, severity=S.MILD), "HIGH", "pneumothorax-small"),
    (finding(K.PNEUMOTHORAX, 0.3, presence=Presence.PRESENT), "HIGH", "pneumothorax-small"),
    (
        finding(K.PNEUMOTHORAX, 0.3, presence=Presence.UNCERTAIN),
        "HIGH",
        "pneumothorax-uncertain",
    ),
    (finding(K.PNEUMOTHORAX, 0.3), "ROUTINE", "nothing-raised"),
    (finding(K.PNEUMOTHORAX, None), "ROUTINE", "nothing-raised"),
    (finding(K.ENDOTRACHEAL_TUBE, SURE, position=D.TOO_LOW), "STAT", "endotracheal-tube-wrong"),
    (
        finding(K.ENDOTRACHEAL_TUBE, SURE, position=D.MALPOSITIONED),
        "STAT",
        "endotracheal-tube-wrong",
    ),
    (finding(K.ENDOTRACHEAL_TUBE, SURE, position=D.TOO_HIGH), "HIGH", "endotracheal-tube-high"),
    (finding(K.ENDOTRACHEAL_TUBE, SURE, position=D.CORRECT), "ROUTINE", "endotracheal-tube"),
    (finding(K.ENDOTRACHEAL_TUBE, SURE), "ROUTINE", "endotracheal-tube"),
    (finding(K.ENTERIC_TUBE, SURE, position=D.MALPOSITIONED), "STAT", "enteric-tube-wrong"),
    (finding(K.ENTERIC_TUBE, SURE, position=D.TOO_HIGH), "HIGH", "enteric-tube-high"),
    (finding(K.ENTERIC_TUBE, SURE, position=D.TOO_LOW), "MEDIUM", "enteric-tube-low"),
    (finding(K.ENTERIC_TUBE, SURE, position=D.CORRECT), "ROUTINE", "enteric-tube"),
    (
        finding(K.CENTRAL_VENOUS_CATHETER, SURE, position=D.MALPOSITIONED),
        "STAT",
        "central-line-wrong",
    ),
    (finding(K.CENTRAL_VENOUS_CATHETER, SURE, position=D.TOO_LOW), "HIGH", "central-line-depth"),
    (finding(K.CENTRAL_VENOUS_CATHETER, SURE, position=D.TOO_HIGH), "HIGH", "central-line-depth"),
    (finding(K.CENTRAL_VENOUS_CATHETER, SURE), "ROUTINE", "central-line"),
    (finding(K.CHEST_TUBE, SURE, position=D.MALPOSITIONED), "HIGH", "chest-tube-wrong"),
    (finding(K.CHEST_TUBE, SURE, position=D.CORRECT), "ROUTINE", "chest-tube"),
    (finding(K.PACEMAKER, SURE, position=D.MALPOSITIONED), "HIGH", "pacemaker-wrong"),
    (finding(K.PACEMAKER, SURE), "ROUTINE", "pacemaker"),
    (finding(K.PORT, SURE, position=D.TOO_LOW), "MEDIUM", "port-wrong"),
    (finding(K.PORT, SURE), "ROUTINE", "port"),
    (finding(K.EDEMA, SURE, severity=S.SEVERE), "HIGH", "edema-severe"),
    (finding(K.EDEMA, SURE), "MEDIUM", "edema"),
    (finding(K.EDEMA, SURE, severity=S.MILD), "ROUTINE", "edema-mild"),
    (finding(K.PLEURAL_EFFUSION, SURE, severity=S.SEVERE), "HIGH", "effusion-severe"),
    (finding(K.PLEURAL_EFFUSION, SURE), "MEDIUM", "effusion"),
    (finding(K.PLEURAL_EFFUSION, SURE, severity=S.MILD), "ROUTINE", "effusion-mild"),
    (finding(K.CONSOLIDATION, SURE, severity=S.SEVERE), "HIGH", "consolidation-severe"),
    (finding(K.CONSOLIDATION, SURE), "MEDIUM", "consolidation"),
    (finding(K.PNEUMONIA, SURE, severity=S.SEVERE), "HIGH", "pneumonia-severe"),
    (finding(K.PNEUMONIA, SURE), "MEDIUM", "pneumonia"),
    (finding(K.ATELECTASIS, SURE, severity=S.SEVERE), "HIGH", "atelectasis-severe"),
    (finding(K.ATELECTASIS, SURE), "ROUTINE", "atelectasis"),
    (finding(K.ENLARGED_CARDIOMEDIASTINUM, SURE, severity=S.SEVERE), "HIGH", "mediastinum-severe"),
    (finding(K.ENLARGED_CARDIOMEDIASTINUM, SURE), "MEDIUM", "mediastinum"),
    (finding(K.LUNG_OPACITY, SURE, severity=S.SEVERE), "HIGH", "lung-opacity-severe"),
    (finding(K.LUNG_OPACITY, SURE), "ROUTINE", "lung-opacity"),
    (finding(K.LUNG_LESION, SURE), "MEDIUM", "lung-lesion"),
    (finding(K.FRACTURE, SURE), "MEDIUM", "fracture"),
    (finding(K.CARDIOMEGALY, SURE), "ROUTINE", "cardiomegaly"),
    (finding(K.PLEURAL_OTHER, SURE), "ROUTINE", "pleural-other"),
]


@pytest.mark.parametrize(("said", "priority", "rule"), TABLE)
def test_each_finding_gets_its_priority(said: Finding, priority: str, rule: str) -> None:
    decision = decide(reading(said), templates())
    assert (decision.priority, decision.rule) == (Priority(priority), rule)


CIRCUMSTANCES: list[tuple[Finding, str, PatientClass, str, str]] = [
    (
        finding(K.PNEUMOTHORAX, SURE, severity=S.MILD),
        *("pneumothorax: new", PatientClass.UNKNOWN, "STAT", "pneumothorax-grown"),
    ),
    (
        finding(K.PNEUMOTHORAX, SURE, severity=S.MILD),
        *("pneumothorax: stable", PatientClass.UNKNOWN, "HIGH", "pneumothorax-small"),
    ),
    (
        finding(K.PNEUMOTHORAX, SURE, severity=S.MILD),
        *("edema: new", PatientClass.UNKNOWN, "HIGH", "pneumothorax-small"),
    ),
    (
        finding(K.PNEUMOTHORAX, SURE, severity=S.MILD),
        *("", PatientClass.OUTPATIENT, "STAT", "pneumothorax-outpatient"),
    ),
    (
        finding(K.PNEUMOTHORAX, SURE, severity=S.MILD),
        *("", PatientClass.INPATIENT, "HIGH", "pneumothorax-small"),
    ),
    (
        finding(K.PNEUMONIA, SURE),
        *("", PatientClass.OUTPATIENT, "HIGH", "pneumonia-outpatient"),
    ),
    (finding(K.EDEMA, SURE), "edema: worsened", PatientClass.UNKNOWN, "HIGH", "edema-worse"),
    (
        finding(K.PLEURAL_EFFUSION, SURE),
        *("pleural effusion: worsened", PatientClass.UNKNOWN, "HIGH", "effusion-worse"),
    ),
    (
        finding(K.ENLARGED_CARDIOMEDIASTINUM, SURE),
        *("enlarged cardiomediastinum: new", PatientClass.UNKNOWN, "HIGH", "mediastinum-grown"),
    ),
]


@pytest.mark.parametrize(("said", "change", "patient_class", "priority", "rule"), CIRCUMSTANCES)
def test_change_and_patient_class_count(
    said: Finding, change: str, patient_class: PatientClass, priority: str, rule: str
) -> None:
    changes = ("The heart is unchanged.", change)
    decision = decide(reading(said, changes=changes), templates(), patient_class)
    assert (decision.priority, decision.rule) == (Priority(priority), rule)
    assert decision.inputs["patient_class"] == patient_class
    assert rule in decision.inputs["held"]


def test_the_table_covers_every_rule_about_a_finding() -> None:
    rules = {rule.id for rule in templates().priority.rules if rule.finding}
    told = {rule for _, _, rule in TABLE} | {rule for *_, rule in CIRCUMSTANCES}
    assert rules == told - {"nothing-raised"}


def test_what_was_decided_on_is_told() -> None:
    said = reading(
        finding(K.PNEUMOTHORAX, SURE, severity=S.MILD), finding(K.EDEMA, 0.1), advice=Advice(2, "")
    )
    assert decide(said, templates()).inputs == {
        "findings": [
            {"kind": "pneumothorax", "presence": "present", "probability": SURE, "severity": "mild"}
        ],
        "advice": 2,
        "outside_intended_use": False,
        "patient_class": "unknown",
        "held": ["pneumothorax-small", "advice-2"],
    }


def test_a_rule_says_what_it_lacks() -> None:
    rules = {rule.id: rule for rule in templates().priority.rules}
    said = inputs_of(
        reading(finding(K.PNEUMOTHORAX, 0.4, presence=Presence.PRESENT, severity=S.MILD)),
        PatientClass.INPATIENT,
    )
    assert rules["pneumothorax"].lacking(said) == "probability 0.40"
    assert rules["pneumothorax-outpatient"].lacking(said) == "patient class inpatient"
    assert rules["pneumothorax-uncertain"].lacking(said) == "present"
    assert rules["pneumothorax-small"].lacking(said) == ""
    assert rules["edema"].lacking(said) == "not held present or uncertain"
    assert rules["advice-1"].lacking(said) == "advice none"


@pytest.mark.parametrize(
    ("ordered", "department", "found"),
    [
        ("inpatient", "Emergency Department", "inpatient"),
        ("unknown", "Emergency Department", "emergency"),
        ("", "3. Station Ost", "inpatient"),
        ("", "ED^Bed 4", "emergency"),
        ("", "EDUCATION", "unknown"),
        ("", "", "unknown"),
        ("nonsense", "outpatient clinic", "outpatient"),
    ],
)
def test_the_order_tells_the_class_then_the_department(
    ordered: str, department: str, found: str
) -> None:
    assert templates().priority.patient_class(ordered, department) == found


def test_a_german_site_hears_german_reasons() -> None:
    said = reading(
        finding(K.PNEUMOTHORAX, SURE), finding(K.ENDOTRACHEAL_TUBE, 0.9, position=D.TOO_LOW)
    )
    german = decide(said, load_templates(language="de"))
    assert german.words == "Pneumothorax; Tubusfehllage oder Tubus zu tief"


@pytest.mark.parametrize("kind", list(FindingKind))
@pytest.mark.parametrize("severity", [None, *Severity])
@pytest.mark.parametrize("position", [None, *DevicePosition])
def test_a_present_finding_always_meets_a_rule(kind: Any, severity: Any, position: Any) -> None:
    graded = {"position": position} if kind.is_device else {"severity": severity}
    decision = decide(reading(finding(kind, SURE, **graded)), templates())
    assert decision.rule != "nothing-raised"


def test_nothing_found_raises_nothing() -> None:
    absent = [finding(kind, 0.02) for kind in FindingKind]
    decision = decide(reading(*absent), templates())
    assert decision.priority is Priority.ROUTINE
    assert decision.words


@pytest.mark.parametrize(
    "urgent",
    [
        finding(K.PNEUMOTHORAX, SURE),
        finding(K.ENDOTRACHEAL_TUBE, SURE, position=D.MALPOSITIONED),
    ],
)
def test_a_normal_study_never_suppresses_what_is_urgent(urgent: Finding) -> None:
    others = [finding(kind, 0.01) for kind in FindingKind if kind is not urgent.kind]
    said = reading(*others, urgent, abnormal=0.001, impression="Normal chest radiograph.")
    assert decide(said, templates()).priority is Priority.STAT


def test_the_highest_priority_wins_and_all_its_reasons_are_said() -> None:
    said = reading(
        finding(K.CARDIOMEGALY, 0.99),
        finding(K.ENDOTRACHEAL_TUBE, SURE, position=D.TOO_LOW),
        finding(K.PNEUMOTHORAX, UNSURE),
    )
    decision = decide(said, templates())
    assert decision.priority is Priority.STAT
    assert decision.rule == "pneumothorax"
    assert decision.words == "pneumothorax; endotracheal tube malpositioned or too low"


def test_outside_its_intended_use_the_model_raises_nothing_and_says_so() -> None:
    said = reading(
        finding(K.PNEUMOTHORAX, SURE), advice=Advice(1, "ct"), outside_intended_use="a patient"
    )
    decision = decide(said, templates())
    assert decision.priority is Priority.ROUTINE
    assert decision.rule == "outside-intended-use"
    assert "outside its intended use" in decision.words


@pytest.mark.parametrize(("category", "priority"), [(1, "HIGH"), (2, "MEDIUM"), (3, "ROUTINE")])
def test_the_models_own_advice_counts(category: int, priority: str) -> None:
    said = reading(finding(K.CARDIOMEGALY, SURE), advice=Advice(category, "ct"))
    assert decide(said, templates()).priority is Priority(priority)


def test_a_triage_reading_is_judged_by_the_same_rules() -> None:
    said = reading(finding(K.PNEUMOTHORAX, LOW), kind=ReadingKind.TRIAGE, turns=())
    assert decide(said, templates()).priority is Priority.STAT


def test_the_decision_names_the_rules_it_was_made_by() -> None:
    assert decide(reading(), templates()).policy_version == templates().policy_version
