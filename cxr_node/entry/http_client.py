"""Asks a running node's page what it knows; for demo and doctor."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from cxr_node.domain.errors import CxrNodeError
from cxr_node.transport_security import only_this
from cxr_node.web.documents import StudyDocument, Worklist, WorklistItem

_SECONDS = 10.0


class NodePage:
    """The HTTP side of one node on this machine.

    ``token`` is shown where the node wants one; ``certificate_file`` is that of a node with
    HTTPS, which is believed to be the one that holds that very certificate.
    """

    def __init__(self, host: str, port: int, token: str = "", certificate_file: str = "") -> None:
        self.url = f"http{'s' if certificate_file else ''}://{host}:{port}/"
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._tls = only_this(certificate_file) if certificate_file else None

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
        asked = urllib.request.Request(self.url + path, headers=self._headers)  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=_SECONDS, context=self._tls) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""
