"""Vietnamese number and time formats: 1.234.567 and 92,5 %, dd/mm/yyyy hh:mm."""

from __future__ import annotations

from datetime import date

from app.core import clock
from app.reports.figures.table_model import CellKind

NOTHING = "–"


def count(number: int) -> str:
    """1234567 -> 1.234.567"""
    return f"{number:,}".replace(",", ".")


def percent(ratio: float | None) -> str:
    """0.925 -> 92,5 %; a dash for None."""
    return NOTHING if ratio is None else f"{in_percent(ratio):.1f}\u00a0%".replace(".", ",")


def in_percent(ratio: float, digits: int = 1) -> float:
    """0.925 -> 92.5, never rounded up to a whole percent or down to 0.

    Targets and limits are whole percents: 91.96 % shown as 92.0 % would contradict "below 92 %".
    """
    scale: int = 10**digits
    units = round(ratio * 100 * scale)
    if rounds_up_to_whole(ratio, digits):
        units -= 1
    return max(units, ratio > 0) / scale


def rounds_up_to_whole(ratio: float, digits: int) -> bool:
    scale: int = 10**digits
    units = round(ratio * 100 * scale)
    return units % scale == 0 and ratio < units / (100 * scale)


def rate(per_second: float | None) -> str:
    """1234.5 -> 1.234,5; a dash for None."""
    if per_second is None:
        return NOTHING
    whole, _, tenth = f"{per_second:.1f}".partition(".")
    return f"{count(int(whole))},{tenth}"


def moment(ms: int | None) -> str:
    """Format ms since 1970 as dd/mm/yyyy hh:mm:ss in Vietnam time; a dash for None."""
    return NOTHING if ms is None else clock.moment(ms).strftime("%d/%m/%Y %H:%M:%S")


def hour(ms: int | None) -> str:
    """Format ms since 1970 as official papers say it: 17 giờ 00 ngày 09/02/2024; a dash for None."""
    if ms is None:
        return NOTHING
    at = clock.moment(ms)
    return f"{at:%H} giờ {at:%M} ngày {at:%d/%m/%Y}".replace(" giờ ", "\u00a0giờ\u00a0")


def day_of(value: str | None) -> str:
    """Format an ISO date as dd/mm/yyyy; "" for None."""
    return "" if value is None else f"{date.fromisoformat(value):%d/%m/%Y}"


def iso(ms: int | None) -> str | None:
    """Format ms since 1970 as ISO 8601 with Vietnam's offset."""
    return None if ms is None else clock.moment(ms).isoformat(timespec="seconds")


def shown(kind: CellKind, value: str | int | float | None) -> str:
    if isinstance(value, str):
        return value
    if kind is CellKind.RATIO:
        return percent(value)
    if kind is CellKind.RATE:
        return rate(value)
    return "" if value is None else count(int(value))
