"""Receipts as rows, and the span of time in which a receipt's message must have been sent.

All times come from the database's clock except `done_at`, which the carrier states. Every bound therefore
allows for clocks that disagree and for the delay between a message on the wire and its row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from app.core import clock
from app.core.clock import DAY_MS
from app.ledger.contract import Arrival

# How far a carrier's clock may differ from ours, and how long after its receipt a message may be recorded.
CLOCKS_MS = 600_000
RECORDED_MS = 120_000
# How long before its message's row an early receipt may have come.
EARLY_MS = 600_000
# How far a host's clock may have been set back, so that a message seems to be sent after its receipt.
# Accepted if both id and number match.
SET_BACK_MS = 2 * 3_600_000
# Carriers try for two days at most, and an id stays with a phone's number for no longer.
VALIDITY_MS = 5 * DAY_MS
# A wrong receipt_zone shifts times by hours, and some centres' clocks are a day off; ids and phones are right
# all the same.
_ZONES_MS = 26 * 3_600_000
# Nothing is kept for longer, so an earlier time is invalid.
_EVER_MS = 400 * DAY_MS
EVER = 1 << 60


class ReceiptRow(NamedTuple):
    """One receipt in the columns of the journal and of the quarantine."""

    received_at: int
    done_at: int | None
    phone: int | None
    link_id: int
    group_id: int
    level: int
    reason: int
    status: str
    reference: str | None
    code: str
    raw: str

    @property
    def stated(self) -> bool:
        """Whether the carrier states a plausible time: neither in the future nor older than any data."""
        at = self.done_at
        return at is not None and -CLOCKS_MS <= self.received_at - at <= _EVER_MS

    @property
    def made(self) -> int:
        """The stated time of the event, or the time of arrival."""
        at = self.done_at
        return at if at is not None and self.stated else self.received_at

    @property
    def sure(self) -> int:
        """The latest time at which its message can have been recorded if all clocks agree."""
        return min(self.received_at + RECORDED_MS, self.made + CLOCKS_MS)

    @property
    def window(self) -> tuple[int, int]:
        """The earliest and latest time at which the message with its reference can have been recorded."""
        named = self.phone is not None
        known, recorded = (_ZONES_MS, SET_BACK_MS) if named else (CLOCKS_MS, RECORDED_MS)
        return self.made - VALIDITY_MS, min(self.received_at + recorded, self.made + known)

    def is_new(self, now: int) -> bool:
        """Return whether the receipt arrived just now."""
        return now - self.received_at <= RECORDED_MS

    def to_come(self, now: int) -> int:
        """Return from which time on a message must have been sent before the clock was set back.

        Only for a receipt that arrived just now: since one that waits arrived, a message may have been sent.
        """
        return now + RECORDED_MS if self.is_new(now) else EVER

    @property
    def any_age(self) -> tuple[int, int]:
        """The window for a receipt that arrives weeks late and states its own time."""
        return self.made - _EVER_MS, self.window[1]

    def about(self, sent_after: int, noticed: int) -> bool:
        """Return whether it fits an unknown message sent after `sent_after` and noticed at `noticed`."""
        late_enough = min(self.received_at + RECORDED_MS, self.made + CLOCKS_MS) >= sent_after
        return late_enough and self.made <= noticed + VALIDITY_MS


@lru_cache(maxsize=4096)
def span(received_at: int, done_at: int | None) -> tuple[int, int]:
    """Return the earliest and the latest time of a receipt's message if all clocks agree.

    Most receipts of a moment state the same time.
    """
    one = ReceiptRow(received_at, done_at, None, 0, 0, 0, 0, "", None, "", "")
    return one.made - VALIDITY_MS, one.sure


def rows_of(arrivals: Sequence[Arrival], groups: Mapping[int, int], now: int) -> list[ReceiptRow]:
    """Return what `said` gives for each, with the receipt group its link is in now: groups change."""
    times: dict[datetime | None, int | None] = {}
    rows = []
    for link, receipt, _ in arrivals:
        reference, phone, status, level, reason, code, at, raw, _, _ = receipt
        if at not in times:
            times[at] = _past(clock.to_ms_or_none(at), now)
        number, group_id = int(phone) if phone else None, groups.get(link.id, link.group_id)
        what = (int(level), int(reason), status.value, reference, code[:80], raw)
        rows.append(ReceiptRow._make((now, times[at], number, link.id, group_id, *what)))
    return rows


def said(arrival: Arrival, now: int) -> ReceiptRow:
    """Return the row of an arrival at `now`. Its done_at is the stated time, and never later than `now`.

    A time up to CLOCKS_MS ahead, as by a fast clock, becomes `now`; one further ahead becomes None.
    """
    receipt, link = arrival.receipt, arrival.link
    done_at = clock.to_ms_or_none(receipt.done_at)
    return ReceiptRow(
        now,
        _past(done_at, now),
        int(receipt.phone) if receipt.phone else None,
        link.id,
        link.group_id,
        int(receipt.level),
        int(receipt.reason),
        receipt.status.value,
        receipt.reference,
        receipt.code[:80],
        receipt.raw,
    )


def _past(done_at: int | None, now: int) -> int | None:
    if done_at is None or done_at - now > CLOCKS_MS:
        return None
    return min(done_at, now)


def storable(arrival: Arrival, now: int) -> ReceiptRow:
    """Convert an arrival to a row that any database accepts, whatever it contains."""
    receipt = arrival.receipt
    digits = receipt.phone if (receipt.phone or "").isdecimal() and len(receipt.phone or "") < 16 else None
    plain = receipt._replace(
        phone=digits,
        reference=None if receipt.reference is None else _plain(receipt.reference)[:100],
        code=_plain(receipt.code),
        raw=_plain(receipt.raw),
    )
    return said(arrival._replace(receipt=plain), now)


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
