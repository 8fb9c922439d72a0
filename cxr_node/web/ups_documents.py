"""Work items over HTTP: DICOM JSON in and out, and DIMSE statuses as HTTP ones (PS3.18 §11)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.dicom.worklist_match import put
from cxr_node.domain.errors import NotConformant
from cxr_node.domain.ups import UpsStatus

JSON_TYPE = "application/dicom+json"
MOST_BYTES = 1_048_576
_CONTROLS = frozenset({"limit", "offset", "includefield", "fuzzymatching"})
RETURNED = (
    *("SOPClassUID", "SOPInstanceUID", "ProcedureStepState", "ProcedureStepLabel"),
    *("ScheduledProcedureStepPriority", "WorklistLabel", "InputReadinessState", "PatientName"),
    *("PatientID", "PatientBirthDate", "PatientSex", "ScheduledProcedureStepStartDateTime"),
    *("ScheduledWorkitemCodeSequence", "ScheduledStationNameCodeSequence"),
    *("InputInformationSequence", "ProcedureStepProgressInformationSequence"),
)
"""What a search returns of each item when nothing else is asked for."""

_WORDS: dict[UpsStatus, tuple[int, str]] = {
    UpsStatus.SUCCESS: (200, ""),
    UpsStatus.ALREADY_CANCELED: (200, "The UPS is already in the requested state of CANCELED."),
    UpsStatus.ALREADY_COMPLETED: (200, "The UPS is already in the requested state of COMPLETED."),
    UpsStatus.WRONG_TRANSACTION: (400, "The Transaction UID is missing or incorrect."),
    UpsStatus.UNKNOWN_INSTANCE: (404, "There is no such UPS."),
    UpsStatus.NOT_AUTHORISED: (403, "The UPS is performed by this node alone."),
    UpsStatus.DUPLICATE_INSTANCE: (409, "There is a UPS of that UID."),
    UpsStatus.NOT_SCHEDULED: (400, "The UPS State is not SCHEDULED."),
    UpsStatus.NOT_FINAL_YET: (409, "The final state requirements are not met."),
    UpsStatus.IS_COMPLETED: (409, "The UPS is already COMPLETED."),
    UpsStatus.WILL_NOT_CANCEL: (409, "The performer chooses not to cancel."),
    UpsStatus.NO_PERFORMER: (409, "The performer cannot be contacted."),
}
_STATE_CONFLICT = (409, "The submitted request is inconsistent with the state of the UPS.")
_BAD = (400, "The request holds attributes or values that cannot be used.")
_STATES = frozenset(
    {
        UpsStatus.NO_LONGER_UPDATED,
        UpsStatus.ALREADY_IN_PROGRESS,
        UpsStatus.ONLY_CREATE_SCHEDULES,
        UpsStatus.NOT_IN_PROGRESS,
        UpsStatus.NOT_APPROPRIATE,
    }
)


def replied(
    status: UpsStatus, success: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """The answer to a request without a body; words stand in a Warning header."""
    code, words = _WORDS.get(status, _STATE_CONFLICT if status in _STATES else _BAD)
    told = dict(headers or {})
    if words:
        told["Warning"] = f'299 - "{words}"'
    return Response(status_code=success if code == 200 else code, headers=told)


def listed(items: Iterable[Dataset]) -> Response:
    """Data sets as a JSON array; nothing found is 204."""
    found = [item.to_json_dict(suppress_invalid_tags=True) for item in items]
    if not found:
        return Response(status_code=204)
    return JSONResponse(found, media_type=JSON_TYPE)


async def data_set(request: Request) -> Dataset:
    """The one data set of the body. Raises :class:`NotConformant`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise NotConformant("the body is too long")
    if not body:
        return Dataset()
    try:
        told = json.loads(body)
        found = Dataset.from_json(told[0] if isinstance(told, list) else told)
        list(found.iterall())
    except BROKEN_VALUE as error:
        raise NotConformant("the body is no DICOM JSON") from error
    return found


def keys_of(query: QueryParams) -> Dataset:
    """Search parameters as query keys. Raises :class:`NotConformant`."""
    keys = Dataset()
    fields = [name for given in query.getlist("includefield") for name in given.split(",")]
    for keyword in (*RETURNED, *(name for name in fields if name != "all")):
        put(keys, *_element(keyword), _nothing(keyword))
    for name, value in query.multi_items():
        if name not in _CONTROLS:
            _add(keys, name.split("."), value.replace(",", "\\"))
    return keys


def _nothing(keyword: str) -> object:
    return [] if _element(keyword)[1] == "SQ" else ""


def _add(keys: Dataset, path: list[str], value: str) -> None:
    tag, vr = _element(path[0])
    if len(path) == 1:
        put(keys, tag, vr, value)
        return
    if vr != "SQ":
        raise NotConformant("a search parameter names no sequence")
    inner = keys[tag].value[0] if tag in keys and keys[tag].value else Dataset()
    _add(inner, path[1:], value)
    put(keys, tag, "SQ", [inner])


def _element(name: str) -> tuple[int, str]:
    """Tag and value representation of a keyword or of eight hexadecimal digits."""
    try:
        tag = tag_for_keyword(name)
        found = int(name, 16) if tag is None else int(tag)
        return found, dictionary_VR(found)
    except (ValueError, KeyError) as error:
        raise NotConformant("a search parameter is no attribute") from error
