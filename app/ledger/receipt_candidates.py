"""Search keys for the message of a receipt's reference, and the choice among the messages found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.core.clock import DAY_MS
from app.core.states import DeliveryState
from app.ledger.contract import ResultKind
from app.ledger.engine_base import CROWD, MatchedDelivery, SubmissionQuery
from app.ledger.receipt_times import EVER, VALIDITY_MS, ReceiptRow, span

ONE_ID_MS = DAY_MS // 2


def submission_query(one: ReceiptRow, late: bool, now: int) -> SubmissionQuery | None:
    """Return the query for the receipt's message, or None without a reference; late: many tries failed."""
    if one.reference is None:
        return None
    if one.phone is not None and not late and one.is_new(now):
        earliest, _ = span(one.received_at, one.done_at)
        return SubmissionQuery(one.group_id, one.reference, one.phone, earliest, EVER)
    if one.phone is None:
        return SubmissionQuery(one.group_id, one.reference, None, *one.window)
    earliest, latest = one.any_age if late else one.window
    latest = EVER if one.is_new(now) else latest
    return SubmissionQuery(one.group_id, one.reference, one.phone, earliest, latest)


def repeated(items: Sequence[ReceiptRow]) -> set[str]:
    """Return references that receipts for several numbers bear; there the phone identifies the message."""
    both = {
        (one.reference, one.phone) for one in items if one.reference is not None and one.phone is not None
    }
    several = Counter([reference for reference, _ in both])
    if len(several) == len(both):  # nearly always
        return set()
    return {reference for reference, phones in several.items() if phones > 1}


def choose(one: ReceiptRow, hits: Sequence[MatchedDelivery], now: int) -> list[MatchedDelivery]:
    """Return the parts of the newest message that fits the receipt's time, or none if that is ambiguous.

    A message that fits only if clocks are wrong is taken if no other one has the reference.
    """
    first = hits[0]
    if first.crowd >= CROWD:
        return []
    earliest, sure_until = span(one.received_at, one.done_at)
    if len(hits) == 1 and earliest <= first.at <= sure_until:
        return list(hits)
    latest, to_come = one.window[1], one.to_come(now)
    hits = [hit for hit in hits if hit.at <= latest + _extra_time(hit) or hit.at > to_come]
    sure = [hit for hit in hits if earliest <= hit.at <= sure_until + _extra_time(hit)]
    if not sure and len({hit.key for hit in hits}) > 1:
        return []
    pool = sure or [hit for hit in hits if _may_match(one, hit)]
    newest = max(pool, key=lambda hit: hit.at, default=None)
    if newest is None or (one.phone is None and any(_share_id(newest, hit) for hit in pool)):
        return []
    return [hit for hit in pool if (hit.key, hit.attempt) == (newest.key, newest.attempt)]


def is_latest(one: ReceiptRow, chosen: MatchedDelivery, elsewhere: int) -> bool:
    """Return whether `choose` would choose the same beside any messages that went out up to `elsewhere`."""
    sure = one.made - VALIDITY_MS <= chosen.at <= one.sure + _extra_time(chosen)
    return sure and chosen.at - ONE_ID_MS > elsewhere


def _share_id(newest: MatchedDelivery, hit: MatchedDelivery) -> bool:
    """Return whether two messages bear one id at the same time, so that only a number could decide.

    A carrier that reuses an id later does so when the earlier message is over; then the newest is meant.
    """
    return hit.key != newest.key and newest.at - hit.at < ONE_ID_MS


def _extra_time(hit: MatchedDelivery) -> int:
    """Return extra time for a learnt reference, which is recorded later than its message was sent."""
    return VALIDITY_MS if hit.result == ResultKind.SETTLED else 0


def _may_match(one: ReceiptRow, hit: MatchedDelivery) -> bool:
    """Tolerate times of another time zone; a receipt that is weeks late only moves what is still open."""
    of_late = hit.at >= one.made - VALIDITY_MS
    return of_late or hit.state in (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)
