"""What an SMS part costs: the table [money] of loa.toml."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.core.setting_values import Name

Dong = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=9, decimal_places=2)]


class PriceSettings(BaseModel):
    """What one carrier's contract asks for an SMS part, from a day on."""

    model_config = ConfigDict(extra="forbid")

    carrier: Name  # whose contract it is: viettel, vnpt, mobifone ...
    # For which campaigns; by default for all that have no price of their own.
    purpose: Literal["tuyen_truyen", "canh_bao_khan"] | None = None
    since: date  # the first day of Viet Nam on which it counts
    dong: Dong  # đồng for an SMS part, without VAT


class MoneySettings(BaseModel):
    """Prices, and the value-added tax on them. A link's `segment_price` counts where no price does."""

    model_config = ConfigDict(extra="forbid")

    vat_percent: Annotated[Decimal, Field(ge=0, le=100, decimal_places=2)] = Decimal(10)  # on all prices
    prices: dict[Name, PriceSettings] = Field(default={})  # one table for each price

    def price(self, carrier: str, purpose: str, on: date) -> Decimal | None:
        """Return what an SMS part costs on that day: the newest price, those of the purpose before others."""
        fit = [
            each
            for each in self.prices.values()
            if each.carrier == carrier and each.purpose in (None, purpose) and each.since <= on
        ]
        newest = max(fit, key=lambda each: (each.purpose is not None, each.since), default=None)
        return None if newest is None else newest.dong
