"""Apply receipts, in any order. Matched receipts update their delivery; the others wait in quarantine.

A receipt is matched to the delivery it is known to be about, else by its reference (the newest message that
fits its time), else by its phone if only one delivery is possible (receipt_matching.py). Later tries may also
learn its reference for an unknown delivery (late_references.py). A repeated receipt is kept and changes
nothing: `apply_receipt` in app/core/states.py. The SQL is in engines/. What else writes a delivery's state:
the table of that name in docs/ledger.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from app.core.clock import DAY_MS
from app.core.states import DeliveryState, DeliveryStatus, apply_receipt
from app.database.models import late_failures, quarantine, receipts, submissions
from app.ledger.contract import (
    JUDGED_MS,
    RECEIPT_COLUMNS,
    SUBMISSION,
    WHOLE,
    Applied,
    Arrival,
    DeliveryKey,
    Engine,
    MatchedDelivery,
    ResultKind,
    Row,
    Snapshot,
    SubmissionQuery,
)
from app.ledger.late_references import DeliveryPart, learn
from app.ledger.receipt_matching import (
    MatchQuery,
    ReceiptRow,
    choose,
    find_whole,
    is_latest,
    matched_by_id_only,
    recent_campaigns,
    repeated,
    rows_of,
    storable,
    submission_query,
)
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


# Of a MatchedDelivery, [3:6] is its key and [12:18] what DeliveryStatus begins with.
class _Update(NamedTuple):
    """A delivery as found, and its DeliveryStatus and done_at while a group of receipts is applied to it."""

    hit: MatchedDelivery
    standing: Row
    done_at: int | None


class _Flags(NamedTuple):
    """Indexes of receipts that come late, and of those that may be matched by id only."""

    late: frozenset[int] = frozenset()
    by_id: frozenset[int] = frozenset()


_NO_FLAGS = _Flags()


@dataclass(slots=True)
class _Outcome:
    """Result of a pass: journal rows, the deliveries they move, and the indexes left unmatched."""

    moving: dict[Row, _Update] = field(default_factory=dict)  # by delivery
    journal: list[Row] = field(default_factory=list)
    learnt: list[Row] = field(default_factory=list)  # submissions known only from a receipt
    matched_at: int | None = None  # for receipts from quarantine: when their delivery was found
    left: list[int] = field(default_factory=list)
    applied: Applied = field(default_factory=Applied)


class Receipts:
    engine: Engine

    def apply(self, connection: Connection, arrivals: Sequence[Arrival]) -> Applied:
        """Write receipts: matched ones to the journal and their deliveries, others to quarantine.

        Match by reference (and phone, if both are given). Without a reference, match by phone if exactly one
        delivery is possible; such a receipt covers the whole message.
        """
        snapshot = self.engine.snapshot(connection)
        now = snapshot.now
        items = rows_of(arrivals, snapshot.groups, now)
        about = {nth: arrival.about for nth, arrival in enumerate(arrivals) if arrival.about is not None}
        by_id = matched_by_id_only(connection, [arrival.receipt for arrival in arrivals])
        outcome = self._match_and_apply(connection, items, snapshot, about, flags=_Flags(by_id=by_id))
        outcome.applied.quarantined = len(outcome.left)
        # Stored without its phone, so that no later try matches it to an unknown message either.
        kept = [items[nth]._replace(phone=None) if nth in by_id else items[nth] for nth in outcome.left]
        rows = [(0, now + _FIRST_LOOK_MS, *one) for one in kept]
        if rows:
            self.engine.append(connection, quarantine, ("tries", "try_at", *RECEIPT_COLUMNS), rows)
        return outcome.applied

    def set_aside(self, connection: Connection, arrivals: Sequence[Arrival], pause_ms: int) -> None:
        """Quarantine receipts that can't be applied; they are tried again after `pause_ms`."""
        now = self.engine.now_ms(connection)
        rows = [(1, now + pause_ms, *storable(arrival, now)) for arrival in arrivals]
        self.engine.append(connection, quarantine, ("tries", "try_at", *RECEIPT_COLUMNS), rows)

    def rematch(self, connection: Connection, limit: int, only: Sequence[int] = ()) -> Applied:
        """Retry quarantined receipts, due ones or `only` these ids: by reference or an unknown's phone."""
        column, values = ("id", only) if only else ("try_at", [self.engine.now_ms(connection)])
        waiting = self.engine.take_quarantined(connection, column, values, limit)
        return self._retry(connection, waiting, self.engine.snapshot(connection)) if waiting else Applied()

    def rematch_references(self, connection: Connection, references: Sequence[str]) -> None:
        """Apply quarantined receipts that arrived before these references were recorded."""
        early = self.engine.take_quarantined(connection, "reference", references, _AT_ONCE)
        if early:
            self._retry(connection, early, self.engine.snapshot(connection))

    def _retry(self, connection: Connection, waiting: Sequence[Row], snapshot: Snapshot) -> Applied:
        """Apply what can be matched now; each failed try doubles the pause before the next."""
        items = [_with_current_group(ReceiptRow(*row[2:]), snapshot) for row in waiting]
        late = frozenset(index for index, row in enumerate(waiting) if row[1] >= _LATE_TRIES)
        outcome = self._match_and_apply(
            connection, items, snapshot, matched_at=snapshot.now, flags=_Flags(late)
        )
        # Only after one failed try: the submission of an early receipt may be about to be recorded.
        by_phone = [index for index in outcome.left if waiting[index][1] >= 1]
        learnt = learn(self.engine, connection, [items[index] for index in by_phone], snapshot)
        found = self._apply_learnt(connection, items, snapshot, {by_phone[n]: at for n, at in learnt.items()})
        left = [index for index in outcome.left if index not in found]
        done = [waiting[index][0] for index in set(range(len(waiting))).difference(left)]
        for start in range(0, len(done), _AT_ONCE):
            some = quarantine.c.id.in_(done[start : start + _AT_ONCE])
            connection.execute(delete(quarantine).where(some))
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
            connection, [items[index] for index in some], snapshot, own, self.engine.now_ms(connection)
        )
        return {index for nth, index in enumerate(some) if nth not in outcome.left}

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
        about: Mapping[int, DeliveryKey | DeliveryPart] | None = None,
        matched_at: int | None = None,
        *,
        flags: _Flags = _NO_FLAGS,
    ) -> _Outcome:
        """Match receipts, by reference first, compute the new delivery states, and write them."""
        known = about or {}
        hits, ruled_out = self._by_reference(connection, items, snapshot, known, flags.late)
        if len(hits) < len(items):
            by_id = flags.by_id - known.keys()
            left = [nth for nth in range(len(items)) if nth not in hits and nth not in by_id]
            hits |= self._by_delivery_or_phone(connection, items, snapshot, known, left, ruled_out)
        on_way = _parts_on_way(connection, items, hits)
        outcome = _Outcome(matched_at=matched_at)
        for index, one in enumerate(items):
            found = hits.get(index)
            if not found or found[0].campaign_id in snapshot.closed:
                outcome.left.append(index)
            else:
                _apply_one(outcome, one, found, on_way)
        self._write(connection, outcome, snapshot.now)
        return outcome

    def _by_reference(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        named: Mapping[int, object],
        late: frozenset[int],
    ) -> tuple[dict[int, list[MatchedDelivery]], frozenset[int]]:
        """Find the newest message that each reference can mean; carriers reuse their ids.

        Recent campaigns are searched first: nearly all receipts are theirs, and each other one costs as much.
        What is not searched at all has no message late enough to change the choice. Also returns the
        campaigns whose messages all bear ids, and none of those that are not matched.
        """
        asked = {
            nth: submission_query(one, nth in late, snapshot.now)
            for nth, one in enumerate(items)
            if nth not in named
        }
        shared = repeated(items)
        left = [nth for nth, one in asked.items() if one is not None and one.reference not in shared]
        best: dict[int, list[MatchedDelivery]] = {}
        ruled_out = frozenset[int]()
        for within, elsewhere in snapshot.rounds():
            if within is None:
                left = [nth for nth in left if (one := asked[nth]) and one.earliest <= snapshot.past]
            wanted = [one for nth in left if (one := asked[nth]) is not None]
            hits: dict[int, list[MatchedDelivery]] = {}
            bearing: Sequence[int] | None = within
            if wanted and within is not None:
                bearing = self.engine.bearing(connection, within, {one.reference for one in wanted})
                ruled_out = snapshot.all_named.intersection(within).difference(bearing)
            for hit in self.engine.find(connection, wanted, bearing) if wanted else ():
                hits.setdefault(left[hit.nth], []).append(hit)
            for nth, some in hits.items():
                found = choose(items[nth], some, snapshot.now)
                if found and (not elsewhere or is_latest(items[nth], found[0], elsewhere)):
                    best[nth] = found
            left = [nth for nth in left if nth not in best]
            if not left:
                break
        if shared:
            return best | self._by_shared_reference(connection, items, snapshot, asked, shared), frozenset()
        return best, ruled_out

    def _by_shared_reference(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        queries: Mapping[int, SubmissionQuery | None],
        shared: Collection[str],
    ) -> dict[int, list[MatchedDelivery]]:
        """Find the messages in recent campaigns by phone, where many messages bear the reference."""
        some = {
            nth: one
            for nth, one in queries.items()
            if one and one.reference in shared and one.phone is not None
        }
        hits: defaultdict[int, list[MatchedDelivery]] = defaultdict(list)
        within = recent_campaigns(connection, [items[nth] for nth in some], snapshot) if some else ()
        wanted = list(some)
        for hit in self.engine.find_of_phone(connection, list(some.values()), within) if within else ():
            hits[wanted[hit.nth]].append(hit)
        return {nth: found for nth, mine in hits.items() if (found := choose(items[nth], mine, snapshot.now))}

    def _by_delivery_or_phone(
        self,
        connection: Connection,
        items: Sequence[ReceiptRow],
        snapshot: Snapshot,
        named: Mapping[int, DeliveryKey | DeliveryPart],
        left: Iterable[int],
        ruled_out: Collection[int],
    ) -> dict[int, list[MatchedDelivery]]:
        places = {nth: one for nth, one in named.items() if isinstance(one, DeliveryPart)}
        keys = {nth: one.key if isinstance(one, DeliveryPart) else one for nth, one in named.items()}
        found: defaultdict[int, list[MatchedDelivery]] = defaultdict(list)
        wanted = [
            MatchQuery(nth, keys.get(nth), items[nth], items[nth].to_come(snapshot.now)) for nth in left
        ]
        for hit in find_whole(self.engine, connection, wanted, ruled_out):
            part = places[hit.nth].part if hit.nth in places else hit.part
            found[hit.nth].append(hit._replace(part=part))
        chosen = {
            nth: hits if hits[0].part == WHOLE or nth in named else choose(items[nth], hits, snapshot.now)
            for nth, hits in found.items()
        }
        return {nth: hits for nth, hits in chosen.items() if hits}

    def _write(self, connection: Connection, outcome: _Outcome, now: int) -> None:
        rows, known, alike, failures = list[Row](), list[DeliveryKey](), dict[Row, int](), list[_Update]()
        for key, moving in outcome.moving.items():
            hit, new, done_at = moving
            state, reason, _, delivered, relayed, failed, _ = new
            if new[:6] == hit[12:18] and done_at == hit.done_at:
                continue
            if hit.delivered & ~delivered | hit.relayed & ~relayed | hit.failed & ~failed:
                hit.require_only_added(DeliveryStatus(*new))
            rows.append((*key, state, reason, delivered, relayed, failed, done_at))
            place = (hit.campaign_id, hit.run_id, hit.batch_id, hit.area)
            move = (place, (hit.state, hit.reason), (state, reason), hit.segments)
            alike[move] = alike.get(move, 0) + 1
            if state in _FAILED or hit.state in _FAILED:
                failures.append(moving)
            if hit.state == DeliveryState.UNKNOWN != state:
                known.append(hit.key)
        changes = Changes()
        for move, n in alike.items():
            changes.move(*move, n)
        self.engine.write_applied(connection, rows, changes.rows(), outcome.journal)
        self.engine.add_missing(
            connection, late_failures, ("run_id", "sent_at", "n"), _failures(failures, now)
        )
        remove_unknown(connection, known)
        self.engine.add_missing(connection, submissions, SUBMISSION, outcome.learnt)


def _failures(moving: Iterable[_Update], now: int) -> list[Row]:
    """Count by run and time of the sending what has failed, or failed no more; not what is long sent."""
    found: defaultdict[tuple[int, int], int] = defaultdict(int)
    for hit, new, _ in moving:
        sent_at, failed = hit.submitted_at or 0, new[0] in _FAILED
        if sent_at > now - JUDGED_MS and failed != (hit.state in _FAILED):
            found[hit.run_id, (sent_at // _TOGETHER_MS + 1) * _TOGETHER_MS] += 1 if failed else -1
    return [(*key, n) for key, n in found.items() if n]


def _with_current_group(receipt: ReceiptRow, snapshot: Snapshot) -> ReceiptRow:
    """Use the receipt group its link is in now: groups change, and links are renamed."""
    group = snapshot.groups.get(receipt.link_id, receipt.group_id)
    return receipt if group == receipt.group_id else receipt._replace(group_id=group)


def _pause(tries: int) -> int:
    if tries < _PATIENT_TRIES:
        return min(_FIRST_LOOK_MS << min(tries, 20), _SLOWEST_LOOK_MS)
    return min(_SLOWEST_LOOK_MS << min(tries - _PATIENT_TRIES, 5), DAY_MS)


def _parts_on_way(
    connection: Connection, items: Sequence[ReceiptRow], hits: Mapping[int, Sequence[MatchedDelivery]]
) -> dict[Row, int]:
    """Return bit masks of parts in transit by journal, of those few unknown messages where they decide."""
    found: dict[Row, int] = {}
    for nth, (hit, *_) in hits.items():
        if hit.state == DeliveryState.UNKNOWN and hit.parts > 1 and items[nth].status == _ON_ITS_WAY:
            found[hit.key] = found.get(hit.key) or _on_way(connection, hit.key)
    return found


def _on_way(connection: Connection, key: DeliveryKey) -> int:
    r = receipts.c
    own = (r.campaign_id == key.campaign_id, r.batch_id == key.batch_id, r.seq == key.seq)
    query = select(r.part).where(*own, r.status == _ON_ITS_WAY, r.changed)
    return sum(1 << part for part in set(connection.execute(query).scalars()))


def _apply_one(
    outcome: _Outcome, receipt: ReceiptRow, hits: Sequence[MatchedDelivery], on_way: Mapping[Row, int]
) -> None:
    hit, several = hits[0], len(hits) > 1
    key, part = hit[3:6], hit.part
    moving = outcome.moving.get(key)
    old: Row = (*hit[12:18], on_way.get(key, 0)) if moving is None else moving.standing
    done_at = hit.done_at if moving is None else moving.done_at
    if part == WHOLE:
        spoken_of: Sequence[int] = range(hit.parts)
    else:
        spoken_of = [each.part for each in hits] if several else (part,)
    new = old
    for each in spoken_of:
        new = _after(new, each, receipt.status, receipt.level, receipt.reason)
    changed = new != old
    if changed:
        done_at = max(done_at or 0, receipt.done_at or receipt.received_at)
    outcome.moving[key] = _Update(hit if moving is None else moving.hit, new, done_at)
    applied = outcome.applied
    applied.matched += 1
    applied.changed += changed
    applied.repeated += not changed
    if new[0] != old[0] and hit.submitted_at:
        applied.latencies.append(max(0, receipt.received_at - hit.submitted_at) / 1000)
    for each in spoken_of:
        outcome.journal.append((*key, each, changed, *receipt, outcome.matched_at))
    if changed and not hit.submitted:
        at = outcome.matched_at or receipt.received_at
        settled = (at, receipt.link_id, receipt.group_id, int(ResultKind.SETTLED), None, None, None)
        outcome.learnt.append((*key, 0, 0, *settled))


@lru_cache(maxsize=4096)
def _after(standing: Row, part: int, status: str, level: int, reason: int) -> Row:
    """Return what `apply_receipt` does, as numbers: most receipts of a group say the same of the same."""
    said = ReceiptStatus(status), ReceiptLevel(level)
    state, why, *others = apply_receipt(DeliveryStatus(*standing), part, *said, reason)
    return (int(state), int(why), *others)
