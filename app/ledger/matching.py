"""Whose delivery a receipt without a known reference speaks of, where that leaves no doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select, tuple_

from app.clock import DAY_MS
from app.ledger.contract import Key
from app.ledger.store import WHOLE, Hit, Store
from app.models import deliveries, lanes, runs, submissions
from app.states import RECEIVED, DeliveryState, RunState

# A carrier tries for two days at the most; its clock may be ahead of ours a little.
_LONGEST_MS = 5 * DAY_MS
_CLOCKS_MS = 600_000
_AT_ONCE = 500
_OPEN = (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)
_TAKEN = (*_OPEN, DeliveryState.UNDELIVERED, DeliveryState.EXPIRED, *RECEIVED)


class Wanted(NamedTuple):
    """A receipt whose delivery is looked for: the one it is known to be about, or by group and phone.

    at: when the carrier says that it happened, `stated` where it says so; bare: it names a reference that
    nobody knows, so it can only mean a delivery that was given none.
    """

    nth: int
    about: Key | None
    group_id: int
    phone: int | None
    at: int
    stated: bool
    bare: bool


class Matching(Store):
    """find_whole."""

    def find_whole(self, connection: Connection, wanted: Sequence[Wanted]) -> list[Hit]:
        """Lock and read the deliveries that these receipts speak of as wholes; one at most for each."""
        known = [(each.nth, each.about) for each in wanted if each.about is not None]
        found = list(_by_key(connection, known))
        groups: defaultdict[int, list[Wanted]] = defaultdict(list)
        for each in wanted:
            if each.about is None and each.phone is not None:
                groups[each.group_id].append(each)
        for group_id, some in groups.items():
            found += _by_phone(connection, group_id, some)
        return found


def _by_key(connection: Connection, known: Sequence[tuple[int, Key]]) -> Iterable[Hit]:
    batches: defaultdict[tuple[int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for nth, key in known:
        batches[key.campaign_id, key.batch_id][key.seq].append(nth)
    d = deliveries.c
    for (campaign_id, batch_id), seqs in sorted(batches.items()):
        for some in _slices(sorted(seqs)):
            own = (d.campaign_id == campaign_id, d.batch_id == batch_id, d.seq.in_(some))
            for row in connection.execute(_locked(*own)):
                yield from (_hit(nth, row) for nth in seqs[row.seq])


def _by_phone(connection: Connection, group_id: int, wanted: Sequence[Wanted]) -> Iterable[Hit]:
    rows: defaultdict[int, list[Any]] = defaultdict(list)
    d, phones = deliveries.c, sorted({each.phone for each in wanted if each.phone is not None})
    links = select(lanes.c.id).where(lanes.c.group_id == group_id)
    for campaign_id in _campaigns(connection, group_id, min(each.at for each in wanted)):
        for some in _slices(phones):
            own = _numbers(connection, campaign_id, some), d.lane_id.in_(links)
            for row in connection.execute(_locked(*own)):
                rows[row.phone].append(row)
    for each in wanted:
        row = _only(each, rows.get(each.phone or 0, ()))
        if row is not None:
            yield _hit(each.nth, row)


def _numbers(connection: Connection, campaign_id: int, phones: Sequence[int]) -> ColumnElement[bool]:
    """These numbers of the campaign, by the unique index on both."""
    d = deliveries.c
    if connection.dialect.name == "sqlite":
        # Without statistics SQLite would walk the primary key through the whole campaign.
        return tuple_(d.campaign_id, d.phone).in_([(campaign_id, phone) for phone in phones])
    return and_(d.campaign_id == campaign_id, d.phone.in_(phones))


def _campaigns(connection: Connection, group_id: int, earliest: int) -> Sequence[int]:
    """The campaigns that went over these links and were not over for long by then."""
    lately = or_(runs.c.ended_at.is_(None), runs.c.ended_at >= earliest - _LONGEST_MS)
    own = and_(lanes.c.carrier == runs.c.carrier, lanes.c.group_id == group_id)
    query = select(runs.c.campaign_id).join(lanes, own).where(runs.c.state != RunState.PLANNED.value, lately)
    return connection.execute(query.distinct().order_by(runs.c.campaign_id)).scalars().all()


def _locked(*where: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Deliveries that carriers have, or may have; those of one statement are locked in key order."""
    d, s = deliveries.c, submissions.c
    own = and_(s.campaign_id == d.campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    named = exists().where(own, s.reference.is_not(None)).label("named")
    submitted = exists().where(own).label("submitted")
    query = select(deliveries, named, submitted).where(*where, d.state.in_(_TAKEN))
    return query.order_by(d.campaign_id, d.batch_id, d.seq).with_for_update(key_share=True, of=deliveries)


def _only(one: Wanted, rows: Sequence[Any]) -> Any:
    """The one delivery that can be meant: of several, the only one that waits, where the time is stated."""
    near = [row for row in rows if _fits(one, row)]
    if len(near) > 1 and one.stated:
        near = [row for row in near if row.state in _OPEN]
    return near[0] if len(near) == 1 else None


def _fits(one: Wanted, row: Any) -> bool:
    if one.bare and (row.named or row.state == DeliveryState.UNKNOWN):
        return False  # receipts for the unknown with a reference are settled at a later look
    before = row.submitted_at or one.at
    # An unknown one was noticed later than it was sent.
    soon = row.state == DeliveryState.UNKNOWN or before <= one.at + _CLOCKS_MS
    return soon and before >= one.at - _LONGEST_MS


def _hit(nth: int, row: Any) -> Hit:
    return Hit(
        nth,
        row.submitted_at or 0,
        WHOLE,
        *(row.campaign_id, row.batch_id, row.seq, row.run_id, row.phone, row.area, row.segments),
        *(row.submitted_at, row.done_at, row.state, row.reason),
        *(row.parts, row.delivered, row.relayed, row.failed),
        submitted=row.submitted,
    )


def _slices(values: Sequence[int]) -> Iterable[Sequence[int]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
