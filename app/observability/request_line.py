"""The line of each request: the same to a byte as any other, at a quarter of the cost.

structlog looks for the calling frame, binds and runs its chain twice; a webhook spent more on that than on
being read. Rules and renderers are those of app/observability/logs.py.
"""

from __future__ import annotations

import logging
from typing import Any

import structlog
from structlog.contextvars import merge_contextvars

from app.core import clock
from app.observability.logs import READY, clean

_NAME = "app.api.middleware"  # the lines' logger, as it has always been
_log = logging.getLogger(_NAME)
_usual = structlog.get_logger(_NAME)


def write(fields: dict[str, Any]) -> None:
    """Log "request" with these fields."""
    if structlog.get_config()["processors"][-1] is not structlog.stdlib.ProcessorFormatter.wrap_for_formatter:
        _usual.info("request", **fields)  # not configured by us: a test, or a command
        return
    if not _log.isEnabledFor(logging.INFO):
        return
    line = clean(_log, "info", merge_contextvars(_log, "info", {**fields, "event": "request"}))
    line["level"], line["logger"] = "info", _NAME
    line["timestamp"] = clock.now().isoformat().replace("+00:00", "Z")
    _log.handle(_log.makeRecord(_NAME, logging.INFO, "", 0, line, (), None, None, {READY: True}))
