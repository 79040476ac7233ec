"""How a receipt finds its message: by the delivery that it is about, its reference, or its phone.

All times come from the database's clock except `done_at`, which the carrier states. Every bound therefore
allows for clocks that disagree and for the delay between a message on the wire and its row.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import RECEIVED, ChunkState, DeliveryState, RunState
from app.database.models import (
    chunks,
    deliveries,
    links,
    receipts,
    runs,
    submissions,
    unknowns,
)
from app.ledger.contract import (
    CROWD,
    EVER,
    TAKEN,
    VALIDITY_MS,
    WHOLE,
    Arrival,
    DeliveryKey,
    Engine,
    MatchedDelivery,
    Named,
    ResultKind,
    Snapshot,
    SubmissionQuery,
)
from carriers.contract import Receipt

# ---- Receipts as rows, and the span of time in which a message must have been sent

# How far a carrier's clock may differ from ours, and how long after its receipt a message may be recorded.
CLOCKS_MS = 600_000
RECORDED_MS = 120_000
# How far a host's clock may have been set back, so that a message seems to be sent after its receipt.
# Accepted if both id and number match.
SET_BACK_MS = 2 * 3_600_000
# A wrong receipt_zone shifts times by hours, and some centres' clocks are a day off; ids and phones are right
# all the same.
_ZONES_MS = 26 * 3_600_000
# Nothing is kept for longer, so an earlier time is invalid.
_EVER_MS = 400 * DAY_MS


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
        reference=None if receipt.reference is None else _storable_text(receipt.reference)[:100],
        code=_storable_text(receipt.code),
        raw=_storable_text(receipt.raw),
    )
    return said(arrival._replace(receipt=plain), now)


def _storable_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


# ---- By reference

# On PostgreSQL by the id, on SQLite by a hash of it. Most carriers' ids are of no order, so each one that is
# stored changes a page of the index of its own, and pages are written as a whole. An index of six bytes has
# two fifths of the pages of one of whole ids. Ids that count up, as others give them, stay together: they
# differ in their last bytes, which are kept as they are.
_HASHED, _KEPT = 4, 2  # bytes of the hash, and of the id behind it


def reference_hash(reference: str) -> int:
    """Return a signed number of 48 bits: a hash of all but the last two bytes, and these.

    No checksum, which would let ids be chosen that all have the same.
    """
    whole = reference.encode("utf-8", "replace")
    return int.from_bytes(_hash(whole[:-_KEPT]) + whole[-_KEPT:].rjust(_KEPT, b"\0"), "big", signed=True)


@lru_cache(maxsize=1024)  # ids that count up share it
def _hash(start: bytes) -> bytes:
    return hashlib.blake2b(start, digest_size=_HASHED).digest()


def bears_one_of(connection: Connection, references: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a submission has one of these references, in the form that has an index."""
    s = submissions.c
    named = s.reference.in_(references)
    if connection.dialect.name != "sqlite":
        return named
    return and_(s.reference_hash.in_({reference_hash(one) for one in references}), named)


ONE_ID_MS = DAY_MS // 2


def submission_query(receipt: ReceiptRow, late: bool, now: int) -> SubmissionQuery | None:
    """Return the query for the receipt's message, or None without a reference; late: many tries failed."""
    if receipt.reference is None:
        return None
    if receipt.phone is not None and not late and receipt.is_new(now):
        earliest, _ = span(receipt.received_at, receipt.done_at)
        return SubmissionQuery(receipt.group_id, receipt.reference, receipt.phone, earliest, EVER)
    if receipt.phone is None:
        return SubmissionQuery(receipt.group_id, receipt.reference, None, *receipt.window)
    earliest, latest = receipt.any_age if late else receipt.window
    latest = EVER if receipt.is_new(now) else latest
    return SubmissionQuery(receipt.group_id, receipt.reference, receipt.phone, earliest, latest)


def repeated(items: Sequence[ReceiptRow]) -> set[str]:
    """Return references that receipts for several numbers bear; there the phone identifies the message."""
    both = {
        (one.reference, one.phone) for one in items if one.reference is not None and one.phone is not None
    }
    several = Counter([reference for reference, _ in both])
    if len(several) == len(both):  # nearly always
        return set()
    return {reference for reference, phones in several.items() if phones > 1}


def choose(receipt: ReceiptRow, hits: Sequence[MatchedDelivery], now: int) -> list[MatchedDelivery]:
    """Return the parts of the newest message that fits the receipt's time, or none if that is ambiguous.

    A message that fits only if clocks are wrong is taken if no other one has the reference.
    """
    first = hits[0]
    if first.crowd >= CROWD:
        return []
    earliest, sure_until = span(receipt.received_at, receipt.done_at)
    if len(hits) == 1 and earliest <= first.at <= sure_until:
        return list(hits)
    latest, to_come = receipt.window[1], receipt.to_come(now)
    hits = [hit for hit in hits if hit.at <= latest + _extra_time(hit) or hit.at > to_come]
    sure = [hit for hit in hits if earliest <= hit.at <= sure_until + _extra_time(hit)]
    if not sure and len({hit.key for hit in hits}) > 1:
        return []
    pool = sure or [hit for hit in hits if _may_match(receipt, hit)]
    newest = max(pool, key=lambda hit: hit.at, default=None)
    if newest is None or (receipt.phone is None and any(_share_id(newest, hit) for hit in pool)):
        return []
    return [hit for hit in pool if (hit.key, hit.attempt) == (newest.key, newest.attempt)]


def is_latest(receipt: ReceiptRow, chosen: MatchedDelivery, elsewhere: int) -> bool:
    """Return whether `choose` would choose the same beside any messages that went out up to `elsewhere`."""
    sure = receipt.made - VALIDITY_MS <= chosen.at <= receipt.sure + _extra_time(chosen)
    return sure and chosen.at - ONE_ID_MS > elsewhere


def _share_id(newest: MatchedDelivery, hit: MatchedDelivery) -> bool:
    """Return whether two messages bear one id at the same time, so that only a number could decide.

    A carrier that reuses an id later does so when the earlier message is over; then the newest is meant.
    """
    return hit.key != newest.key and newest.at - hit.at < ONE_ID_MS


def _extra_time(hit: MatchedDelivery) -> int:
    """Return extra time for a learnt reference, which is recorded later than its message was sent."""
    return VALIDITY_MS if hit.result == ResultKind.SETTLED else 0


def _may_match(receipt: ReceiptRow, hit: MatchedDelivery) -> bool:
    """Tolerate times of another time zone; a receipt that is weeks late only moves what is still open."""
    of_late = hit.at >= receipt.made - VALIDITY_MS
    return of_late or hit.state in (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)


# ---- By key or phone, where only one delivery is possible

# An account may be shared with other programs, and subscribers can write texts that look like receipts. Such
# a receipt is ours only by its id; a phone number proves nothing.

_SENDERS = "SELECT DISTINCT sender FROM campaigns"
_SHORTEST = 3  # letters of a sender ID that a truncating centre leaves at least


def matched_by_id_only(connection: Connection, arrived: Sequence[Receipt]) -> frozenset[int]:
    """Return the indexes of receipts that may be matched by id only, never by phone."""
    foreign = {nth for nth, receipt in enumerate(arrived) if receipt.by_id_only}
    names = {receipt.sender for receipt in arrived} - {""}
    if names:
        raw: Any = connection.connection.driver_connection
        own = {_plain(name) for (name,) in raw.execute(_SENDERS).fetchall()}
        others = {name for name in names if not any(_alike(_plain(name), each) for each in own)}
        foreign |= {nth for nth, receipt in enumerate(arrived) if receipt.sender in others}
    return frozenset(foreign)


@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    """Keep letters and digits only: centres change the case of a sender ID and drop its blanks."""
    return "".join(filter(str.isalnum, name.casefold()))


def _alike(sender: str, other: str) -> bool:
    """Compare two sender IDs, of which one may be cut at its end."""
    short, long = sorted((sender, other), key=len)
    return short == long or (len(short) >= _SHORTEST and long.startswith(short))


_AT_ONCE = 500
_OPEN = (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)
_TAKEN = (*_OPEN, DeliveryState.UNDELIVERED, DeliveryState.EXPIRED, *RECEIVED)


JournalRows = Mapping[DeliveryKey, Sequence[Any]]  # rows of the journal


class MatchQuery(NamedTuple):
    """A receipt to match: by the delivery it is known to be about, or by group and phone.

    to_come: from which time on a message counts as sent before the clock was set back, see `ReceiptRow`.
    """

    nth: int
    about: DeliveryKey | None
    said: ReceiptRow
    to_come: int


def find_whole(
    engine: Engine, connection: Connection, queries: Sequence[MatchQuery], ruled_out: Collection[int] = ()
) -> list[MatchedDelivery]:
    """Lock and return the deliveries these receipts refer to, as a whole or by the parts they name.

    ruled_out: campaigns whose messages all bear ids, and none of these receipts.
    """
    known = [(each.nth, each.about) for each in queries if each.about is not None]
    found = list(_by_key(connection, known))
    groups: defaultdict[int, list[MatchQuery]] = defaultdict(list)
    for each in queries:
        if each.about is None and each.said.phone is not None:
            groups[each.said.group_id].append(each)
    for group_id, some in groups.items():
        found += _by_phone(engine, connection, group_id, some, ruled_out)
    return found


def recent_campaigns(
    connection: Connection, receipts: Sequence[ReceiptRow], snapshot: Snapshot
) -> Sequence[int]:
    """Return the campaigns of recent days, which nearly all receipts are about."""
    if snapshot.open is not None:
        return snapshot.open
    groups: defaultdict[int, list[ReceiptRow]] = defaultdict(list)
    for one in receipts:
        groups[one.group_id].append(one)
    found: set[int] = set()
    for group_id, some in groups.items():
        to_come = min(one.to_come(snapshot.now) for one in some)
        found.update(_campaigns(connection, group_id, some, to_come))
    return sorted(found)


def _by_phone(
    engine: Engine,
    connection: Connection,
    group_id: int,
    queries: Sequence[MatchQuery],
    ruled_out: Collection[int],
) -> Iterable[MatchedDelivery]:
    rows: defaultdict[int, list[Any]] = defaultdict(list)
    d, phones = deliveries.c, sorted({each.said.phone for each in queries if each.said.phone is not None})
    of_group = select(links.c.id).where(links.c.group_id == group_id)
    earliest_to_come = min(each.to_come for each in queries)
    said = [each.said for each in queries]
    campaign_ids = _campaigns(connection, group_id, said, earliest_to_come)
    plain = {each.said.phone or 0 for each in queries if each.said.reference is None}
    named = [
        (each.said.phone or 0, each.said.reference) for each in queries if each.said.reference is not None
    ]
    bearing = Named({phone for phone, _ in named}, {reference for _, reference in named}, ruled_out)
    for campaign_id in engine.that_have(connection, campaign_ids, plain, bearing):
        for some in _slices(phones):
            own = _numbers(connection, campaign_id, some), d.link_id.in_(of_group)
            for row in _locked(connection, campaign_id, *own):
                rows[row.phone].append(row)
    doubted: list[tuple[MatchQuery, Any]] = []
    journal = _journal_rows(connection, [row for mine in rows.values() if len(mine) > 1 for row in mine])
    chosen = {each.nth: _only(each, rows.get(each.said.phone or 0, ()), journal) for each in queries}
    unknown = [row.phone for row in chosen.values() if row is not None and row.state == DeliveryState.UNKNOWN]
    others = other_sendings(connection, group_id, campaign_ids, unknown) if unknown else {}
    for each in queries:
        row = chosen[each.nth]
        if row is not None:
            if not may_be_about_another(each.said, _key(row), others.get(row.phone, ())):
                yield _hit(each.nth, row)
        elif each.said.reference is not None:
            doubted += [(each, one) for one in rows.get(each.said.phone or 0, ()) if one.named]
    yield from _parts(connection, doubted)


def _by_key(connection: Connection, keys: Sequence[tuple[int, DeliveryKey]]) -> Iterable[MatchedDelivery]:
    batches: defaultdict[tuple[int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for nth, key in keys:
        batches[key.campaign_id, key.batch_id][key.seq].append(nth)
    d = deliveries.c
    for (campaign_id, batch_id), seqs in sorted(batches.items()):
        for some in _slices(sorted(seqs)):
            own = (d.campaign_id == campaign_id, d.batch_id == batch_id, d.seq.in_(some))
            for row in _locked(connection, campaign_id, *own):
                yield from (_hit(nth, row) for nth in seqs[row.seq])


class OtherSending(NamedTuple):
    """A delivery that may be going out at this moment, so that its id is not known, sent after `after`."""

    key: DeliveryKey
    after: int


def other_sendings(
    connection: Connection, group_id: int, campaign_ids: Sequence[int], phones: Sequence[int]
) -> dict[int, list[OtherSending]]:
    """Return by number what else an unknown id may name, beside the deliveries that are listed as unknown.

    That is what is reserved and has no recorded answer: on its way just now, or of a holder that died and
    whose lease goes on.
    """
    d = deliveries.c
    reserved = _reserved(select(links.c.id).where(links.c.group_id == group_id))
    columns = (d.phone, d.campaign_id, d.batch_id, d.seq, sent_after(d).label("sent_after"))
    found: defaultdict[int, list[OtherSending]] = defaultdict(list)
    for campaign_id in campaign_ids:
        for some in _slices(sorted(set(phones))):
            query = select(*columns).where(_numbers(connection, campaign_id, some), reserved.is_not(None))
            for row in connection.execute(query):
                found[row.phone].append(OtherSending(_key(row), row.sent_after))
    return found


def _reserved(of_group: Select[int]) -> ScalarSelect[int]:
    """Return an expression that is 1 for a delivery that is reserved without a recorded answer, else NULL.

    A chunk that nobody holds has lost its link.
    """
    c, d = chunks.c, deliveries.c
    over = or_(c.link_id.is_(None), c.link_id.in_(of_group))
    mine = and_(d.state == DeliveryState.QUEUED, c.watermark >= d.seq, c.pass_no > d.attempts, over)
    held = select(case((and_(mine, c.state < ChunkState.DONE), 1))).correlate(deliveries)
    held = held.where(c.campaign_id == d.campaign_id, c.batch_id == d.batch_id, c.first_seq <= d.seq)
    return held.where(c.last_seq >= d.seq).order_by(c.first_seq.desc()).limit(1).scalar_subquery()


def may_be_about_another(receipt: ReceiptRow, key: DeliveryKey, others: Sequence[OtherSending]) -> bool:
    """Return whether the receipt may as well be about another delivery than this unknown one.

    The time that a carrier states excludes none that is on its way: its clock or zone may be wrong.
    """
    latest = receipt.received_at + RECORDED_MS
    return any(each.key != key and each.after <= latest for each in others)


def _key(row: Any) -> DeliveryKey:
    return DeliveryKey(row.campaign_id, row.batch_id, row.seq)


def _parts(connection: Connection, doubted: Sequence[tuple[MatchQuery, Any]]) -> Iterable[MatchedDelivery]:
    """Yield the parts that bear the receipts' references; too many other messages share those references."""
    s = submissions.c
    batches: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for _, row in doubted:
        batches[row.campaign_id, row.batch_id].add(row.seq)
    references = sorted({each.said.reference or "" for each, _ in doubted})
    named: defaultdict[tuple[DeliveryKey, str], list[Any]] = defaultdict(list)
    for (campaign_id, batch_id), seqs in batches.items():
        for some in _slices(sorted(seqs)):
            own = (s.campaign_id == campaign_id, s.batch_id == batch_id, s.seq.in_(some))
            columns = (s.seq, s.reference, s.at, s.part, s.attempt, s.result)
            for found in connection.execute(select(*columns).where(*own, s.reference.in_(references))):
                named[DeliveryKey(campaign_id, batch_id, found.seq), found.reference].append(found)
    for each, row in doubted:
        earliest, latest = each.said.window
        whole = _hit(each.nth, row)
        for found in named.get((whole.key, each.said.reference or ""), ()):
            if earliest <= found.at <= latest or found.at > each.to_come:
                part = {"at": found.at, "part": found.part, "attempt": found.attempt}
                yield whole._replace(**part, result=found.result)


def _numbers(connection: Connection, campaign_id: int, phones: Sequence[int]) -> ColumnElement[bool]:
    """Restrict to these numbers of the campaign, in the form that uses the unique index on both."""
    d = deliveries.c
    if connection.dialect.name == "sqlite":
        # Without statistics SQLite would scan the primary key through the whole campaign.
        return tuple_(d.campaign_id, d.phone).in_([(campaign_id, phone) for phone in phones])
    return and_(d.campaign_id == campaign_id, d.phone.in_(phones))


def _campaigns(
    connection: Connection, group_id: int, receipts: Sequence[ReceiptRow], to_come: int
) -> Sequence[int]:
    """Return campaigns sent over these links that had begun by then and had not ended long before."""
    earliest, latest = min(each.made for each in receipts), max(each.sure for each in receipts)
    r = runs.c
    lately = or_(r.ended_at.is_(None), r.ended_at >= earliest - VALIDITY_MS)
    begun = or_(r.started_at.is_(None), r.started_at <= latest, r.started_at > to_come)
    own = and_(links.c.carrier == r.carrier, links.c.group_id == group_id)
    query = select(r.campaign_id).join(links, own).where(r.state != RunState.PLANNED.value, lately, begun)
    return connection.execute(query.distinct().order_by(r.campaign_id)).scalars().all()


def _locked(connection: Connection, campaign_id: int, *where: ColumnElement[bool]) -> list[Any]:
    """Lock and return deliveries that carriers have or may have, in key order.

    What other tables say of them is read when they are locked: a statement that waits for a lock goes on to
    see those tables as they were before.
    """
    d, s, u = deliveries.c, submissions.c, unknowns.c
    keys, here = (d.campaign_id, d.batch_id, d.seq), (*where, d.state.in_(_TAKEN))
    lock = select(*keys).where(*here).order_by(*keys).with_for_update(key_share=True)
    locked = {DeliveryKey(*row) for row in connection.execute(lock)}
    # By its number: else PostgreSQL would plan for the submissions of all campaigns.
    own = and_(s.campaign_id == campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    named = exists().where(own, s.reference.is_not(None)).label("named")
    submitted = exists().where(own, s.result.in_(TAKEN)).label("submitted")
    listed = and_(u.campaign_id == d.campaign_id, u.batch_id == d.batch_id, u.seq == d.seq)
    unknown = d.state == DeliveryState.UNKNOWN
    since = case((unknown, select(u.since).where(listed).scalar_subquery())).label("since")
    after = case((unknown, sent_after(d))).label("sent_after")
    query = select(deliveries, named, submitted, since, after).where(*here).order_by(*keys)
    return [row for row in connection.execute(query) if _key(row) in locked] if locked else []


def sent_after(delivery: Any) -> ColumnElement[int]:
    """Return an expression for the earliest time a delivery can have been sent.

    That is when its chunk was first claimed, else when its run started.
    """
    c = chunks.c
    mine = (c.campaign_id == delivery.campaign_id, c.batch_id == delivery.batch_id)
    holding = (
        select(c.taken_at)
        .where(*mine, c.first_seq <= delivery.seq, c.last_seq >= delivery.seq)
        .correlate(delivery.seq.table)
    )
    taken = holding.order_by(c.first_seq.desc()).limit(1).scalar_subquery()
    begun = (
        select(runs.c.started_at)
        .where(runs.c.id == delivery.run_id)
        .correlate(delivery.seq.table)
        .scalar_subquery()
    )
    return func.coalesce(taken, begun, 0)


def _journal_rows(connection: Connection, rows: Sequence[Any]) -> JournalRows:
    """Return what receipts have told of these deliveries."""
    r, found = receipts.c, defaultdict[DeliveryKey, list[Any]](list)
    batches: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for row in rows:
        batches[row.campaign_id, row.batch_id].add(row.seq)
    for (campaign_id, batch_id), seqs in sorted(batches.items()):
        for some in _slices(sorted(seqs)):
            own = (r.campaign_id == campaign_id, r.batch_id == batch_id, r.seq.in_(some))
            for one in connection.execute(select(r.seq, r.status, r.done_at, r.received_at).where(*own)):
                found[DeliveryKey(campaign_id, batch_id, one.seq)].append(one)
    return found


def _only(query: MatchQuery, rows: Sequence[Any], journal: JournalRows) -> Any:
    """Return the only possible delivery. If the receipt states its time, those still open go first.

    Unless a receipt of the same moment is known of one: then this is that one once more, without its id. It
    says nothing of other messages, nor of the other parts of a message that waits for them.
    """
    one = query.said
    near = [row for row in rows if _fits(one, row, query.to_come)]
    if len(near) > 1 and one.stated:
        if again := [row for row in near if _statuses(one, row, journal)]:
            whole = again[0].state not in _OPEN or again[0].segments == 1
            sure = len(again) == 1 and one.status in _statuses(one, again[0], journal) and whole
            return again[0] if sure else None
        near = [row for row in near if row.state in _OPEN]
    return near[0] if len(near) == 1 else None


def _statuses(receipt: ReceiptRow, row: Any, journal: JournalRows) -> set[str]:
    """Return what receipts that state the same moment have said of the delivery."""
    key = DeliveryKey(row.campaign_id, row.batch_id, row.seq)
    return {each.status for each in journal.get(key, ()) if _same_moment(receipt, each)}


def _same_moment(receipt: ReceiptRow, other: Any) -> bool:
    """Return whether two receipts state one time, one yet to come being kept as that of its arrival."""
    if receipt.done_at is None or other.done_at is None:
        return False
    early, late = sorted((receipt, other), key=lambda item: int(item.done_at))
    apart = int(late.done_at - early.done_at)
    return apart == 0 or (early.done_at == early.received_at and apart <= CLOCKS_MS)


def _fits(receipt: ReceiptRow, row: Any, to_come: int) -> bool:
    unknown = row.state == DeliveryState.UNKNOWN
    if receipt.reference is not None and (row.named or unknown):
        return False  # a receipt with a reference settles an unknown delivery later: late_references.py
    if unknown:  # it became unknown later than it was sent
        noticed = row.since or row.submitted_at or receipt.received_at
        return receipt.about(row.sent_after, noticed)
    before = row.submitted_at or receipt.made
    return receipt.made - VALIDITY_MS <= before <= receipt.sure or before > to_come


def _hit(nth: int, row: Any) -> MatchedDelivery:
    return MatchedDelivery(
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
