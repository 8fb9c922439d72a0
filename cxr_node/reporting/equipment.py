"""Who made an object: General Equipment and Contributing Equipment, with the Device UID.

The Device UID changes whenever the model does; it and the model name are also how the
node knows its own results when an archive sends them back.
"""

from __future__ import annotations

from datetime import datetime

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from cxr_node import __version__
from cxr_node.domain.findings import ModelIdentity
from cxr_node.reporting.text import clean_line, clean_name

MODEL_NAME = "cxr-node"
"""Manufacturer's Model Name (0008,1090) of every object this node writes."""


def manufacturer_of(model: ModelIdentity) -> str:
    """Who made the model, fit for the VR LO; never empty."""
    return clean_name(model.manufacturer) or MODEL_NAME


def identify(report: Dataset, model: ModelIdentity, station_name: str, at: datetime) -> None:
    """Write the equipment modules (PS3.3 C.7.5.1, C.12.1)."""
    manufacturer = manufacturer_of(model)
    versions = [__version__, clean_name(f"{model.name} {model.version}")]
    report.Manufacturer = manufacturer
    report.ManufacturerModelName = MODEL_NAME
    report.SoftwareVersions = versions
    report.DeviceSerialNumber = model.digest[:64]
    report.DeviceUID = model.device_uid.text
    report.StationName = clean_name(station_name, 16)
    item = hd.ContributingEquipment(
        manufacturer=manufacturer,
        purpose_of_reference=standard.DCM.ProcessingEquipment,
        manufacturer_model_name=MODEL_NAME,
        software_versions=versions,
        device_serial_number=model.digest[:64],
        station_name=clean_name(station_name, 16),
        contribution_datetime=at.replace(tzinfo=None),
        contribution_description=clean_line(model.intended_use, 1024) or None,
    )
    item.DeviceUID = model.device_uid.text
    report.ContributingEquipmentSequence = [item]
