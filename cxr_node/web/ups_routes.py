"""UPS-RS (PS3.18 §11): work items over HTTP, with the state machine and store of the DIMSE side."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.responses import Response

from cxr_node.dicom import ups_dataset, values
from cxr_node.dicom.ups_scp import Answer, WorkitemRequests
from cxr_node.domain.errors import MalformedUid, NotConformant
from cxr_node.domain.identifiers import AETitle, Uid
from cxr_node.domain.ups import UpsStatus
from cxr_node.services.workitem_channel import WorkitemChannel
from cxr_node.web.access_control import user_of
from cxr_node.web.ups_documents import data_set, keys_of, listed, replied

ROOT = "/dicom-web"
_MOST_FOUND = 1000
_LONGEST_NAME = 16


@dataclass(frozen=True, slots=True)
class WorkitemService:
    """What the routes ask, and where events wait for open channels."""

    requests: WorkitemRequests
    channel: WorkitemChannel


def routes(service: WorkitemService) -> APIRouter:
    """Everything under ``/dicom-web/workitems``."""
    router = APIRouter(prefix=f"{ROOT}/workitems", tags=["work items"], include_in_schema=False)
    router.add_api_route("", _create(service), methods=["POST"])
    router.add_api_route("", _search(service), methods=["GET"])
    router.add_api_route("/{uid}", _retrieve(service), methods=["GET"])
    router.add_api_route("/{uid}", _update(service), methods=["POST"])
    router.add_api_route("/{uid}/state", _change_state(service), methods=["PUT"])
    router.add_api_route("/{uid}/cancelrequest", _cancel(service), methods=["POST"])
    place = "/{uid}/subscribers/{receiver}"
    router.add_api_route(place, _subscribe(service), methods=["POST"])
    router.add_api_route(place, _unsubscribe(service), methods=["DELETE"])
    router.add_api_route(f"{place}/suspend", _suspend(service), methods=["POST"])
    return router


def _caller(request: Request) -> str:
    return (user_of(request) or "HTTP")[:_LONGEST_NAME]


async def _asked(
    ask: Callable[[Dataset], Answer], request: Request, success: int = 200
) -> Response:
    """Read the body, ask, and answer; what cannot be read is 400."""
    try:
        told = await data_set(request)
        answer = await run_in_threadpool(ask, told)
    except (NotConformant, MalformedUid):
        return replied(UpsStatus.INVALID_VALUE)
    return replied(answer.status, success)


def _create(service: WorkitemService) -> Callable[..., object]:
    async def create(request: Request) -> Response:
        named = next(iter(request.query_params), "") or str(generate_uid(prefix=None))

        def ask(ds: Dataset) -> Answer:
            return service.requests.create(Uid(named), ds, _caller(request))

        answer = await _asked(ask, request, 201)
        if answer.status_code == 201:
            answer.headers["Content-Location"] = f"{ROOT}/workitems/{named}"
            answer.headers["Location"] = f"{ROOT}/workitems/{named}"
        return answer

    return create


def _search(service: WorkitemService) -> Callable[..., object]:
    def search(request: Request) -> Response:
        query = request.query_params
        try:
            keys = keys_of(query)
            offset = int(query.get("offset", "0"))
            limit = min(int(query.get("limit", _MOST_FOUND)), _MOST_FOUND)
            if min(offset, limit) < 0:
                raise NotConformant("a count is negative")
        except (NotConformant, ValueError):
            return replied(UpsStatus.INVALID_VALUE)
        found = service.requests.find(keys)
        return listed(itertools.islice(found, offset, offset + limit))

    return search


def _retrieve(service: WorkitemService) -> Callable[..., object]:
    def retrieve(uid: str) -> Response:
        answer = service.requests.get(uid)
        return listed([answer.data_set]) if answer.data_set else replied(answer.status)

    return retrieve


def _update(service: WorkitemService) -> Callable[..., object]:
    async def update(request: Request, uid: str) -> Response:
        given = next(iter(request.query_params), "")

        def ask(ds: Dataset) -> Answer:
            if given:
                ds.TransactionUID = given
            return service.requests.update(uid, ds, _caller(request))

        return await _asked(ask, request)

    return update


def _change_state(service: WorkitemService) -> Callable[..., object]:
    async def change_state(request: Request, uid: str) -> Response:
        def ask(ds: Dataset) -> Answer:
            wanted, given = (
                values.text(ds, name) for name in ("ProcedureStepState", "TransactionUID")
            )
            return service.requests.change_state(uid, wanted, given, _caller(request))

        return await _asked(ask, request)

    return change_state


def _cancel(service: WorkitemService) -> Callable[..., object]:
    async def cancel(request: Request, uid: str) -> Response:
        def ask(ds: Dataset) -> Answer:
            return service.requests.request_cancel(uid, ds, _caller(request))

        return await _asked(ask, request, 202)

    return cancel


def _subscribe(service: WorkitemService) -> Callable[..., object]:
    def subscribe(request: Request, uid: str, receiver: str) -> Response:
        query, keys = request.query_params, None
        try:
            title = AETitle(receiver).text
            if uid == ups_dataset.FILTERED:
                keys = filter_of(query.get("filter", ""))
        except NotConformant:
            return replied(UpsStatus.INVALID_VALUE)
        locks = query.get("deletionlock", "").lower() == "true"
        answer = service.requests.subscribe(uid, title, locks=locks, keys=keys, by_web=True)
        scheme = "wss" if request.url.scheme == "https" else "ws"
        where = f"{scheme}://{request.url.netloc}{ROOT}/subscribers/{title}"
        headers = {} if answer.status.is_failure else {"Content-Location": where}
        return replied(answer.status, 201, headers)

    return subscribe


def filter_of(text: str) -> Dataset:
    """``keyword=value,keyword=value`` as keys. Raises :class:`NotConformant`."""
    keys = keys_of(QueryParams("&".join(text.split(","))))
    chosen = Dataset()
    for element in keys:
        if element.value:
            chosen.add(element)
    if not chosen:
        raise NotConformant("the filter names nothing")
    return chosen


def _unsubscribe(service: WorkitemService) -> Callable[..., object]:
    def unsubscribe(uid: str, receiver: str) -> Response:
        return replied(service.requests.unsubscribe(uid, receiver).status)

    return unsubscribe


def _suspend(service: WorkitemService) -> Callable[..., object]:
    def suspend(uid: str, receiver: str) -> Response:
        return replied(service.requests.suspend(uid, receiver).status)

    return suspend
