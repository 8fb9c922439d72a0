"""Turns off the logs and warnings of pydicom and pynetdicom, which quote patient data."""

from __future__ import annotations

import logging
import warnings

from pydicom import config as pydicom_config
from pynetdicom import _config as pynetdicom_config

_NEVER = logging.CRITICAL + 1


def silence() -> None:
    """Idempotent. Reading also stops validating: our own checks judge the values."""
    pynetdicom_config.LOG_HANDLER_LEVEL = "none"
    pynetdicom_config.LOG_REQUEST_IDENTIFIERS = False
    pynetdicom_config.LOG_RESPONSE_IDENTIFIERS = False
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).setLevel(_NEVER)
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    for module in (r"pydicom\.", r"pynetdicom\."):
        warnings.filterwarnings("ignore", module=module)
