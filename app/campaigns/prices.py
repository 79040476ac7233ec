"""What an SMS part costs by the settings, and the days' prices that are kept from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection

from app.campaigns.drafts import Purpose
from app.core import clock
from app.core.config import Settings
from app.database.connection import shared_ms
from app.ledger import money

_SENT = (Purpose.AWARENESS, Purpose.URGENT_WARNING)


def price(settings: Settings, carrier: str, purpose: str, on: date | None = None) -> Decimal | None:
    """Return đồng for an SMS part on a day, by default today; where none is set, the dearest link's."""
    found = settings.money.price(carrier, purpose, on or clock.local(clock.now()).date())
    if found is not None:
        return found
    links = [each.segment_price for each in settings.links.values() if each.carrier == carrier]
    return max((Decimal(str(each)) for each in links if each is not None), default=None)


def is_due(connection: Connection, settings: Settings) -> bool:
    """Return whether the settings ask another price today than the one that is kept."""
    today = _today(connection)
    known = money.prices(connection, [each[:2] for each in _asked(settings, today)])
    for carrier, purpose, asked in _asked(settings, today):
        last = [each for each in known[carrier, purpose] if each.day <= today.toordinal()][-1:]
        if not last or (last[0].day < today.toordinal() and last[0][1:] != (asked, _vat(settings))):
            return True
    return False


def keep(connection: Connection, settings: Settings) -> None:
    """Keep today's prices, so that what is sent today is counted by them whatever the settings say later."""
    today = _today(connection)
    for carrier, purpose, asked in _asked(settings, today):
        money.note_price(connection, (carrier, purpose), today, asked, _vat(settings))


def _today(connection: Connection) -> date:
    return clock.local(clock.from_ms(shared_ms(connection))).date()


def _asked(settings: Settings, on: date) -> Iterator[tuple[str, str, int]]:
    """Yield carrier, purpose and hundredths of a đồng, where a price is set."""
    named = {each.carrier for each in settings.links.values()}
    for carrier in sorted(named | {each.carrier for each in settings.money.prices.values()}):
        for purpose in _SENT:
            if (asked := price(settings, carrier, purpose, on)) is not None:
                yield carrier, purpose.value, int(asked * 100)


def _vat(settings: Settings) -> int:
    return int(settings.money.vat_percent * 100)
