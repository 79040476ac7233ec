"""What a receipt says, and when a message must have been sent for the receipt to be about it.

Times are those of the database's clock, but for `done_at`, which the carrier states. So every bound has some
slack: for two clocks that disagree, and for the moments between a message on the wire and its row.
"""

from __future__ import annotations

from typing import NamedTuple

from app.core import clock
from app.core.clock import DAY_MS
from app.ledger.contract import Arrival

# So far may a carrier's clock be from ours, and so long may a message's row come after its receipt.
CLOCKS_MS = 600_000
RECORDED_MS = 120_000
# So long before its message's row a receipt may have come that looks for it; others have no message yet.
EARLY_MS = 600_000
# By so much a host's clock may have been set back since: then the message seems to be sent after its receipt.
# An id and its number together say enough.
SET_BACK_MS = 2 * 3_600_000
# A carrier tries for two days at the most, and a phone's number stays with an id for no longer.
VALIDITY_MS = 5 * DAY_MS
# A link whose receipt_zone is wrong states times that are off by hours, and some centre's clock is a day off;
# ids and phones are right all the same.
_ZONES_MS = 26 * 3_600_000
# Nothing is kept for longer than that: a time from before it is none.
_EVER_MS = 400 * DAY_MS


class ReceiptRow(NamedTuple):
    """One receipt in the columns of the journal and of the quarantine."""

    received_at: int
    done_at: int | None
    phone: int | None
    lane_id: int
    group_id: int
    level: int
    reason: int
    status: str
    reference: str | None
    code: str
    raw: str

    @property
    def stated(self) -> bool:
        """Whether it says when it was made; a time to come, or before anything that is kept, is none."""
        at = self.done_at
        return at is not None and -CLOCKS_MS <= self.received_at - at <= _EVER_MS

    @property
    def made(self) -> int:
        """When what it tells of happened, as far as it says so."""
        at = self.done_at
        return at if at is not None and self.stated else self.received_at

    @property
    def sure(self) -> int:
        """The latest moment at which its message can have been recorded, if all clocks agree."""
        return min(self.received_at + RECORDED_MS, self.made + CLOCKS_MS)

    @property
    def window(self) -> tuple[int, int]:
        """The earliest and the latest moment at which the message of its reference can have been recorded."""
        named = self.phone is not None
        known, recorded = (_ZONES_MS, SET_BACK_MS) if named else (CLOCKS_MS, RECORDED_MS)
        return self.made - VALIDITY_MS, min(self.received_at + recorded, self.made + known)

    @property
    def any_age(self) -> tuple[int, int]:
        """The same for a receipt that comes weeks late and states the time of its own making."""
        return self.made - _EVER_MS, self.window[1]

    def about(self, sent_after: int, noticed: int) -> bool:
        """Whether it can be about an unknown message: sent after the one moment, noticed at the other."""
        late_enough = min(self.received_at + RECORDED_MS, self.made + CLOCKS_MS) >= sent_after
        return late_enough and self.made <= noticed + VALIDITY_MS


def said(arrival: Arrival, now: int) -> ReceiptRow:
    """An arrival as it is written down."""
    receipt, lane = arrival.receipt, arrival.lane
    return ReceiptRow(
        now,
        clock.to_ms_or_none(receipt.done_at),
        int(receipt.phone) if receipt.phone else None,
        lane.id,
        lane.group_id,
        int(receipt.level),
        int(receipt.reason),
        receipt.status.value,
        receipt.reference,
        receipt.code[:80],
        receipt.raw,
    )


def storable(arrival: Arrival, now: int) -> ReceiptRow:
    """What of an arrival any database takes, whatever is in it."""
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
