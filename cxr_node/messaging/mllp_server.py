"""The MLLP listener: takes messages from known senders, one thread per connection, bounded."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from cxr_node.config_messaging import OrdersSection
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.messaging.mllp import BrokenFrame, FrameReader, framed

_ACCEPT_SECONDS = 0.2
_BACKLOG = 16

Answer = Callable[[bytes], bytes]
"""From a received message to its acknowledgement; raises nothing for what a sender can do."""


def listening_context(section: OrdersSection) -> ssl.SSLContext | None:
    """TLS as the configuration asks for it; None without. Raises :class:`ConfigurationError`."""
    if not section.certificate_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(section.certificate_file, section.key_file)
        if section.client_ca_file:
            context.load_verify_locations(section.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        words = "orders: certificate_file, key_file or client_ca_file cannot be used (PEM)"
        raise ConfigurationError(words) from error
    return context


class MllpServer:
    """Listens from :meth:`start` to :meth:`stop`.

    A connection that sends anything but frames, or goes over a limit, is closed with an event;
    so is one beyond ``max_connections``.
    """

    def __init__(self, section: OrdersSection, answer: Answer) -> None:
        self._section = section
        self._answer = answer
        self._context = listening_context(section)
        self._free = threading.Semaphore(section.max_connections)
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Bind and serve; the port."""
        listener = socket.create_server((self._section.host, self._section.port), backlog=_BACKLOG)
        listener.settimeout(_ACCEPT_SECONDS)
        self._listener = listener
        self._thread = threading.Thread(target=self._serve, name="mllp", daemon=True)
        self._thread.start()
        return int(listener.getsockname()[1])

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Close the port, then every connection: what is not answered comes again."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(5.0)
        with self._lock:
            for connection in self._open:
                _shut(connection)
        if self._listener is not None:
            self._listener.close()

    def _serve(self) -> None:
        assert self._listener is not None
        while not self._closing.is_set():
            try:
                connection, address = self._listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                emit_failure(Event.LOOP_FAILED, error, kind="mllp")
                self._closing.wait(1.0)
                continue
            self._admit(connection, str(address[0]))

    def _admit(self, connection: socket.socket, address: str) -> None:
        known = not self._section.senders or address in self._section.senders
        if not known or not self._free.acquire(blocking=False):
            _ended("busy" if known else "unknown-sender")
            connection.close()
            return
        with self._lock:
            self._open.add(connection)
        threading.Thread(
            target=self._converse, args=(connection,), name="mllp-connection", daemon=True
        ).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(self._section.message_seconds)
            connection = self._secured(connection)
            self._exchange(connection)
        except BrokenFrame as broken:
            if not self._closing.is_set():
                _ended(broken.reason)
        except ssl.SSLError:
            _ended("tls")
        except OSError:
            _ended("lost")
        except Exception as error:  # noqa: BLE001 - one connection must not end the others
            emit_failure(Event.MLLP_CLOSED, error)
        finally:
            with self._lock:
                self._open.discard(connection)
            _shut(connection)
            self._free.release()

    def _secured(self, plain: socket.socket) -> socket.socket:
        if self._context is None:
            return plain
        secured = self._context.wrap_socket(plain, server_side=True)
        with self._lock:
            self._open.discard(plain)
            self._open.add(secured)
        return secured

    def _exchange(self, connection: socket.socket) -> None:
        section = self._section
        reader = FrameReader(
            connection,
            longest=section.max_message_bytes,
            seconds=section.message_seconds,
            idle_seconds=section.idle_seconds,
        )
        while (message := reader.next()) is not None:
            answer = self._answer(message)
            connection.settimeout(section.message_seconds)
            connection.sendall(framed(answer))


def _ended(reason: str) -> None:
    emit(Event.MLLP_CLOSED, level=logging.WARNING, reason=reason)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # the peer was faster
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
