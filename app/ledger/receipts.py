"""Apply receipts, in any order. Matched receipts update their delivery; the others wait in quarantine.

A receipt is matched to the delivery it is known to be about, else by its reference (the newest message that
fits its time), else by its phone if only one delivery is possible (receipt_matching.py). Later tries may also
learn its reference for an unknown delivery (late_references.py). The SQL is in
engines/sqlite.py and engines/pg_receipts.py. What else writes a delivery's state: the table of that name in
docs/architecture.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from app.core.clock import DAY_MS
from app.core.states import DeliveryState, DeliveryStatus, apply_receipt
from app.database.models import late_failures, quarantine, receipts, state_events, submissions
from app.ledger.contract import JUDGED_MS, Applied, Arrival, DeliveryKey, ResultKind, StateEvent
from app.ledger.engine_base import (
    RECEIPT_COLUMNS,
    SUBMISSION,
    WHOLE,
    MatchedDelivery,
    Row,
    Snapshot,
    SubmissionQuery,
)
from app.ledger.late_references import DeliveryPart, LateReferences
from app.ledger.receipt_candidates import choose, is_latest, repeated, submission_query
from app.ledger.receipt_matching import MatchQuery, matched_by_id_only
from app.ledger.receipt_times import ReceiptRow, said, storable
from app.ledger.tallies import Changes
from app.ledger.unknown_outcomes import remove_unknown
from carriers.contract import ReceiptLevel, ReceiptStatus

_FIRST_LOOK_MS = 1000
_SLOWEST_LOOK_MS = 3_600_000
# After these tries, about a day, pauses grow again, up to a day: whatever can help wakes a receipt itself.
_PATIENT_TRIES = 36
# These tries span over an hour; a message that is recorded late is recorded by then.
_LATE_TRIES = 12
_ON_ITS_WAY = ReceiptStatus.IN_TRANSIT.value
_AT_ONCE = 500
_FAILED = (DeliveryState.UNDELIVERED, DeliveryState.EXPIRED)
_TOGETHER_MS = 200


@dataclass(slots=True)
class _Update:
    """A delivery's state while a group of receipts is applied to it."""

    hit: MatchedDelivery
    standing: DeliveryStatus
    done_at: int | None


class _History(NamedTuple):
    """When a delivery was requeued according to the journals, and which parts are in transit since."""

    requeued_at: int = 0
    on_way: int = 0


_NO_HISTORY = _History()


class _Flags(NamedTuple):
    """Indexes of receipts that come late, and of those that may be matched by id only."""

    late: frozenset[int] = frozenset()
    by_id: frozenset[int] = frozenset()


_NO_FLAGS = _Flags()


@dataclass(slots=True)
class _Outcome:
    """Result of a pass: journal rows, the deliveries they move, and the indexes left unmatched."""

    moving: dict[DeliveryKey, _Update] = field(default_factory=dict)
    journal: list[Row] = field(default_factory=list)
    learnt: list[Row] = field(default_factory=list)  # submissions known only from a receipt
    matched_at: int | None = None  # for receipts from quarantine: when their delivery was found
    left: list[int] = field(default_factory=list)
    applied: Applied = field(default_factory=Applied)


class ReceiptOperations(LateReferences):
    def apply(self, connection: Connection, arrivals: Sequence[Arrival]) -> Applied:
        snapshot = self.snapshot(connection)
        now = snapshot.now
        items = [_with_current_group(said(arrival, now), snapshot) for arrival in arrivals]
        about = {nth: arrival.about for nth, arrival in enumerate(arrivals)}
        by_id = matched_by_id_only(connection, [arrival.receipt for arrival in arrivals])
        outcome = self._match_and_apply(connection, items, snapshot, about, some=_Flags(by_id=by_id))
        outcome.applied.quarantined = len(outcome.left)
        # Stored without its phone, so that no later try matches it to an unknown message either.
        kept = [items[nth]._replace(phone=None) if nth in by_id else items[nth] for nth in outcome.left]
        rows = [(0, now + _FIRST_LOOK_MS, *one) for one in kept]
        if rows:
            self.append(connection, quarantine, ("tries", "try_at", *RECEIPT_COLUMNS), rows)
        return outcome.applied

    def set_aside(self, connection: Connection, arrivals: Sequence[Arrival], pause_ms: int) -> None:
        now = self.now_ms(connection)
        rows = [(1, now + pause_ms, *storable(arrival, now)) for arrival in arrivals]
        self.append(connection, quarantine, ("tries", "try_at", *RECEIPT_COLUMNS), rows)

    def rematch(self, connection: Connection, limit: int, only: Sequence[int] = ()) -> Applied:
        column, values = ("id", only) if only else ("try_at", [self.now_ms(connection)])
        waiting = self.take_quarantined(connection, column, values, limit)
        return self._retry(connection, waiting, self.snapshot(connection)) if waiting else Applied()

    def rematch_references(self, connection: Connection, references: Sequence[str]) -> None:
        """Apply quarantined receipts that arrived before these references were recorded."""
        early = self.take_quarantined(connection, "reference", references, _AT_ONCE)
        if early:
            self._retry(connection, early, self.snapshot(connection))

    def _retry(self, connection: Connection, waiting: Sequence[Row], snapshot: Snapshot) -> Applied:
        """Apply what can be matched now; each failed try doubles the pause before the next."""
        items = [_with_current_group(ReceiptRow(*row[2:]), snapshot) for row in waiting]
        late = frozenset(index for index, row in enumerate(waiting) if row[1] >= _LATE_TRIES)
        outcome = self._match_and_apply(
            connection, items, snapshot, matched_at=snapshot.now, some=_Flags(late)
        )
        # Only after one failed try: the submission of an early receipt may be about to be recorded.
        by_phone = [index for index in outcome.left if waiting[index][1] >= 1]
        learnt = self.learn(connection, [items[index] for index in by_phone], snapshot)
        found = self._apply_learnt(connection, items, snapshot, {by_phone[n]: at for n, at in learnt.items()})
        left = [index for index in outcome.left if index not in found]
        self._delete_quarantined(
            connection, [waiting[index][0] for index in set(range(len(waiting))).difference(left)]
        )
        self._postpone(connection, [waiting[index] for index in left], snapshot.now)
        outcome.applied.matched += len(found)
        outcome.applied.quarantined = len(left)
        return outcome.applied

    def _apply_learnt(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        places: Mapping[int, DeliveryPart],
    ) -> set[int]:
        if not places:
            return set()
        some = sorted(places)
        own = {nth: places[index] for nth, index in enumerate(some)}
        outcome = self._match_and_apply(
            connection, [items[index] for index in some], snapshot, own, self.now_ms(connection)
        )
        return {index for nth, index in enumerate(some) if nth not in outcome.left}

    def _delete_quarantined(self, connection: Connection, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), _AT_ONCE):
            some = quarantine.c.id.in_(ids[start : start + _AT_ONCE])
            connection.execute(delete(quarantine).where(some))

    def _postpone(self, connection: Connection, rows: Sequence[Row], now: int) -> None:
        later: defaultdict[int, list[int]] = defaultdict(list)
        for row in rows:
            later[row[1]].append(row[0])
        for tries, ids in later.items():
            values = {"tries": min(tries + 1, 30_000), "try_at": now + _pause(tries)}
            for start in range(0, len(ids), _AT_ONCE):
                some = quarantine.c.id.in_(ids[start : start + _AT_ONCE])
                connection.execute(update(quarantine).where(some).values(values))

    def _match_and_apply(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        about: Mapping[int, DeliveryKey | DeliveryPart | None] | None = None,
        matched_at: int | None = None,
        *,
        some: _Flags = _NO_FLAGS,
    ) -> _Outcome:
        """Match receipts, by reference first, compute the new delivery states, and write them."""
        known = {nth: one for nth, one in (about or {}).items() if one is not None}
        hits = self._by_reference(connection, items, snapshot, known, some.late)
        left = [nth for nth in range(len(items)) if nth not in hits and nth not in some.by_id - known.keys()]
        hits |= self._by_delivery_or_phone(connection, items, snapshot, known, left)
        past = self._read_history(connection, items, snapshot, hits, known.keys())
        outcome = _Outcome(matched_at=matched_at)
        for index, one in enumerate(items):
            found = hits.get(index)
            if not found or found[0].campaign_id in snapshot.closed:
                outcome.left.append(index)
            else:
                _apply_one(outcome, one, found, past.get(found[0].key, _NO_HISTORY))
        self._write(connection, outcome, snapshot.now)
        return outcome

    def _by_reference(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        known: Mapping[int, object],
        late: frozenset[int],
    ) -> dict[int, list[MatchedDelivery]]:
        """Find the newest message that each reference can mean; carriers reuse their ids.

        Recent campaigns are searched first: nearly all receipts are theirs, and each other one costs as much.
        What is not searched at all has no message late enough to change the choice.
        """
        asked = {
            nth: submission_query(one, nth in late, snapshot.now)
            for nth, one in enumerate(items)
            if nth not in known
        }
        shared = repeated(items)
        left = [nth for nth, one in asked.items() if one is not None and one.reference not in shared]
        best: dict[int, list[MatchedDelivery]] = {}
        for within, elsewhere in snapshot.rounds():
            if within is None:
                left = [nth for nth in left if (one := asked[nth]) and one.earliest <= snapshot.past]
            wanted = [one for nth in left if (one := asked[nth]) is not None]
            hits: defaultdict[int, list[MatchedDelivery]] = defaultdict(list)
            for hit in self.find(connection, wanted, within) if wanted else ():
                hits[left[hit.nth]].append(hit)
            best |= {
                nth: found
                for nth, some in hits.items()
                if (found := choose(items[nth], some, snapshot.now))
                and (not elsewhere or is_latest(items[nth], found[0], elsewhere))
            }
            left = [nth for nth in left if nth not in best]
        return best | self._by_shared_reference(connection, items, snapshot, asked, shared)

    def _by_shared_reference(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        asked: Mapping[int, SubmissionQuery | None],
        shared: Collection[str],
    ) -> dict[int, list[MatchedDelivery]]:
        """Find the messages in recent campaigns by phone, where many messages bear the reference."""
        some = {
            nth: one
            for nth, one in asked.items()
            if one and one.reference in shared and one.phone is not None
        }
        hits: defaultdict[int, list[MatchedDelivery]] = defaultdict(list)
        within = self.recent_campaigns(connection, [items[nth] for nth in some], snapshot) if some else ()
        wanted = list(some)
        for hit in self.find_of_phone(connection, list(some.values()), within) if within else ():
            hits[wanted[hit.nth]].append(hit)
        return {nth: found for nth, mine in hits.items() if (found := choose(items[nth], mine, snapshot.now))}

    def _by_delivery_or_phone(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        known: Mapping[int, DeliveryKey | DeliveryPart],
        left: Iterable[int],
    ) -> dict[int, list[MatchedDelivery]]:
        places = {nth: one for nth, one in known.items() if isinstance(one, DeliveryPart)}
        keys = {nth: one.key if isinstance(one, DeliveryPart) else one for nth, one in known.items()}
        found: defaultdict[int, list[MatchedDelivery]] = defaultdict(list)
        wanted = [
            MatchQuery(nth, keys.get(nth), items[nth], items[nth].to_come(snapshot.now)) for nth in left
        ]
        for hit in self.find_whole(connection, wanted):
            part = places[hit.nth].part if hit.nth in places else hit.part
            found[hit.nth].append(hit._replace(part=part))
        chosen = {
            nth: hits if hits[0].part == WHOLE or nth in known else choose(items[nth], hits, snapshot.now)
            for nth, hits in found.items()
        }
        return {nth: hits for nth, hits in chosen.items() if hits}

    def _read_history(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        hits: Mapping[int, Sequence[MatchedDelivery]],
        known: Collection[int],
    ) -> dict[DeliveryKey, _History]:
        """Read the journals for those few deliveries that need more than their receipts say."""
        found: dict[DeliveryKey, _History] = {}
        for nth, (hit, *_) in hits.items():
            # A refusal that was mended leaves no reference behind, so only a match by phone can mean it.
            by_phone = hit.part == WHOLE and nth not in known and items[nth].stated
            again = hit.resends or hit.state == 0 or by_phone
            again = again and items[nth].status != ReceiptStatus.DELIVERED.value
            partly = items[nth].status == _ON_ITS_WAY and hit.parts > 1 and hit.state == DeliveryState.UNKNOWN
            if (again or partly) and hit.key not in found:
                requeued_at = _requeued_at(connection, hit.key)
                if hit.at <= snapshot.now < requeued_at:  # the clock was set back in between
                    requeued_at = 0
                found[hit.key] = _History(requeued_at, _on_way(connection, hit.key, requeued_at))
        return found

    def _write(self, connection: Connection, outcome: _Outcome, now: int) -> None:
        changes, rows, known = Changes(), [], []
        for key, moving in outcome.moving.items():
            hit, new = moving.hit, moving.standing
            new = new._replace(on_way=0) if new.on_way else new
            if new == hit.standing() and moving.done_at == hit.done_at:
                continue
            hit.require_only_added(new)
            masks = (new.delivered, new.relayed, new.failed)
            rows.append((*key, int(new.state), int(new.reason), *masks, moving.done_at))
            where = (hit.campaign_id, hit.run_id, hit.batch_id, hit.area)
            changes.move(where, (hit.state, hit.reason), (new.state, new.reason), hit.segments)
            if hit.state == DeliveryState.UNKNOWN != new.state:
                known.append(key)
        self.write_applied(connection, rows, changes.rows(), outcome.journal)
        self.add_missing(
            connection, late_failures, ("run_id", "sent_at", "n"), _failures(outcome.moving.values(), now)
        )
        remove_unknown(connection, known)
        self.add_missing(connection, submissions, SUBMISSION, outcome.learnt)


def _failures(moving: Iterable[_Update], now: int) -> list[Row]:
    """Count by run and time of the sending what has failed, or failed no more; not what is long sent."""
    found: defaultdict[tuple[int, int], int] = defaultdict(int)
    for each in moving:
        sent_at, failed = each.hit.submitted_at or 0, each.standing.state in _FAILED
        if sent_at > now - JUDGED_MS and failed != (each.hit.state in _FAILED):
            found[each.hit.run_id, (sent_at // _TOGETHER_MS + 1) * _TOGETHER_MS] += 1 if failed else -1
    return [(*key, n) for key, n in found.items() if n]


def _with_current_group(one: ReceiptRow, snapshot: Snapshot) -> ReceiptRow:
    """Use the receipt group its link is in now: groups change, and links are renamed."""
    group = snapshot.groups.get(one.link_id, one.group_id)
    return one if group == one.group_id else one._replace(group_id=group)


def _pause(tries: int) -> int:
    if tries < _PATIENT_TRIES:
        return min(_FIRST_LOOK_MS << min(tries, 20), _SLOWEST_LOOK_MS)
    return min(_SLOWEST_LOOK_MS << min(tries - _PATIENT_TRIES, 5), DAY_MS)


def _requeued_at(connection: Connection, key: DeliveryKey) -> int:
    t = state_events.c
    own = (t.campaign_id == key.campaign_id, t.batch_id == key.batch_id, t.seq == key.seq)
    query = select(func.max(t.at)).where(*own, t.kind == int(StateEvent.REQUEUED))
    return connection.execute(query).scalar() or 0


def _on_way(connection: Connection, key: DeliveryKey, since: int) -> int:
    """Return a bit mask of the parts that receipts of this sending reported as in transit."""
    r = receipts.c
    own = (r.campaign_id == key.campaign_id, r.batch_id == key.batch_id, r.seq == key.seq)
    query = select(r.part).where(*own, r.status == _ON_ITS_WAY, r.changed, r.received_at >= since)
    return sum(1 << part for part in set(connection.execute(query).scalars()))


def _apply_one(outcome: _Outcome, one: ReceiptRow, hits: Sequence[MatchedDelivery], past: _History) -> None:
    hit = hits[0]
    moving = outcome.moving.get(hit.key)
    if moving is None:
        moving = outcome.moving[hit.key] = _Update(hit, hit.standing(past.on_way), hit.done_at)
    old = new = moving.standing
    status, level = ReceiptStatus(one.status), ReceiptLevel(one.level)
    spoken_of = range(hit.parts) if hit.part == WHOLE else [each.part for each in hits]
    # Unless it was delivered, the earlier sending of a requeued message says nothing of the present one.
    # Which sending a receipt without a reference means, only the time that it states can tell.
    by_time = hit.at < past.requeued_at if hit.part != WHOLE else one.stated and one.made < past.requeued_at
    over = by_time and status is not ReceiptStatus.DELIVERED
    for part in () if over else spoken_of:
        new = apply_receipt(new, part, status, level, one.reason)
    moving.standing, changed = new, new != old
    if changed:
        moving.done_at = max(moving.done_at or 0, one.done_at or one.received_at)
    _count(outcome.applied, one, hit, (old, new))
    outcome.journal += [(*hit.key, part, changed, *one, outcome.matched_at) for part in spoken_of]
    if changed and not hit.submitted:
        at = outcome.matched_at or one.received_at
        settled = (at, one.link_id, one.group_id, int(ResultKind.SETTLED), None, None, None)
        outcome.learnt.append((*hit.key, 0, 0, *settled))


def _count(
    applied: Applied, one: ReceiptRow, hit: MatchedDelivery, moved: tuple[DeliveryStatus, DeliveryStatus]
) -> None:
    old, new = moved
    applied.matched += 1
    if new == old:
        applied.repeated += 1
        return
    applied.changed += 1
    if hit.submitted_at and new.state != old.state:
        applied.latencies.append(max(0, one.received_at - hit.submitted_at) / 1000)
