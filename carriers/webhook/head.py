"""The configured webhook of a link, and what can be checked before its body is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from carriers.contract import ReceiptsRead, WebhookAnswer, WebhookRequest
from carriers.webhook.authentication import WebhookCredentials
from carriers.webhook.events import payload
from carriers.webhook.field_mapping import FieldMapping
from carriers.webhook.receipt_parser import receipts_read


@dataclass(frozen=True, slots=True)
class MappedWebhook:
    """contract.WebhookReceipts by configuration."""

    credentials: WebhookCredentials
    shape: FieldMapping
    acknowledgement: WebhookAnswer = field(init=False)

    def __post_init__(self) -> None:
        answer = WebhookAnswer(self.shape.answer.encode(), self.shape.answer_type)
        object.__setattr__(self, "acknowledgement", answer)

    def may_call(self, request: WebhookRequest) -> bool:
        """Check the request without its body; if the query is what is signed, this is the whole check."""
        if self.shape.source != "query":
            return self.credentials.may_admit(request)
        return self.authenticate(request) or self.clock_ahead_s(request) is not None

    def once(self, request: WebhookRequest) -> tuple[str, float]:
        """Return the signature, and how long to remember it: one replay window on either side of its time."""
        credentials = self.credentials
        signature = request.headers.get(credentials.signature_header, "").lower().removeprefix("sha256=")
        return (signature if credentials.hmac_secret else "", 2 * credentials.replay_window_s)

    def authenticate(self, request: WebhookRequest) -> bool:
        return self.credentials.admit(request, payload(request, self.shape))

    def clock_ahead_s(self, request: WebhookRequest) -> int | None:
        """Return how far the caller's clock is ahead, if only its time is wrong; else None."""
        return self.credentials.clock_ahead_s(request, payload(request, self.shape))

    def parse_receipts(self, request: WebhookRequest) -> ReceiptsRead:
        return receipts_read(request, self.shape)


@runtime_checkable
class WebhookHead(Protocol):
    """A webhook that can reject strangers before the body is read."""

    def may_call(self, request: WebhookRequest) -> bool:
        """Whether this may be the carrier; `body` is empty, since nothing of it has been read yet."""
        ...

    def once(self, request: WebhookRequest) -> tuple[str, float]:
        """Return what makes a signed call unique ("" if unsigned), and how many seconds to remember it."""
        ...


@runtime_checkable
class TellsClock(Protocol):
    """A webhook that can distinguish a carrier with a wrong clock from a stranger."""

    def clock_ahead_s(self, request: WebhookRequest) -> int | None:
        """Return how far the caller's clock is ahead, if only its time is wrong; else None."""
        ...
