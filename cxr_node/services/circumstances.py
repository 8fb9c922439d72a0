"""What the rules are told of a study beside its reading: where the patient is looked after."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cxr_node.domain.policy import PatientClass
from cxr_node.reporting.priority_rules import PriorityPolicy
from cxr_node.store import desk, orders
from cxr_node.store.schema import StudyRow


def patient_class_of(session: Session, study: StudyRow, policy: PriorityPolicy) -> PatientClass:
    """As the order says; else as the words of the image's department tell."""
    ordered = orders.patient_class_of(session, study)
    return policy.patient_class(ordered, desk.department_of(session, study.id))
