"""What of a webhook can be judged by its head, before a byte of its body is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from carriers.contract import ReceiptsRead, WebhookAnswer, WebhookRequest
from carriers.webhook.authentication import WebhookCredentials
from carriers.webhook.events import payload
from carriers.webhook.field_mapping import FieldMapping
from carriers.webhook.receipt_parser import receipts_read

# ---- The webhook of a link whose adapter has none of its own: locks and a shape, both out of the settings


@dataclass(frozen=True, slots=True)
class MappedWebhook:
    """contract.WebhookReceipts by configuration."""

    locks: WebhookCredentials
    shape: FieldMapping
    acknowledgement: WebhookAnswer = field(init=False)

    def __post_init__(self) -> None:
        answer = WebhookAnswer(self.shape.answer.encode(), self.shape.answer_type)
        object.__setattr__(self, "acknowledgement", answer)

    def may_call(self, request: WebhookRequest) -> bool:
        """The same before the body is read; where the query is what is signed, that is all there is."""
        if self.shape.source != "query":
            return self.locks.may_admit(request)
        return self.authenticate(request) or self.clock_ahead_s(request) is not None

    def once(self, request: WebhookRequest) -> tuple[str, float]:
        """The signature, for as long as its timestamp is taken: a minute early or late is one window each."""
        locks = self.locks
        signature = request.headers.get(locks.signature_header, "").lower().removeprefix("sha256=")
        return (signature if locks.hmac_secret else "", 2 * locks.replay_window_s)

    def authenticate(self, request: WebhookRequest) -> bool:
        """Whether all locks of the link open to this caller."""
        return self.locks.admit(request, payload(request, self.shape))

    def clock_ahead_s(self, request: WebhookRequest) -> int | None:
        """How far the caller's clock is ahead of ours, where nothing but its time is wrong; else None."""
        return self.locks.clock_ahead_s(request, payload(request, self.shape))

    def parse_receipts(self, request: WebhookRequest) -> ReceiptsRead:
        """What it says, by the link's shape."""
        return receipts_read(request, self.shape)


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
