"""Receipts: each is kept; a matched one moves its delivery once, in any order; others wait in quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from app import clock
from app.ledger.contract import Applied, Arrival, Key, ResultKind
from app.ledger.matching import Matching, Wanted
from app.ledger.store import SAID, SUBMISSION, WHOLE, Hit, Moment, Row
from app.ledger.tallies import Changes
from app.ledger.unknowns import strike
from app.models import deliveries, quarantine, submissions, unknowns
from app.states import DeliveryState, Standing, apply_receipt
from carriers.contract import ReceiptLevel, ReceiptStatus

_FIRST_LOOK_MS = 1000
_SLOWEST_LOOK_MS = 3_600_000


class Said(NamedTuple):
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


@dataclass(slots=True)
class _Moving:
    """One delivery while a group of receipts is applied to it."""

    hit: Hit
    standing: Standing
    done_at: int | None


@dataclass(slots=True)
class _Outcome:
    """What a pass over receipts found: journal rows, the deliveries they moved, and what is left over."""

    moving: dict[Key, _Moving] = field(default_factory=dict)
    journal: list[Row] = field(default_factory=list)
    learnt: list[Row] = field(default_factory=list)  # submissions that only a receipt tells of
    matched_at: int | None = None  # for receipts out of quarantine: when their delivery was found
    left: list[int] = field(default_factory=list)
    applied: Applied = field(default_factory=Applied)


class Receiving(Matching):
    """apply and rematch."""

    def apply(self, connection: Connection, arrivals: Sequence[Arrival]) -> Applied:
        """Write receipts: matched ones to the journal and their deliveries, others to quarantine."""
        moment = self.moment(connection)
        now = moment.now
        said = [_said(arrival, now) for arrival in arrivals]
        outcome = self._settle(connection, said, moment, [arrival.about for arrival in arrivals])
        outcome.applied.quarantined = len(outcome.left)
        rows = [(0, now + _FIRST_LOOK_MS, *said[index]) for index in outcome.left]
        if rows:
            self.append(connection, quarantine, ("tries", "try_at", *SAID), rows)
        return outcome.applied

    def rematch(self, connection: Connection, limit: int) -> Applied:
        """Look again at quarantined receipts that are due: by reference, then by phone of an unknown."""
        moment = self.moment(connection)
        waiting = self.take_quarantined(connection, "try_at", [moment.now], limit)
        return self._again(connection, waiting, moment) if waiting else Applied()

    def rematch_references(self, connection: Connection, references: Sequence[str]) -> None:
        """Look again at receipts that came before these references were recorded."""
        early = self.take_quarantined(connection, "reference", references, 10_000)
        if early:
            self._again(connection, early, self.moment(connection))

    def _again(self, connection: Connection, waiting: Sequence[Row], moment: Moment) -> Applied:
        """Apply what can be matched now; the rest waits longer each time."""
        said = [Said(*row[2:]) for row in waiting]
        outcome = self._settle(connection, said, moment, matched_at=moment.now)
        # One look must have failed before: an early receipt's submission may just be being recorded.
        by_phone = [index for index in outcome.left if waiting[index][1] >= 1]
        settled = self._settle_unknowns(connection, [said[index] for index in by_phone], moment)
        found = {by_phone[index] for index in settled}
        gone = [row[0] for index, row in enumerate(waiting) if index not in outcome.left or index in found]
        for start in range(0, len(gone), 500):
            connection.execute(delete(quarantine).where(quarantine.c.id.in_(gone[start : start + 500])))
        later = [waiting[index] for index in outcome.left if index not in found]
        self._postpone(connection, later, moment.now)
        outcome.applied.matched += len(settled)
        outcome.applied.quarantined = len(later)
        return outcome.applied

    def _postpone(self, connection: Connection, rows: Sequence[Row], now: int) -> None:
        later: defaultdict[int, list[int]] = defaultdict(list)
        for row in rows:
            later[row[1]].append(row[0])
        for tries, ids in later.items():
            pause = min(_FIRST_LOOK_MS * 2 ** min(tries, 20), _SLOWEST_LOOK_MS)
            values = {"tries": min(tries + 1, 30_000), "try_at": now + pause}
            for start in range(0, len(ids), 500):
                some = quarantine.c.id.in_(ids[start : start + 500])
                connection.execute(update(quarantine).where(some).values(values))

    # ---- matched by reference, or else as a whole by its delivery or its phone ---------------------------

    def _settle(
        self,
        connection: Connection,
        said: Sequence[Said],
        moment: Moment,
        about: Sequence[Key | None] = (),
        matched_at: int | None = None,
    ) -> _Outcome:
        """Match, compute what the receipts make of their deliveries, and write it."""
        known = dict(enumerate(about))
        hits = self._by_reference(connection, said, known, moment)
        wanted = [_wanted(nth, one, known.get(nth)) for nth, one in enumerate(said) if nth not in hits]
        hits |= {hit.nth: hit for hit in self.find_whole(connection, wanted)}
        outcome = _Outcome(matched_at=matched_at)
        for index, one in enumerate(said):
            hit = hits.get(index)
            if hit is None or hit.campaign_id in moment.closed:
                outcome.left.append(index)
            else:
                _weigh(outcome, one, hit)
        self._write(connection, outcome)
        return outcome

    def _by_reference(
        self, connection: Connection, said: Sequence[Said], known: Mapping[int, Key | None], moment: Moment
    ) -> dict[int, Hit]:
        """The newest submission of each reference: carriers use their ids again after a time.

        Campaigns under way are looked at first: each other one costs as much again, and has few receipts.
        """
        asked = {
            index: (one.group_id, one.reference, one.phone)
            for index, one in enumerate(said)
            if one.reference is not None and known.get(index) is None
        }
        best: dict[int, Hit] = {}
        for within in (moment.open, None) if moment.open else (None,):
            left = [index for index in asked if index not in best]
            for hit in self.find(connection, [asked[index] for index in left], within) if left else ():
                index = left[hit.nth]
                if index not in best or hit.at > best[index].at:
                    best[index] = hit
        return best

    def _write(self, connection: Connection, outcome: _Outcome) -> None:
        changes, rows, known = Changes(), [], []
        for key, moving in outcome.moving.items():
            hit, new = moving.hit, moving.standing
            if new == hit.standing() and moving.done_at == hit.done_at:
                continue
            masks = (new.delivered, new.relayed, new.failed)
            rows.append((*key, int(new.state), int(new.reason), *masks, moving.done_at))
            where = (hit.campaign_id, hit.run_id, hit.batch_id, hit.area)
            changes.move(where, (hit.state, hit.reason), (new.state, new.reason), hit.segments)
            if hit.state == DeliveryState.UNKNOWN != new.state:
                known.append(key)
        self.write_applied(connection, rows, changes.rows(), outcome.journal)
        strike(connection, known)
        self.add_missing(connection, submissions, SUBMISSION, outcome.learnt)

    # ---- matched by the phone of an unknown delivery ----------------------------------------------------

    def _settle_unknowns(self, connection: Connection, said: Sequence[Said], moment: Moment) -> set[int]:
        """Receipts whose reference nobody knows, for a phone with one unknown delivery on the link: its own.

        The reference is recorded as that delivery's next part, and the receipt applied as any other.
        """
        settled: set[int] = set()
        for index, one in enumerate(said):
            key = self._only_unknown(connection, one)
            if key is not None:
                self._learn(connection, key, one)
                settled.add(index)
        found = [said[index] for index in sorted(settled)]
        if found:
            self._settle(connection, found, moment, matched_at=self.now_ms(connection))
        return settled

    def _only_unknown(self, connection: Connection, one: Said) -> Key | None:
        if one.phone is None or one.reference is None:
            return None
        u = unknowns.c
        query = select(u.campaign_id, u.batch_id, u.seq).where(
            u.phone == one.phone, u.group_id == one.group_id
        )
        found = connection.execute(query.limit(2)).all()
        return Key(*found[0]) if len(found) == 1 else None

    def _learn(self, connection: Connection, key: Key, one: Said) -> None:
        """Record the reference as the first part that has none; taken once all parts have theirs."""
        s, d = submissions.c, deliveries.c
        same = [s.campaign_id == key.campaign_id, s.batch_id == key.batch_id, s.seq == key.seq]
        named = select(s.part).where(*same, s.reference.is_not(None))
        have = {row.part for row in connection.execute(named)}
        own = [d.campaign_id == key.campaign_id, d.batch_id == key.batch_id, d.seq == key.seq]
        row = connection.execute(select(deliveries).where(*own).with_for_update()).one()
        free = [part for part in range(row.parts) if part not in have]
        part = free[0] if free else 0
        at = self.now_ms(connection)
        taken_at = (at, one.lane_id, one.group_id, int(ResultKind.SETTLED))
        learnt = (*key, 0, part, *taken_at, one.reference, "", None)
        self.add_missing(connection, submissions, SUBMISSION, [learnt])
        if len(free) <= 1 and row.state == DeliveryState.UNKNOWN:
            taken = {"state": DeliveryState.SUBMITTED, "reason": 0}
            connection.execute(update(deliveries).where(*own).values(taken))
            changes = Changes()
            where = (row.campaign_id, row.run_id, row.batch_id, row.area)
            changes.move(where, (row.state, row.reason), (DeliveryState.SUBMITTED, 0), row.segments)
            changes.write(connection, self)
            strike(connection, [key])


def _said(arrival: Arrival, now: int) -> Said:
    receipt, lane = arrival.receipt, arrival.lane
    return Said(
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


def _wanted(nth: int, one: Said, about: Key | None) -> Wanted:
    at = one.done_at or one.received_at
    return Wanted(nth, about, one.group_id, one.phone, at, one.done_at is not None, one.reference is not None)


def _weigh(outcome: _Outcome, one: Said, hit: Hit) -> None:
    """Apply one receipt to its delivery, in memory."""
    key = Key(hit.campaign_id, hit.batch_id, hit.seq)
    moving = outcome.moving.setdefault(key, _Moving(hit, hit.standing(), hit.done_at))
    old = new = moving.standing
    status, level = ReceiptStatus(one.status), ReceiptLevel(one.level)
    spoken_of = range(hit.parts) if hit.part == WHOLE else (hit.part,)
    for part in spoken_of:
        new = apply_receipt(new, part, status, level, one.reason)
    moving.standing, changed = new, new != old
    if changed:
        moving.done_at = max(moving.done_at or 0, one.done_at or one.received_at)
    _note(outcome.applied, one, hit, (old, new))
    outcome.journal += [(*key, part, changed, *one, outcome.matched_at) for part in spoken_of]
    if changed and not hit.submitted:
        at = outcome.matched_at or one.received_at
        settled = (at, one.lane_id, one.group_id, int(ResultKind.SETTLED), None, None, None)
        outcome.learnt.append((*key, 0, 0, *settled))


def _note(applied: Applied, one: Said, hit: Hit, moved: tuple[Standing, Standing]) -> None:
    """Count one receipt that was matched."""
    old, new = moved
    applied.matched += 1
    if new == old:
        applied.repeated += 1
        return
    applied.changed += 1
    if hit.submitted_at and new.state != old.state:
        applied.latencies.append(max(0, one.received_at - hit.submitted_at) / 1000)
