"""What tests say to the log: to stderr, with tracebacks as Python writes them.

Drawn with all their values, as structlog does by itself, a traceback takes half a second. What a server in a
thread says to stdout would stand in the answers of a command that a test runs beside it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

_PROCESSORS = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.dev.set_exc_info,
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
]


def _to_stderr(*_: object) -> structlog.PrintLogger:
    """Write where stderr goes now: each test has another one."""
    return structlog.PrintLogger(sys.stderr)


def configure() -> None:
    """Say it as a test does."""
    structlog.reset_defaults()
    structlog.configure(processors=_PROCESSORS, logger_factory=_to_stderr)


@contextmanager
def kept() -> Iterator[None]:
    """Afterwards all is as before: a command takes logging over, as in a process that is its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if root.handlers != handlers or root.level != level:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("uvicorn.access").disabled = False
    now = structlog.get_config()
    if now["processors"] is not _PROCESSORS or now["logger_factory"] is not _to_stderr:
        configure()
