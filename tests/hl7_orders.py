"""Orders and patient changes as different systems send them; all people are invented."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml

from cxr_node.messaging.order_mapping import OrderMapping


@cache
def shipped_mapping() -> OrderMapping:
    """``sr_templates/messages/orders.yaml``."""
    text = resources.files("sr_templates").joinpath("messages", "orders.yaml").read_text()
    return OrderMapping.model_validate(yaml.safe_load(text))


def header(kind: str, control_id: str, character_set: str = "UNICODE UTF-8") -> str:
    return (
        f"MSH|^~\\&|RIS|HOSPITAL|CXRNODE|NODE|20260304050607||{kind}|{control_id}|P|2.5.1"
        f"||||||{character_set}"
    )


def pid(name: str = "Doe^Jane", identifier: str = "PAT-1") -> str:
    return f"PID|1||NH-77^^^NATIONAL^NH~{identifier}^^^HOSPITAL^MR||{name}||19700102|F"


def message(*segments: str) -> str:
    return "\r".join(segments) + "\r"


def orm(
    control_id: str = "M1",
    *,
    priority: str = "S",
    control: str = "NW",
    accession: str = "ACC-1",
    name: str = "Doe^Jane",
    identifier: str = "PAT-1",
    character_set: str = "UNICODE UTF-8",
    reason: str = "Sudden chest pain",
) -> str:
    """ORM^O01 with one order."""
    return message(
        header("ORM^O01^ORM_O01", control_id, character_set),
        pid(name, identifier),
        "PV1|1|E|ED^12^3",
        f"ORC|{control}|PL-1^RIS|FI-1^RIS||||^^^20260304060000^^{priority}|||||1001^Heart^Harriet^^^Dr",
        f"OBR|1|PL-1^RIS|FI-1^RIS|36554-4^Chest 1 view^LN||||||||||||||{accession}"
        f"|||||||||^^^20260304060000^^{priority}||||^{reason}",
        "ZDS|1.2.3.4.5^RIS^Application^DICOM",
    )


def omi(control_id: str = "M2") -> str:
    """OMI^O23 with two orders."""
    return message(
        header("OMI^O23^OMI_O23", control_id),
        pid(),
        "PV1|1|I|WARD^3^1",
        "ORC|NW|PL-2|FI-2",
        "TQ1|1||||||20260304070000||A",
        "OBR|1|PL-2|FI-2|36643-5^Chest 2 views^LN|||||||||||||||||||||||||||COUGH^Chronic cough^L",
        "IPC|ACC-2^RIS|RP-2|1.2.3.4.6|SPS-2",
        "ORC|NW|PL-3|FI-3",
        "TQ1|1||||||20260304080000||R",
        "OBR|2|PL-3|FI-3|36643-5^Chest 2 views^LN",
        "IPC|ACC-3^RIS|RP-3|1.2.3.4.7|SPS-3",
    )


def a08(control_id: str = "M3", name: str = "Doe-Smith^Jane") -> str:
    return message(header("ADT^A08^ADT_A01", control_id), "EVN||20260304", pid(name), "PV1|1|I")


def a40(control_id: str = "M4", *, into: str = "PAT-9", prior: str = "PAT-1") -> str:
    return message(
        header("ADT^A40^ADT_A39", control_id),
        "EVN||20260304",
        pid("Doe^Jane", into),
        f"MRG|{prior}^^^HOSPITAL^MR",
    )
