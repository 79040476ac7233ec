"""Loggers that import structlog on first use, which saves commands that log nothing 0.1 s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


class _Late:
    """Proxy of a structlog logger."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        import structlog

        return getattr(structlog.get_logger(self._name), method)


def get_logger(name: str) -> BoundLogger:
    return cast("BoundLogger", _Late(name))
