"""Asks a running node's page what it knows; for demo and doctor."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from cxr_node.domain.errors import CxrNodeError
from cxr_node.web.documents import StudyDocument, Worklist, WorklistItem

_SECONDS = 10.0


class NodePage:
    """The HTTP side of one node on this machine."""

    def __init__(self, host: str, port: int) -> None:
        self.url = f"http://{host}:{port}/"

    def first_broken(self) -> str | None:
        """Name and words of the first part that does not work, or None."""
        status, body = self._get("readyz")
        if status == 200:
            return None
        if not body:
            return "page: no answer"
        components = json.loads(body).get("components", {})
        for name, component in components.items():
            if not component["working"]:
                return f"{name}: {component['words']}"
        return f"page: status {status}"

    def studies(self) -> list[WorklistItem]:
        """The whole worklist. Raises :class:`CxrNodeError` when there is no answer."""
        return Worklist.model_validate_json(self._document("api/v1/worklist")).studies

    def study(self, study_uid: str) -> StudyDocument | None:
        """One study, or None if the node has never seen it."""
        status, body = self._get(f"api/v1/studies/{study_uid}")
        return None if status == 404 else StudyDocument.model_validate_json(body)

    def _document(self, path: str) -> bytes:
        status, body = self._get(path)
        if status != 200:
            raise CxrNodeError(f"{self.url}{path} answered {status or 'nothing'}")
        return body

    def _get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=_SECONDS) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""
