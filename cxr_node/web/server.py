"""Serves the application from a thread of the node's own process, in plain HTTP or over TLS."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time

import uvicorn
from fastapi import FastAPI

from cxr_node.domain.errors import ConfigurationError
from cxr_node.web.bounded import BoundedRequests

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
_LONGEST_WORD = 4096
"""Bytes of one WebSocket message: nobody has more to say on a channel that tells."""


class WebServer:
    """uvicorn on one socket. ``port`` 0 picks a free one.

    Its own loggers are silenced: their lines hold paths (study UIDs) and tracebacks with
    values in them. Requests are logged by :mod:`cxr_node.web.guard`, failures by the
    application's handler.
    """

    def __init__(
        self, app: FastAPI, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self._app = app
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Bind, serve, and return the port once requests are answered.

        Raises :class:`ConfigurationError` if the address cannot be bound.
        """
        self._socket = self._bind()
        port = int(self._socket.getsockname()[1])
        _silence()
        config = uvicorn.Config(
            self._app,
            http=BoundedRequests,
            ws="websockets-sansio",
            ws_max_size=_LONGEST_WORD,
            ws_max_queue=1,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whom to believe is decided by the access control alone
            lifespan="off",
            limit_concurrency=256,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=2,
        )
        config.load()
        config.ssl = self._tls
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="web", daemon=True
        )
        self._thread.start()
        self._await_start()
        return port

    def stop(self) -> None:
        """Answer what is under way, then end; at most a few seconds."""
        if self._server is None or self._thread is None or self._socket is None:
            return
        if end_streams := getattr(self._app.state, "end_streams", None):
            end_streams()
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(1.0)
        self._socket.close()
        self._server = self._thread = self._socket = None

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self._host, self._port))
        except OSError as error:
            listening.close()
            where = f"{self._host}:{self._port}"
            message = f"web.host, web.port: {where} cannot be bound: {error.strerror}"
            raise ConfigurationError(message) from error
        return listening

    def _await_start(self) -> None:
        server, thread = self._server, self._thread
        deadline = time.monotonic() + _START_SECONDS
        while server and thread and not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise ConfigurationError("the page could not be started")
            time.sleep(0.01)


def _silence() -> None:
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.handlers = [logging.NullHandler()]
