"""What an operator's tools ask: alive, ready, metrics."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

from cxr_node.web.documents import ComponentDocument, Readiness
from cxr_node.web.source import PageSource


def routes(source: PageSource) -> APIRouter:
    """``/healthz``, ``/readyz`` and ``/metrics``."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="The process answers", response_class=PlainTextResponse)
    def alive() -> str:
        return "alive\n"

    @router.get(
        "/readyz",
        summary="Each part of the node; 503 names the first broken one",
        responses={503: {"model": Readiness, "description": "a part does not work"}},
    )
    def ready(response: Response) -> Readiness:
        found = source.health()
        broken = next((name for name, part in found.items() if not part.working), None)
        response.status_code = 503 if broken else 200
        return Readiness(
            ready=broken is None,
            first_broken=broken,
            alarms=list(source.alarms()),
            components={
                name: ComponentDocument(working=part.working, words=part.words)
                for name, part in found.items()
            },
        )

    @router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        return Response(source.metrics(), media_type=CONTENT_TYPE_LATEST)

    return router
