"""Receipts: each is kept; a matched one moves its delivery once, in any order; others wait in quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from app.core.clock import DAY_MS
from app.core.states import DeliveryState, DeliveryStatus, apply_receipt
from app.database.models import quarantine, receipts, submissions, turns
from app.ledger.contract import Applied, Arrival, DeliveryKey, ResultKind, StateEvent
from app.ledger.engine_base import (
    CROWD,
    SAID,
    SUBMISSION,
    WHOLE,
    MatchedDelivery,
    Row,
    Snapshot,
    SubmissionQuery,
)
from app.ledger.late_references import DeliveryPart, LateReferences
from app.ledger.receipt_matching import MatchQuery, matched_by_id_only
from app.ledger.receipt_times import VALIDITY_MS, ReceiptRow, said, storable
from app.ledger.tallies import Changes
from app.ledger.unknown_outcomes import remove_unknown
from carriers.contract import ReceiptLevel, ReceiptStatus

_FIRST_LOOK_MS = 1000
_SLOWEST_LOOK_MS = 3_600_000
# After a day of looks in vain the pauses grow again, up to a day: what can help wakes a receipt by itself.
_PATIENT_TRIES = 36
# So many looks take more than an hour: by then a message that is recorded late is recorded.
_LATE_TRIES = 12
_ON_ITS_WAY = ReceiptStatus.IN_TRANSIT.value
_AT_ONCE = 500
ONE_ID_MS = DAY_MS // 2


@dataclass(slots=True)
class _Moving:
    """One delivery while a group of receipts is applied to it."""

    hit: MatchedDelivery
    standing: DeliveryStatus
    done_at: int | None


class _Past(NamedTuple):
    """What the journals tell of a delivery: when it was queued again, and its parts on their way since."""

    requeued_at: int = 0
    on_way: int = 0


_NOTHING = _Past()


class _Some(NamedTuple):
    """The places of receipts that come late, and of those that only an id of ours makes ours."""

    late: frozenset[int] = frozenset()
    by_id: frozenset[int] = frozenset()


_NONE = _Some()


@dataclass(slots=True)
class _Outcome:
    """What a pass over receipts found: journal rows, the deliveries they moved, and what is left over."""

    moving: dict[DeliveryKey, _Moving] = field(default_factory=dict)
    journal: list[Row] = field(default_factory=list)
    learnt: list[Row] = field(default_factory=list)  # submissions that only a receipt tells of
    matched_at: int | None = None  # for receipts out of quarantine: when their delivery was found
    left: list[int] = field(default_factory=list)
    applied: Applied = field(default_factory=Applied)


class ReceiptOperations(LateReferences):
    """apply and rematch."""

    def apply(self, connection: Connection, arrivals: Sequence[Arrival]) -> Applied:
        """Write receipts: matched ones to the journal and their deliveries, others to quarantine."""
        moment = self.moment(connection)
        now = moment.now
        told = [_today(said(arrival, now), moment) for arrival in arrivals]
        about = {nth: arrival.about for nth, arrival in enumerate(arrivals)}
        by_id = matched_by_id_only(connection, [arrival.receipt for arrival in arrivals])
        outcome = self._settle(connection, told, moment, about, some=_Some(by_id=by_id))
        outcome.applied.quarantined = len(outcome.left)
        # Without its phone it is not taken for the receipt of an unknown message at a later look either.
        kept = [told[nth]._replace(phone=None) if nth in by_id else told[nth] for nth in outcome.left]
        rows = [(0, now + _FIRST_LOOK_MS, *one) for one in kept]
        if rows:
            self.append(connection, quarantine, ("tries", "try_at", *SAID), rows)
        return outcome.applied

    def set_aside(self, connection: Connection, arrivals: Sequence[Arrival], pause_ms: int) -> None:
        """Keep receipts that can't be applied in quarantine; they are looked at again after so long."""
        now = self.now_ms(connection)
        rows = [(1, now + pause_ms, *storable(arrival, now)) for arrival in arrivals]
        self.append(connection, quarantine, ("tries", "try_at", *SAID), rows)

    def rematch(self, connection: Connection, limit: int, only: Sequence[int] = ()) -> Applied:
        """Look again at quarantined receipts that are due: by reference, then by phone of an unknown."""
        moment = self.moment(connection)
        column, values = ("id", only) if only else ("try_at", [moment.now])
        waiting = self.take_quarantined(connection, column, values, limit)
        return self._again(connection, waiting, moment) if waiting else Applied()

    def rematch_references(self, connection: Connection, references: Sequence[str]) -> None:
        """Look again at receipts that came before these references were recorded."""
        early = self.take_quarantined(connection, "reference", references, _AT_ONCE)
        if early:
            self._again(connection, early, self.moment(connection))

    def _again(self, connection: Connection, waiting: Sequence[Row], moment: Snapshot) -> Applied:
        """Apply what can be matched now; the rest waits longer each time."""
        told = [_today(ReceiptRow(*row[2:]), moment) for row in waiting]
        late = frozenset(index for index, row in enumerate(waiting) if row[1] >= _LATE_TRIES)
        outcome = self._settle(connection, told, moment, matched_at=moment.now, some=_Some(late))
        # One look must have failed before: an early receipt's submission may just be being recorded.
        by_phone = [index for index in outcome.left if waiting[index][1] >= 1]
        learnt = self.learn(connection, [told[index] for index in by_phone], moment)
        found = self._apply_learnt(connection, told, moment, {by_phone[n]: at for n, at in learnt.items()})
        left = [index for index in outcome.left if index not in found]
        self._forget(connection, [waiting[index][0] for index in set(range(len(waiting))).difference(left)])
        self._postpone(connection, [waiting[index] for index in left], moment.now)
        outcome.applied.matched += len(found)
        outcome.applied.quarantined = len(left)
        return outcome.applied

    def _apply_learnt(
        self,
        connection: Connection,
        told: Sequence[ReceiptRow],
        moment: Snapshot,
        places: Mapping[int, DeliveryPart],
    ) -> set[int]:
        """Apply the receipts whose references have just been learnt; which were."""
        if not places:
            return set()
        some = sorted(places)
        own = {nth: places[index] for nth, index in enumerate(some)}
        outcome = self._settle(
            connection, [told[index] for index in some], moment, own, self.now_ms(connection)
        )
        return {index for nth, index in enumerate(some) if nth not in outcome.left}

    def _forget(self, connection: Connection, ids: Sequence[int]) -> None:
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

    # ---- matched by reference, or else by its delivery or its phone ---------------------------------------

    def _settle(
        self,
        connection: Connection,
        told: Sequence[ReceiptRow],
        moment: Snapshot,
        about: Mapping[int, DeliveryKey | DeliveryPart | None] | None = None,
        matched_at: int | None = None,
        *,
        some: _Some = _NONE,
    ) -> _Outcome:
        """Match, compute what the receipts make of their deliveries, and write it."""
        known = {nth: one for nth, one in (about or {}).items() if one is not None}
        hits = self._by_reference(connection, told, moment, known, some.late)
        left = [nth for nth in range(len(told)) if nth not in hits and nth not in some.by_id - known.keys()]
        hits |= self._otherwise(connection, told, known, left)
        past = self._past(connection, told, hits)
        outcome = _Outcome(matched_at=matched_at)
        for index, one in enumerate(told):
            found = hits.get(index)
            if not found or found[0].campaign_id in moment.closed:
                outcome.left.append(index)
            else:
                _weigh(outcome, one, found, past.get(found[0].key, _NOTHING))
        self._write(connection, outcome)
        return outcome

    def _by_reference(
        self,
        connection: Connection,
        told: Sequence[ReceiptRow],
        moment: Snapshot,
        known: Mapping[int, object],
        late: frozenset[int],
    ) -> dict[int, list[MatchedDelivery]]:
        """The newest message of each reference that the receipt can be about: carriers give their ids again.

        Campaigns of these days are looked at first: each other one costs as much again, and has few receipts.
        """
        asked = {nth: _asked(one, nth in late) for nth, one in enumerate(told) if nth not in known}
        crowd = _repeated(told)
        left = [nth for nth, one in asked.items() if one is not None and one.reference not in crowd]
        best: dict[int, list[MatchedDelivery]] = {}
        for within in (moment.open, None) if moment.open else (None,):
            wanted = [one for nth in left if (one := asked[nth]) is not None]
            hits: defaultdict[int, list[MatchedDelivery]] = defaultdict(list)
            for hit in self.find(connection, wanted, within) if wanted else ():
                hits[left[hit.nth]].append(hit)
            best |= {nth: found for nth, some in hits.items() if (found := _choose(told[nth], some))}
            left = [nth for nth in left if nth not in best]
        return best

    def _otherwise(
        self,
        connection: Connection,
        told: Sequence[ReceiptRow],
        known: Mapping[int, DeliveryKey | DeliveryPart],
        left: Iterable[int],
    ) -> dict[int, list[MatchedDelivery]]:
        """What is known to be about a delivery, and what is matched by its phone."""
        places = {nth: one for nth, one in known.items() if isinstance(one, DeliveryPart)}
        keys = {nth: one.key if isinstance(one, DeliveryPart) else one for nth, one in known.items()}
        found: defaultdict[int, list[MatchedDelivery]] = defaultdict(list)
        for hit in self.find_whole(connection, [MatchQuery(nth, keys.get(nth), told[nth]) for nth in left]):
            part = places[hit.nth].part if hit.nth in places else hit.part
            found[hit.nth].append(hit._replace(part=part))
        chosen = {
            nth: hits if hits[0].part == WHOLE or nth in known else _choose(told[nth], hits)
            for nth, hits in found.items()
        }
        return {nth: hits for nth, hits in chosen.items() if hits}

    def _past(
        self,
        connection: Connection,
        told: Sequence[ReceiptRow],
        hits: Mapping[int, Sequence[MatchedDelivery]],
    ) -> dict[DeliveryKey, _Past]:
        """What the journals tell of those few deliveries of which the receipts alone do not say enough."""
        found: dict[DeliveryKey, _Past] = {}
        for nth, (hit, *_) in hits.items():
            again = told[nth].status != ReceiptStatus.DELIVERED.value and (hit.resends or hit.state == 0)
            partly = told[nth].status == _ON_ITS_WAY and hit.parts > 1 and hit.state == DeliveryState.UNKNOWN
            if (again or partly) and hit.key not in found:
                requeued_at = _requeued_at(connection, hit.key)
                found[hit.key] = _Past(requeued_at, _on_way(connection, hit.key, requeued_at))
        return found

    def _write(self, connection: Connection, outcome: _Outcome) -> None:
        changes, rows, known = Changes(), [], []
        for key, moving in outcome.moving.items():
            hit, new = moving.hit, moving.standing
            new = new._replace(on_way=0) if new.on_way else new
            if new == hit.standing() and moving.done_at == hit.done_at:
                continue
            masks = (new.delivered, new.relayed, new.failed)
            rows.append((*key, int(new.state), int(new.reason), *masks, moving.done_at))
            where = (hit.campaign_id, hit.run_id, hit.batch_id, hit.area)
            changes.move(where, (hit.state, hit.reason), (new.state, new.reason), hit.segments)
            if hit.state == DeliveryState.UNKNOWN != new.state:
                known.append(key)
        self.write_applied(connection, rows, changes.rows(), outcome.journal)
        remove_unknown(connection, known)
        self.add_missing(connection, submissions, SUBMISSION, outcome.learnt)


def _today(one: ReceiptRow, moment: Snapshot) -> ReceiptRow:
    """With the receipt group that its lane is in now: groups change, and links are renamed."""
    group = moment.groups.get(one.lane_id, one.group_id)
    return one if group == one.group_id else one._replace(group_id=group)


def _pause(tries: int) -> int:
    if tries < _PATIENT_TRIES:
        return min(_FIRST_LOOK_MS << min(tries, 20), _SLOWEST_LOOK_MS)
    return min(_SLOWEST_LOOK_MS << min(tries - _PATIENT_TRIES, 5), DAY_MS)


def _asked(one: ReceiptRow, late: bool) -> SubmissionQuery | None:
    if one.reference is None:
        return None
    late = late and one.phone is not None
    return SubmissionQuery(one.group_id, one.reference, one.phone, *(one.any_age if late else one.window))


def _repeated(told: Sequence[ReceiptRow]) -> set[str]:
    """References that receipts for several numbers bear: the phone says more than they do."""
    phones: defaultdict[str, set[int]] = defaultdict(set)
    for one in told:
        if one.reference is not None and one.phone is not None:
            phones[one.reference].add(one.phone)
    return {reference for reference, some in phones.items() if len(some) > 1}


def _choose(one: ReceiptRow, hits: Sequence[MatchedDelivery]) -> list[MatchedDelivery]:
    """The parts of the newest message that was sent before; where but times in doubt fit, of the only one."""
    first = hits[0]
    if first.crowd >= CROWD:
        return []
    if len(hits) == 1 and one.made - VALIDITY_MS <= first.at <= one.sure:
        return [first]
    sure = [hit for hit in hits if one.made - VALIDITY_MS <= hit.at <= one.sure + _slack(hit)]
    if not sure and len({hit.key for hit in hits}) > 1:
        return []
    pool = sure or [hit for hit in hits if _waits(one, hit)]
    newest = max(pool, key=lambda hit: hit.at, default=None)
    if newest is None or (one.phone is None and any(_at_one_time(newest, hit) for hit in pool)):
        return []
    return [hit for hit in pool if (hit.key, hit.attempt) == (newest.key, newest.attempt)]


def _at_one_time(newest: MatchedDelivery, hit: MatchedDelivery) -> bool:
    """Whether a carrier gave one id to two messages that it has at one time: only a number tells them apart.

    An id that is given again later is given when the message that had it is over, so the newest is meant.
    """
    return hit.key != newest.key and newest.at - hit.at < ONE_ID_MS


def _slack(hit: MatchedDelivery) -> int:
    """A reference that was learnt is recorded later than its message was sent."""
    return VALIDITY_MS if hit.result == ResultKind.SETTLED else 0


def _waits(one: ReceiptRow, hit: MatchedDelivery) -> bool:
    """Times of another zone are borne; one that comes weeks late moves only what still waits for it."""
    of_late = hit.at >= one.made - VALIDITY_MS
    return of_late or hit.state in (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)


def _requeued_at(connection: Connection, key: DeliveryKey) -> int:
    t = turns.c
    own = (t.campaign_id == key.campaign_id, t.batch_id == key.batch_id, t.seq == key.seq)
    query = select(func.max(t.at)).where(*own, t.kind == int(StateEvent.REQUEUED))
    return connection.execute(query).scalar() or 0


def _on_way(connection: Connection, key: DeliveryKey, since: int) -> int:
    """The parts of which receipts of this sending said that they are on their way."""
    r = receipts.c
    own = (r.campaign_id == key.campaign_id, r.batch_id == key.batch_id, r.seq == key.seq)
    query = select(r.part).where(*own, r.status == _ON_ITS_WAY, r.changed, r.received_at >= since)
    return sum(1 << part for part in set(connection.execute(query).scalars()))


def _weigh(outcome: _Outcome, one: ReceiptRow, hits: Sequence[MatchedDelivery], past: _Past) -> None:
    """Apply one receipt to its delivery, in memory."""
    hit = hits[0]
    moving = outcome.moving.get(hit.key)
    if moving is None:
        moving = outcome.moving[hit.key] = _Moving(hit, hit.standing(past.on_way), hit.done_at)
    old = new = moving.standing
    status, level = ReceiptStatus(one.status), ReceiptLevel(one.level)
    spoken_of = range(hit.parts) if hit.part == WHOLE else [each.part for each in hits]
    # That an earlier sending failed, or is on its way, says nothing of the one that was ordered since.
    over = hit.part != WHOLE and hit.at < past.requeued_at and status is not ReceiptStatus.DELIVERED
    for part in () if over else spoken_of:
        new = apply_receipt(new, part, status, level, one.reason)
    moving.standing, changed = new, new != old
    if changed:
        moving.done_at = max(moving.done_at or 0, one.done_at or one.received_at)
    _note(outcome.applied, one, hit, (old, new))
    outcome.journal += [(*hit.key, part, changed, *one, outcome.matched_at) for part in spoken_of]
    if changed and not hit.submitted:
        at = outcome.matched_at or one.received_at
        settled = (at, one.lane_id, one.group_id, int(ResultKind.SETTLED), None, None, None)
        outcome.learnt.append((*hit.key, 0, 0, *settled))


def _note(
    applied: Applied, one: ReceiptRow, hit: MatchedDelivery, moved: tuple[DeliveryStatus, DeliveryStatus]
) -> None:
    """Count one receipt that was matched."""
    old, new = moved
    applied.matched += 1
    if new == old:
        applied.repeated += 1
        return
    applied.changed += 1
    if hit.submitted_at and new.state != old.state:
        applied.latencies.append(max(0, one.received_at - hit.submitted_at) / 1000)
