"""What of a webhook can be judged by its head, before a byte of its body is read."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from carriers.contract import WebhookRequest


@runtime_checkable
class WebhookHead(Protocol):
    """A webhook that tells strangers by what comes before the body; others are asked with the body alone."""

    def may_call(self, request: WebhookRequest) -> bool:
        """Whether this may be the carrier; `body` is empty, not a byte of it has been read yet."""
        ...

    def once(self, request: WebhookRequest) -> tuple[str, float]:
        """What makes a signed call unique, and for how many seconds it must be; "" for one without."""
        ...


@runtime_checkable
class TellsClock(Protocol):
    """A webhook that tells a carrier whose clock is wrong from a stranger."""

    def clock_ahead_s(self, request: WebhookRequest) -> int | None:
        """How far the caller's clock is ahead of ours, where nothing but its time is wrong; else None."""
        ...
