"""Loggers that load structlog at their first line: commands that write none do not wait 0.1 s for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


class _Late:
    """A logger that becomes structlog's when it is first asked for anything."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        import structlog

        return getattr(structlog.get_logger(self._name), method)


def get_logger(name: str) -> BoundLogger:
    """structlog's logger of a module, `name` being its `__name__`."""
    return cast("BoundLogger", _Late(name))
