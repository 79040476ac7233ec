"""Learn references from receipts for unknown deliveries, and number the parts of late answers by them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select, update

from app.core.states import DeliveryState, kept_reason
from app.database.models import deliveries, links, receipts, runs, submissions, unknowns
from app.ledger.contract import (
    EVER,
    SUBMISSION,
    ChunkLease,
    DeliveryKey,
    Engine,
    ResultKind,
    Snapshot,
    SubmissionQuery,
    SubmitOutcome,
)
from app.ledger.receipt_matching import (
    OtherSending,
    ReceiptRow,
    may_be_about_another,
    other_sendings,
    recent_campaigns,
    sent_after,
)
from app.ledger.tallies import Changes
from app.ledger.unknown_outcomes import remove_unknown
from carriers.contract import Accepted, Partial, References

_TOGETHER_MS = 60_000  # receipts of one minute have one offset
_LEARNT = 0  # the attempt of learnt references: carriers' answers have those from 1 up


class DeliveryPart(NamedTuple):
    """The part of a delivery that a receipt refers to."""

    key: DeliveryKey
    part: int


def learn(
    engine: Engine, connection: Connection, receipts: Sequence[ReceiptRow], snapshot: Snapshot
) -> dict[int, DeliveryPart]:
    """Record the references of these receipts; return their delivery parts by index in `receipts`.

    A receipt that arrives twice names one part, not two. A delivery whose parts all have references
    learns no further one.
    """
    found: dict[int, DeliveryPart] = {}
    listed = _listed(connection, [one.phone for one in receipts if one.phone is not None])
    receipts = _in_time(connection, receipts, listed)
    meant = {
        index: _meant(one, listed.get(one.phone or 0, ()), snapshot) for index, one in enumerate(receipts)
    }
    keys = {index: key for index, key in meant.items() if key is not None}
    others = _other_sendings(connection, [receipts[index] for index in keys], snapshot)
    bearing = _bearing_reference(engine, connection, {index: receipts[index] for index in keys}, snapshot)
    for index, key in keys.items():
        one = receipts[index]
        if may_be_about_another(one, key, others.get((one.group_id, one.phone or 0), ())):
            continue
        if bearing[index] - {key}:
            continue
        place = _learn(engine, connection, key, one)
        if place is not None:
            found[index] = place
    return found


def _bearing_reference(
    engine: Engine, connection: Connection, receipts: Mapping[int, ReceiptRow], snapshot: Snapshot
) -> dict[int, set[DeliveryKey]]:
    """Return by index which deliveries to the receipt's number bear its reference, whenever sent.

    One that seems to be sent long after its receipt, by a clock that leapt ahead, is not matched by it;
    but neither is the reference another one's.
    """
    found: dict[int, set[DeliveryKey]] = {index: set() for index in receipts}
    indexes, rows = list(receipts), list(receipts.values())
    asked = [SubmissionQuery(one.group_id, one.reference or "", one.phone, 0, EVER) for one in rows]
    if asked:
        recent = recent_campaigns(connection, rows, snapshot)
        within = engine.bearing(connection, recent, {one.reference for one in asked})
        for hit in engine.find(connection, asked, within):
            found[indexes[hit.nth]].add(hit.key)
    return found


def _other_sendings(
    connection: Connection, receipts: Sequence[ReceiptRow], snapshot: Snapshot
) -> dict[tuple[int, int], list[OtherSending]]:
    """Return by account and number what else these receipts may mean."""
    found: dict[tuple[int, int], list[OtherSending]] = {}
    for group_id in {one.group_id for one in receipts}:
        mine = [one for one in receipts if one.group_id == group_id]
        recent = recent_campaigns(connection, mine, snapshot)
        phones = [one.phone for one in mine if one.phone is not None]
        others = other_sendings(connection, group_id, recent, phones)
        found |= {(group_id, phone): some for phone, some in others.items()}
    return found


def _learn(
    engine: Engine, connection: Connection, key: DeliveryKey, receipt: ReceiptRow
) -> DeliveryPart | None:
    """Record the reference for the first part without one; a message with all of them was accepted."""
    d = deliveries.c
    own = (d.campaign_id == key.campaign_id, d.batch_id == key.batch_id, d.seq == key.seq)
    # Lock first: another process may be learning from the same receipts.
    locked = select(deliveries).where(*own, d.state.in_((DeliveryState.UNKNOWN, DeliveryState.SUBMITTED)))
    row = connection.execute(locked.with_for_update(key_share=True)).first()
    if row is None or receipt.reference is None:
        return None
    named = _named_parts(connection, key)
    if receipt.reference in named:
        return DeliveryPart(key, named[receipt.reference])
    free = sorted(set(range(row.parts)).difference(named.values()))
    if not free or row.state != DeliveryState.UNKNOWN:
        return None
    head = (*key, _LEARNT, free[0])
    taken = (engine.now_ms(connection), receipt.link_id, receipt.group_id, int(ResultKind.SETTLED))
    engine.add_missing(connection, submissions, SUBMISSION, [(*head, *taken, receipt.reference, "", None)])
    if len(free) == 1:
        _was_taken(engine, connection, row)
    return DeliveryPart(key, free[0])


def _was_taken(engine: Engine, connection: Connection, row: Any) -> None:
    key, d = DeliveryKey(row.campaign_id, row.batch_id, row.seq), deliveries.c
    own = (d.campaign_id == key.campaign_id, d.batch_id == key.batch_id, d.seq == key.seq)
    taken = {"state": DeliveryState.SUBMITTED, "reason": kept_reason(row.reason)}
    connection.execute(update(deliveries).where(*own).values(taken))
    changes, where = Changes(), (row.campaign_id, row.run_id, row.batch_id, row.area)
    changes.move(where, (row.state, row.reason), (taken["state"], taken["reason"]), row.segments)
    changes.write(connection, engine)
    remove_unknown(connection, [key])


def _listed(connection: Connection, phones: Sequence[int]) -> dict[int, list[Any]]:
    """Return the unknown deliveries to these numbers, with the earliest time each can have been sent."""
    u = unknowns.c
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for start in range(0, len(phones), 500):
        columns = (u.campaign_id, u.batch_id, u.seq, u.phone, u.link_id, u.since)
        query = select(*columns, sent_after(u).label("sent_after"))
        for row in connection.execute(query.where(u.phone.in_(phones[start : start + 500]))):
            found[row.phone].append(row)
    return found


def _in_time(
    connection: Connection, receipts: Sequence[ReceiptRow], listed: Mapping[int, Sequence[Any]]
) -> list[ReceiptRow]:
    """Return the receipts with the times that they mean, where their link states all of them too early."""
    known: dict[tuple[int, int, int], int | None] = {}
    found = []
    for one in receipts:
        campaigns = [row.campaign_id for row in listed.get(one.phone or 0, ())]
        if one.reference is None or not campaigns or shown_offset(one) is None:
            found.append(one)
            continue
        key = (one.link_id, max(campaigns), one.received_at // _TOGETHER_MS * _TOGETHER_MS)
        if key not in known:
            known[key] = learnt_offset(connection, *key)
        found.append(with_offset(one, known[key]))
    return found


def _meant(receipt: ReceiptRow, listed: Sequence[Any], snapshot: Snapshot) -> DeliveryKey | None:
    """Return the only delivery that the receipt can mean, judging by account and time."""
    if receipt.reference is None:
        return None
    near = [
        row
        for row in listed
        if snapshot.groups.get(row.link_id) == receipt.group_id and receipt.about(row.sent_after, row.since)
    ]
    if len(near) != 1 or near[0].campaign_id in snapshot.closed:
        return None
    return DeliveryKey(near[0].campaign_id, near[0].batch_id, near[0].seq)


def _named_parts(connection: Connection, key: DeliveryKey) -> dict[str, int]:
    """Return the delivery's parts by the references that are known of them."""
    s = submissions.c
    mine = (s.campaign_id == key.campaign_id, s.batch_id == key.batch_id, s.seq == key.seq)
    query = select(s.reference, s.part).where(*mine, s.reference.is_not(None))
    return {row.reference: row.part for row in connection.execute(query)}


# ---- Answers that come after receipts


def in_learnt_order(
    connection: Connection, lease: ChunkLease, outcomes: Sequence[SubmitOutcome]
) -> list[SubmitOutcome]:
    """Return late outcomes of locked deliveries, with the part numbers known from earlier receipts.

    A reference is learnt for the first part without one, whichever part the carrier means. Numbered in two
    ways, one part would pass for two: a message of which half has arrived would be called delivered.
    """
    several = [outcome.item.seq for outcome in outcomes if len(_references(outcome)) > 1]
    learnt = _learnt_parts(connection, lease, several)
    return [_renumbered(outcome, learnt.get(outcome.item.seq, {})) for outcome in outcomes]


def _references(outcome: SubmitOutcome) -> References:
    result = outcome.result
    return result.refs if isinstance(result, Accepted | Partial) else ()


def _learnt_parts(
    connection: Connection, lease: ChunkLease, seqs: Sequence[int]
) -> dict[int, dict[str, int]]:
    """Return by line the parts of its learnt references."""
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    if not seqs:
        return found
    s = submissions.c
    mine = (s.campaign_id == lease.campaign_id, s.batch_id == lease.batch_id, s.seq.in_(seqs))
    learnt = (s.result == int(ResultKind.SETTLED), s.reference.is_not(None))
    for row in connection.execute(select(s.seq, s.part, s.reference).where(*mine, *learnt)):
        found[row.seq][row.reference] = row.part
    return found


def _renumbered(outcome: SubmitOutcome, learnt: Mapping[str, int]) -> SubmitOutcome:
    """Move the references that are learnt to their parts; the others keep their order.

    References of None get the last free parts, if possible those of learnt references that the answer does
    not name. An answer that repeats a reference, or names no learnt one, stays as it is.
    """
    result, refs = outcome.result, _references(outcome)
    given = [reference for reference in refs if reference]
    inside = {reference: part for reference, part in learnt.items() if part < len(refs)}
    places = {nth: inside[reference] for nth, reference in enumerate(refs) if reference in inside}
    if not places or len(set(given)) < len(given):
        return outcome
    others = set(inside.values()) - set(places.values())
    free = sorted(set(range(len(refs))) - set(places.values()), key=lambda part: (part in others, part))
    rest = sorted(set(range(len(refs))) - set(places), key=lambda number: (not refs[number], number))
    places |= dict(zip(rest, free, strict=True))
    moved = tuple(refs[number] for number in sorted(places, key=lambda number: places[number]))
    if isinstance(result, Partial):
        refused = tuple(sorted(places[number] for number in result.refused))
        return outcome._replace(result=replace(result, refs=moved, refused=refused))
    return outcome._replace(result=Accepted(moved))


# ---- Times that a link states in another zone than its settings say

# A centre that stamps UTC where the link's receipt_zone says +07:00 states every event seven hours too early,
# so that no receipt fits the time of an unknown message. Only what is beyond doubt is learnt, from receipts
# that were matched by id: whole quarters of an hour, on which every receipt agrees that came soon after its
# message.
_STEP_MS = 900_000  # zones differ by whole quarters of an hour
_NEAR_MS = 300_000  # clocks and delays within this of a quarter leave no doubt which one it is
_MOST_MS = 14 * 3_600_000
_FEWEST = 20  # receipts that agree
_READ = 500  # before and after the moment
_SPAN_MS = 6 * 3_600_000  # so far from the moment: centres change their clocks


class _Sample(NamedTuple):
    """A receipt that its id has matched: when it came, the time that it states, when its message was sent."""

    received_at: int
    done_at: int
    submitted_at: int


def learnt_offset(connection: Connection, link_id: int, campaign_id: int, at_ms: int) -> int | None:
    """Return by how many ms the link stated its times too early around `at_ms`; None if that is not sure.

    From the receipts of one campaign: on PostgreSQL each has a table of its own.
    """
    return _offset([*_samples(connection, link_id, campaign_id, at_ms)])


def with_offset(receipt: ReceiptRow, early_ms: int | None) -> ReceiptRow:
    """Return the receipt with the true time of its event, where it shows the link's offset itself.

    One that came long after the time that it states is left as it is: the centre's clock may have been set.
    """
    if not early_ms or receipt.done_at is None or shown_offset(receipt) != early_ms:
        return receipt
    return receipt._replace(done_at=min(receipt.done_at + early_ms, receipt.received_at))


def shown_offset(receipt: ReceiptRow) -> int | None:
    """Return by how many ms the receipt itself seems to state its time too early; None if it does not."""
    if receipt.done_at is None or not receipt.stated:
        return None
    return _nearest(receipt.received_at - receipt.done_at) or None


def offsets_found(connection: Connection, now_ms: int) -> dict[int, int]:
    """Return by link by how many minutes its receipts state their times too early, where that is news."""
    k, r, news = links.c, runs.c, dict[int, int]()
    for link in connection.execute(select(k.id, k.carrier, k.receipts_early_min).where(k.left_at.is_(None))):
        newest = select(r.campaign_id).where(r.carrier == link.carrier, r.started_at.is_not(None))
        campaign_id = connection.execute(newest.order_by(r.started_at.desc()).limit(1)).scalar()
        early_ms = None if campaign_id is None else learnt_offset(connection, link.id, campaign_id, now_ms)
        if early_ms is not None and early_ms // 60_000 != (link.receipts_early_min or 0):
            news[link.id] = early_ms // 60_000
    return news


def note_offset(connection: Connection, link_id: int, minutes: int) -> None:
    row = update(links).where(links.c.id == link_id)
    connection.execute(row.values(receipts_early_min=minutes or None))


def _samples(connection: Connection, link_id: int, campaign_id: int, at_ms: int) -> Sequence[_Sample]:
    r, d = receipts.c, deliveries.c
    same = and_(d.campaign_id == r.campaign_id, d.batch_id == r.batch_id, d.seq == r.seq)
    query = select(r.received_at, r.done_at, d.submitted_at).join(deliveries, same)
    by_id = and_(r.reference.is_not(None), r.matched_at.is_(None))
    own = (r.campaign_id == campaign_id, r.link_id == link_id, by_id)
    query = query.where(*own, r.done_at.is_not(None), d.submitted_at.is_not(None)).limit(_READ)
    before = query.where(r.received_at <= at_ms, r.received_at > at_ms - _SPAN_MS)
    after = query.where(r.received_at > at_ms, r.received_at < at_ms + _SPAN_MS)
    rows = [
        *connection.execute(before.order_by(r.received_at.desc())).all(),
        *connection.execute(after.order_by(r.received_at)).all(),
    ]
    return [_Sample(*row) for row in rows]


def _offset(samples: Sequence[_Sample]) -> int | None:
    """Return the one offset that all of them have; None if they are few, or any of them has another."""
    soon = [each for each in samples if 0 <= each.received_at - each.submitted_at <= _NEAR_MS]
    found = {_nearest(each.received_at - each.done_at) for each in soon}
    early = found.pop() if len(found) == 1 else None
    if early is None or len(soon) < _FEWEST:
        return None
    agree = all(
        each.submitted_at - _NEAR_MS <= each.done_at + early <= each.received_at + _NEAR_MS
        for each in samples
    )
    return early if agree else None


def _nearest(apart_ms: int) -> int | None:
    """Return the whole quarters of an hour in this time; None if it is none of them, or too much."""
    quarters = round(apart_ms / _STEP_MS) * _STEP_MS
    return quarters if abs(apart_ms - quarters) <= _NEAR_MS and 0 <= quarters <= _MOST_MS else None
