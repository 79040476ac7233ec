"""Assemble the webhooks of all links, from the settings or from adapters that have their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
from pydantic import SecretStr

from app.api.rate_limit import Buckets
from app.core.config import LinkSettings, Settings, WebhookSettings
from app.core.errors import SetupError
from app.database.connection import Database
from app.receipts.receipt_writer import Inbox
from app.receipts.webhook_handler import WebhookHandler
from carriers import registry
from carriers.contract import Receipt, ReceiptsRead, WebhookAnswer, WebhookReceipts, WebhookRequest
from carriers.webhook import MappedWebhook, WebhookCredentials, shape_of

log = structlog.get_logger(__name__)

_OPEN = (
    "Link {name}: its webhook is open to anybody. Set webhook.hmac_secret, basic_user and basic_password, "
    'token or networks (several may be combined), or environment = "development" for trials.'
)
_BOTH = "Link {name}: its kind {kind} reads its webhooks by itself, so the table webhook has to go."


@dataclass(frozen=True, slots=True)
class Canonical:
    """A webhook whose carrier spells IDs differently than its link stores them: padded, or in upper case."""

    hook: MappedWebhook
    canonical: Callable[[str], str]

    @property
    def acknowledgement(self) -> WebhookAnswer:
        return self.hook.acknowledgement

    def may_call(self, request: WebhookRequest) -> bool:
        return self.hook.may_call(request)

    def once(self, request: WebhookRequest) -> tuple[str, float]:
        return self.hook.once(request)

    def authenticate(self, request: WebhookRequest) -> bool:
        return self.hook.authenticate(request)

    def clock_ahead_s(self, request: WebhookRequest) -> int | None:
        return self.hook.clock_ahead_s(request)

    def parse_receipts(self, request: WebhookRequest) -> ReceiptsRead:
        parsed = self.hook.parse_receipts(request)
        return ReceiptsRead([self._named(receipt) for receipt in parsed.receipts], parsed.misread)

    def _named(self, receipt: Receipt) -> Receipt:
        reference = self.canonical(receipt.reference) if receipt.reference else None
        return receipt._replace(reference=reference or None)


def webhook_handler(settings: Settings, db: Database, inbox: Inbox) -> WebhookHandler:
    """Return the handler of all links' webhooks. Raises SetupError for an open or misconfigured one."""
    found = {(link.carrier, name): _webhook(settings, name, link) for name, link in settings.links.items()}
    hooks = {key: webhook for key, webhook in found.items() if webhook is not None}
    return WebhookHandler(
        db,
        hooks,
        inbox,
        _nobody(),
        settings.trusted_proxies,
        settings.webhook_limit_kb * 1024,
        settings.webhook_patience_s,
        Buckets(settings.share(settings.stranger_requests_per_minute)),
    )


def faults(settings: Settings) -> Iterator[str]:
    for name, link in settings.links.items():
        if link.kind in registry.kinds():  # else the link's own fault says so
            try:
                _webhook(settings, name, link)
            except SetupError as error:
                yield error.detail


def _webhook(settings: Settings, name: str, link: LinkSettings) -> WebhookReceipts | None:
    try:
        own = registry.webhook(link.kind, link.options(name))
        if own is not None and link.webhook is not None:
            raise SetupError(_BOTH, name=name, kind=link.kind)
        if own or link.webhook is None:
            return own
        hook = _mapped(settings, name, link.webhook)
        canonical = registry.canonical(link.kind, link.options(name))
        return hook if canonical is None else Canonical(hook, canonical)
    except ValueError as error:
        raise SetupError(str(error)) from None


def _mapped(settings: Settings, name: str, webhook: WebhookSettings) -> MappedWebhook:
    credentials = _credentials(webhook)
    if not credentials.any():
        if settings.environment != "development":
            raise SetupError(_OPEN, name=name)
        log.warning("a webhook accepts calls without credentials", link=name)
    return MappedWebhook(credentials, shape_of(name, webhook.format, webhook.map))


def _credentials(webhook: WebhookSettings) -> WebhookCredentials:
    password = _plain(webhook.basic_password)
    return WebhookCredentials(
        hmac_secret=_plain(webhook.hmac_secret),
        timestamp_header=webhook.timestamp_header.lower(),
        signature_header=webhook.signature_header.lower(),
        replay_window_s=webhook.replay_window_s,
        basic=f"{webhook.basic_user}:{password}" if password else "",
        token=_plain(webhook.token),
        networks=webhook.networks,
    )


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _nobody() -> MappedWebhook:
    """Return a stand-in for links that do not exist: it checks everything, by secrets that nobody has."""
    credentials = WebhookCredentials(
        secrets.token_hex(), basic=secrets.token_hex(), token=secrets.token_hex()
    )
    return MappedWebhook(credentials, shape_of("", "generic", {}))
