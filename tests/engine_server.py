"""A small inference server for tests: real HTTP, vLLM's protocol, a tiny model, and bad manners.

Answers ``GET /version``, ``GET /v1/models`` and ``POST /v1/chat/completions`` as vLLM 0.11
does, as far as the node asks; keeps every request for the tests to look at; counts what a
prefix cache would have found. ``trouble`` makes it misbehave in one of many ways.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.engine_network import Completed, EngineNetwork

BLOCK = 16
"""Tokens that a prefix cache keeps together."""


class Trouble(StrEnum):
    """One way in which a server does not do what was asked of it."""

    HANG = "never answers"
    TRICKLE = "sends one byte at a time, for ever"
    DROP = "closes the connection"
    INTERNAL = "500"
    GATEWAY = "502"
    STARTING = "503"
    BUSY = "429 with Retry-After"
    DENIED = "401"
    TOO_LONG = "400"
    REDIRECT = "307"
    OTHER_MODEL = "another model's name"
    OFF_LIST = "an option outside the list"
    SWAPPED = "another option than its tokens make"
    NO_LOGPROBS = "no log-probabilities"
    NO_ALTERNATIVES = "no alternatives"
    NOT_A_NUMBER = "NaN"
    POSITIVE = "a log-probability above zero"
    FLOOR = "the floor in place of a log-probability"
    REASONING = "reasoning apart"
    ABORTED = "broken off"
    CUT = "half a JSON document"
    HUGE = "a huge body"
    OTHER_DOCUMENT = "JSON that is no completion"


_STATUS = {
    Trouble.INTERNAL: 500,
    Trouble.GATEWAY: 502,
    Trouble.STARTING: 503,
    Trouble.BUSY: 429,
    Trouble.DENIED: 401,
    Trouble.TOO_LONG: 400,
    Trouble.REDIRECT: 307,
}


class EngineServer:
    """Use as a context manager; ``url`` is what the node is configured with."""

    def __init__(
        self,
        network: EngineNetwork,
        *,
        served: str = "tiny",
        version: str = "0.11.2",
        token: str = "",
    ) -> None:
        self.network = network
        self.served = served
        self.version = version
        self.token = token
        self.always: Trouble | None = None
        self.troubles: list[Trouble] = []
        """What the next chat requests meet, one each."""
        self.retry_after = "0"
        self.honours_choices = True
        self.resizes_to = 0
        self.starting = False
        """Whether everything is answered 503, as while a proxy waits for the server."""
        self.max_logprobs = 20
        self.requests: list[dict[str, Any]] = []
        self.prompts: list[str] = []
        self.cached: list[int] = []
        """Tokens of each prompt that a prefix cache would have held."""
        self.closing = threading.Event()
        self._blocks: set[str] = set()
        self._guard = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def trouble(self) -> Trouble | None:
        """What this request meets."""
        with self._guard:
            return self.troubles.pop(0) if self.troubles else self.always

    def keep(self, body: dict[str, Any]) -> None:
        with self._guard:
            self.requests.append(body)

    def answer(self, body: dict[str, Any], trouble: Trouble | None) -> dict[str, Any]:
        """The completion, spoilt if it shall be."""
        if not self.honours_choices:
            body = body | {"structured_outputs": None}
        if self.resizes_to:
            most = {"min_pixels": 28 * 28, "max_pixels": self.resizes_to**2}
            body = body | {"mm_processor_kwargs": most}
        done = self.network.complete(body)
        found = self._count(done, body)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": done.text, "reasoning": None},
            "finish_reason": done.finish_reason,
            "stop_reason": None,
            "logprobs": {"content": done.logprobs} if body.get("logprobs") else None,
        }
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.served,
            "choices": [choice],
            "usage": {
                "prompt_tokens": len(done.prompt_ids),
                "prompt_tokens_details": {"cached_tokens": found},
            },
        }
        _spoil(answer, choice, trouble, body)
        return answer

    def _count(self, done: Completed, body: dict[str, Any]) -> int:
        """Leading tokens in blocks that were seen before under the same salt and pictures."""
        pictures = json.dumps([m["content"] for m in body["messages"] if m["role"] == "user"][:1])
        chain = f"{body.get('cache_salt')}|{hashlib.sha256(pictures.encode()).hexdigest()}"
        whole = len(done.prompt_ids) // BLOCK * BLOCK
        links = []
        for at in range(0, whole, BLOCK):
            piece = f"{chain}|{done.prompt_ids[at : at + BLOCK]}"
            chain = hashlib.sha256(piece.encode()).hexdigest()
            links.append(chain)
        with self._guard:
            held = next((i for i, x in enumerate(links) if x not in self._blocks), len(links))
            self._blocks.update(links)
            self.prompts.append(done.prompt_text)
            self.cached.append(held * BLOCK)
        return held * BLOCK


def _spoil(
    answer: dict[str, Any], choice: dict[str, Any], trouble: Trouble | None, body: dict[str, Any]
) -> None:
    """Make the answer wrong in the way that ``trouble`` names."""
    message = choice["message"]
    entries = (choice["logprobs"] or {}).get("content") or [{}]
    options = (body.get("structured_outputs") or {}).get("choice") or [message["content"]]
    changes: dict[Trouble, Callable[[], object]] = {
        Trouble.OTHER_MODEL: lambda: answer.update(model="somebody-else"),
        Trouble.OFF_LIST: lambda: message.update(content="present, surely"),
        Trouble.SWAPPED: lambda: message.update(
            content=next((o for o in options if o != message["content"]), "")
        ),
        Trouble.NO_LOGPROBS: lambda: choice.update(logprobs=None),
        Trouble.NO_ALTERNATIVES: lambda: entries[0].update(top_logprobs=[]),
        Trouble.NOT_A_NUMBER: lambda: entries[0].update(logprob=float("nan")),
        Trouble.POSITIVE: lambda: entries[0].update(logprob=0.7),
        Trouble.FLOOR: lambda: entries[0].update(logprob=-9999.0),
        Trouble.REASONING: lambda: message.update(reasoning="because"),
        Trouble.ABORTED: lambda: choice.update(finish_reason="abort"),
        Trouble.OTHER_DOCUMENT: lambda: answer.pop("choices"),
    }
    if trouble in changes:
        changes[trouble]()


def _handler(server: EngineServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        owner = server

    return Handler


class _Handler(BaseHTTPRequestHandler):
    owner: EngineServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        documents = {
            "/version": {"version": self.owner.version},
            "/v1/models": {"object": "list", "data": [{"id": self.owner.served}]},
        }
        if self.owner.starting:
            self._refuse(503, "starting")
        elif self.path in documents:
            self._send(200, documents[self.path])
        else:
            self._refuse(404, "no such address")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.owner.token and self.headers["Authorization"] != f"Bearer {self.owner.token}":
            self._refuse(401, "Unauthorized")
            return
        self.owner.keep(body)
        trouble = Trouble.STARTING if self.owner.starting else self.owner.trouble()
        if trouble is not None and self._misbehave(trouble):
            return
        if refusal := self._fault(body):
            self._refuse(*refusal)
            return
        content = json.dumps(self.owner.answer(body, trouble)).encode()
        if trouble is Trouble.CUT:
            content = content[: len(content) // 2]
        if trouble is Trouble.HUGE:
            content += b" " * (9 << 20)
        self._send_bytes(200, content)

    def _fault(self, body: dict[str, Any]) -> tuple[int, str] | None:
        """What vLLM would not take."""
        if body["model"] != self.owner.served:
            return 404, "the model does not exist"
        if body.get("top_logprobs", 0) > self.owner.max_logprobs:
            return 400, "more logprobs than --max-logprobs"
        if body.get("add_generation_prompt", True) and body.get("continue_final_message"):
            return 400, "cannot be both"
        if body.get("cache_salt") == "":
            return 400, "cache_salt must be a non-empty string"
        return None

    def _misbehave(self, trouble: Trouble) -> bool:
        """Whether that was the whole answer."""
        if trouble in _STATUS:
            self._refuse(_STATUS[trouble], trouble.value)
        elif trouble is Trouble.HANG:
            self.owner.closing.wait(60)
        elif trouble is Trouble.TRICKLE:
            self._trickle()
        elif trouble is not Trouble.DROP:
            return False
        self.close_connection = True
        return True

    def _trickle(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.owner.closing.wait(0.02):
            try:
                self.wfile.write(b" ")
            except OSError:
                return

    def _refuse(self, status: int, words: str) -> None:
        self._send(status, {"error": {"message": words, "type": "error", "code": status}})

    def _send(self, status: int, document: object) -> None:
        self._send_bytes(status, json.dumps(document).encode())

    def _send_bytes(self, status: int, content: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status != 200:  # it is closed behind every refusal, so it must say so
                self.send_header("Connection", "close")
            if status == 429:
                self.send_header("Retry-After", self.owner.retry_after)
            if status == 307:
                self.send_header("Location", self.owner.url.replace("/v1", "/elsewhere"))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True
