"""The line of each request: the same to a byte as any other, at a tenth of the cost.

structlog looks for the calling frame, binds and runs its chain twice; a webhook spent more on that than on
being read. Rules and renderers are those of app/observability/logs.py.
"""

from __future__ import annotations

import logging
from functools import lru_cache, partial
from typing import Any

import structlog
from structlog.contextvars import merge_contextvars

from app.core import clock
from app.observability.line_templates import Event, LineTemplates
from app.observability.logs import READY, Lines, clean, lines

_NAME = "app.api.middleware"  # the lines' logger, as it has always been
_log = logging.getLogger(_NAME)
_usual = structlog.get_logger(_NAME)


def write(fields: dict[str, Any]) -> None:
    """Log "request" with these fields."""
    configured = lines()
    if configured is None:  # not by us: a test, or a command
        _usual.info("request", **fields)
        return
    if not _log.isEnabledFor(logging.INFO):
        return
    event = merge_contextvars(_log, "info", {**fields, "event": "request"})
    time = clock.now().isoformat().replace("+00:00", "Z")
    text = _templates(configured).line(dict(event), time)
    _log.handle(_log.makeRecord(_NAME, logging.INFO, "", 0, text, (), None, None, {READY: True}))


@lru_cache(maxsize=1)
def _templates(of: Lines) -> LineTemplates:
    return LineTemplates(partial(_render, of))


def _render(of: Lines, event: Event, time: str) -> str:
    return of.render({**clean(_log, "info", event), "level": "info", "logger": _NAME, "timestamp": time})
