"""Logging: one line per event with fixed words and fields, phones masked and secrets removed."""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO
from urllib.parse import urlsplit

import structlog
from structlog.typing import Processor

from app.core import hashing
from app.core.config import Settings
from app.core.errors import SetupError
from app.core.masking import escaped, mask_numbers
from app.core.phone import mask
from carriers.phrases import Phrase

_KEPT = 10_000  # lines buffered while the server is unreachable
_TIMEOUT_S = 10.0
_LONGEST_PAUSE_S = 30.0
_CLOSE_TIMEOUT_S = 3.0
_LOCAL0 = 16 * 8
_SEVERITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7
_END = b""
_LONGEST_VALUE = 1000  # characters of a value in a sentence


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

    def _sent(self, frame: bytes) -> bool:
        """Send one frame; False if that failed and the connection was closed."""
        try:
            if self._line is None or _is_over(self._line):
                self._line = self._connect()
            self._report_dropped(self._line)
            self._line.sendall(frame)
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


REDACTED = "[redacted]"
READY = "loa_ready"  # attribute of records whose `msg` is the whole line
_SECRET_KEY = re.compile(
    r"passw|secret|authori[sz]ation|token|cookie|api_?key|api_?pass|csrf|otp|recovery|^session$|^sid$",
    re.IGNORECASE,
)
# Begins with a character set of both cases: such a pattern is searched for several times faster.
_SECRET_VALUE = re.compile(
    r"(?P<before>[lLsSbB:](?i:(?<=l)oa_[0-9a-f]{8}_|(?<=l)oa[sc]_|(?<=\bs)ecret="
    r"|(?<=\bb)(?:earer|asic) (?!loa_\.\.\.)|(?<=:)//[^\s:/@]*:(?=[^\s/@]*@)))(?P<secret>[^\s'\"@,;]+)"
)
# The head of the audit's hash chain: a masked head would prove nothing, and its digits are not a number.
# Nor are those of a long hexadecimal id, as each request has one.
_SAFE = re.compile(rf"\d{{1,9}}:{hashing.PATTERN.strip('^$')}|[0-9a-f]{{32}}")
_PHONE_NUMBERS = range(84_100_000_000, 84_999_999_999 + 1)
# A national number without the 0 or 84 by which app/core/masking.py recognizes one.
_BARE = re.compile(r"(?<![0-9A-Za-z.])[35789][0-9]{8}(?![0-9A-Za-z])")
# Line ends of some readers that JSON does not escape.
_UNICODE_END = re.compile("[\x7f-\x9f\u2028\u2029]")
_LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access")
# httpx would log every URL, which may contain a number or a session.
_CHATTY = ("sqlalchemy", "alembic", "asyncio", "python_multipart", "httpx", "httpcore")


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Log to `stream` (default stderr) and the syslog server, if set; SetupError if its CA can't be read."""
    global _lines
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        clean,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    formatter = _lines = Lines(shared, _renderer(settings))
    handlers = [logging.StreamHandler(stream or sys.stderr), *_elsewhere(settings)]
    for handler in handlers:
        handler.setFormatter(formatter)
    _take_over(handlers, settings.log_level.upper())
    # No line has them, and each record would ask for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _elsewhere(settings: Settings) -> list[logging.Handler]:
    if settings.log_to is None:
        return []
    try:
        return [Syslog(place_of(settings.log_to, settings.log_ca_file))]
    except OSError:
        raise SetupError(
            "Cannot read log_ca_file. It must be a PEM file with a certificate authority."
        ) from None


class Lines(structlog.stdlib.ProcessorFormatter):
    """Write records as lines, by one renderer whoever logs."""

    def __init__(self, shared: list[Processor], renderer: Processor) -> None:
        meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        super().__init__(foreign_pre_chain=shared, processors=[meta, renderer])
        self._render = renderer

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a record that is READY is one."""
        return str(record.msg) if READY in record.__dict__ else super().format(record)

    def render(self, event: dict[str, Any]) -> str:
        """Return the line of a whole, clean event."""
        return str(self._render(None, "info", event))


_lines: Lines | None = None


def lines() -> Lines | None:
    """Return what writes lines now; None where structlog is configured by somebody else, or not yet."""
    ours = structlog.get_config()["processors"][-1] is structlog.stdlib.ProcessorFormatter.wrap_for_formatter
    return _lines if ours else None


def _renderer(settings: Settings) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(_as_json)
    words = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    return lambda logger, method, event: words(logger, method, _in_lines(event))


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _as_json(event: Any, **_options: Any) -> str:
    """Write one line; json itself leaves Unicode line ends as they are."""
    return escaped(_encode(event), _UNICODE_END)


def _in_lines(event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape values so that they start no line and move no cursor, and indent tracebacks."""
    event["event"] = escaped(str(event.get("event", "")))
    if found := event.get("exception"):
        lines = str(found).split("\n")
        event["exception"] = "\n".join(f"    {escaped(line)}" for line in lines)
    return event


def _take_over(handlers: list[logging.Handler], level: str) -> None:
    root = logging.getLogger()
    before, root.handlers[:] = [*root.handlers], handlers
    for each in before:
        if isinstance(each, Syslog):
            each.close()
    root.setLevel(level)
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Loa logs each request itself, with its id.
    logging.getLogger("uvicorn.access").disabled = True


def clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove secrets and mask phone numbers; must be the last processor before the renderer."""
    for key, value in event.items():
        # structlog's own keys are dropped before rendering
        if not key.startswith("_"):
            event[key] = REDACTED if _is_secret(key) else _clean(value)
    return event


@lru_cache(maxsize=512)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _clean(value: Any) -> Any:
    match value:
        case str():
            return value if not value or value.isalpha() or _SAFE.fullmatch(value) else mask_text(value)
        case bool() | float() | None:
            return value
        case int():
            return mask_text(str(value)) if int(value) in _PHONE_NUMBERS else value
        case dict():
            return {
                mask_text(str(k)): REDACTED if _SECRET_KEY.search(str(k)) else _clean(v)
                for k, v in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_clean(item) for item in value]
        case _:
            return mask_text(str(value))


def mask_text(text: str) -> str:
    """Mask phone numbers as 8491*****01 and remove secrets of known forms."""
    return mask_numbers(_SECRET_VALUE.sub(rf"\g<before>{REDACTED}", text))


def mask_sentence(sentence: str) -> str:
    """Mask the values of a sentence, and keep each short and on one line, whoever has written it.

    It stays translatable unless its own words would be masked too.
    """
    phrase = Phrase(sentence)
    shown = Phrase(phrase.template, **{name: _shown(value) for name, value in phrase.values.items()})
    whole = mask_text(shown)
    return shown if whole == shown else whole


def _shown(value: object) -> object:
    if isinstance(value, Enum):
        return value
    if isinstance(value, Phrase) and value.values:
        return mask_sentence(value)
    text = escaped(mask_text(str(value)))
    if len(text) > _LONGEST_VALUE:
        return f"{text[:_LONGEST_VALUE]}…"
    return value if text == str(value) else text


def masked(text: str, phone: int | None) -> str:
    """Mask every number: any that looks like one, and the receipt's own in any spelling."""
    for found in _own(text, phone):
        text = text.replace(found, mask(phone or ""))
    return _BARE.sub(lambda bare: mask(f"84{bare[0]}"), mask_text(text))


def _own(text: str, phone: int | None) -> Iterator[str]:
    """Yield occurrences of the receipt's own number, however its digits are spaced."""
    if phone is not None:
        tail = r"[^0-9A-Za-z]{0,3}".join(str(phone)[-9:])
        yield from {found[0] for found in re.finditer(rf"(?:\+?(?:00)?84|0)?[^0-9A-Za-z]?{tail}", text)}
