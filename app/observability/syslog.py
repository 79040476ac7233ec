"""Log handler that also sends each line to a syslog server (RFC 5424, TCP or TLS) without ever blocking."""

from __future__ import annotations

import logging
import os
import queue
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

_KEPT = 10_000  # lines buffered while the server is unreachable
_TIMEOUT_S = 10.0
_LONGEST_PAUSE_S = 30.0
_CLOSE_TIMEOUT_S = 3.0
_LOCAL0 = 16 * 8
_SEVERITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7
_END = b""


class SyslogTarget(NamedTuple):
    """Where to send. authority: CA file, trusted exclusively; None for the system's CAs."""

    host: str
    port: int
    tls: bool
    authority: Path | None = None


def place_of(url: str, authority: Path | None = None) -> SyslogTarget:
    """Parse `tls://host:6514` or `tcp://host:601`."""
    parts = urlsplit(url)
    return SyslogTarget(parts.hostname or "", parts.port or 0, parts.scheme == "tls", authority)


class Syslog(logging.Handler):
    """Queue lines for a background thread, dropping and counting excess; OSError if the CA is unreadable."""

    def __init__(self, place: SyslogTarget) -> None:
        super().__init__()
        self._place = place
        self._tls = ssl.create_default_context(cafile=place.authority) if place.tls else None
        self._frames: queue.Queue[bytes] = queue.Queue(_KEPT)
        self._dropped = 0
        self._line: socket.socket | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line; the handler's lock is held, so the count of dropped lines is exact."""
        try:
            self._frames.put_nowait(frame(self.format(record), record.levelno, record.created))
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Give queued lines a few seconds to be sent, then stop."""
        if not self._closing.is_set():
            self._closing.set()
            try:
                self._frames.put_nowait(_END)
            except queue.Full:
                self._dropped += 1
            self._thread.join(_CLOSE_TIMEOUT_S)
        super().close()

    # ---- background thread

    def _run(self) -> None:
        while (one := self._frames.get()) is not _END:
            pause_s = 1.0
            while not self._sent(one):
                if self._closing.wait(pause_s):
                    return
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        if self._line is not None:
            self._line.close()

    def _sent(self, one: bytes) -> bool:
        """Send one frame; False if that failed and the connection was closed."""
        try:
            if self._line is None or _is_over(self._line):
                self._line = self._connect()
            self._report_dropped(self._line)
            self._line.sendall(one)
        except (OSError, UnicodeError):  # ssl.SSLError is an OSError; an invalid host name is a UnicodeError
            self._disconnect()
            return False
        return True

    def _connect(self) -> socket.socket:
        self._disconnect()
        line = socket.create_connection(self._place[:2], _TIMEOUT_S)
        if self._tls is None:
            return line
        try:
            return self._tls.wrap_socket(line, server_hostname=self._place.host)
        except (OSError, UnicodeError):
            line.close()
            raise

    def _report_dropped(self, line: socket.socket) -> None:
        """Report how many lines were dropped, before any that follow them."""
        if dropped := self._dropped:
            now = logging.makeLogRecord({}).created
            text = f'{{"event": "lines of log were dropped", "count": {dropped}, "level": "warning"}}'
            line.sendall(frame(text, logging.WARNING, now))
            self.acquire()
            self._dropped -= dropped
            self.release()

    def _disconnect(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def frame(text: str, level: int, created: float) -> bytes:
    """Return one message preceded by its length in octets; `created` in seconds since 1970."""
    severity = next((number for least, number in _SEVERITIES if level >= least), _DEBUG)
    at = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    host = socket.gethostname()[:255] or "-"
    head = f"<{_LOCAL0 + severity}>1 {at} {host} loa {os.getpid()} - - \ufeff"
    message = (head + text).encode("utf-8", "replace")
    return f"{len(message)} ".encode() + message


def _is_over(line: socket.socket) -> bool:
    """Return whether the server closed the connection; it never sends anything else."""
    line.setblocking(False)
    try:
        return line.recv(4096) == b""
    except (ssl.SSLWantReadError, BlockingIOError):
        return False
    finally:
        line.settimeout(_TIMEOUT_S)
