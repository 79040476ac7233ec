"""Replays one delivery's journal rows up to a moment by the ledger's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import NamedTuple

from app.core.states import (
    DeliveryState,
    DeliveryStatus,
    NotSent,
    apply_answer,
    apply_receipt,
    conclude,
    kept_reason,
)
from app.ledger.contract import ResultKind, StateEvent
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus


class Sub(NamedTuple):
    """One submission row: the carrier's answer for one part in one pass."""

    at: int
    attempt: int
    part: int
    result: int
    named: bool  # has a reference
    link_id: int


class ReceiptEvent(NamedTuple):
    """One receipt row, at the time when it was matched to its delivery."""

    at: int
    part: int
    changed: bool
    status: str
    level: int
    reason: int
    done_at: int


class StateChange(NamedTuple):
    """A state event other than an answer or a receipt."""

    at: int
    kind: int
    reason: int
    submitted_at: int | None


@dataclass(frozen=True, slots=True)
class Fixed:
    """Facts of a delivery that no longer change: its SMS parts, and its reason if it was rejected.

    link_id: the last link that sent it; whole: links with one receipt per message of any length. refusals:
    until when it was rejected, and why, where the row may have lost it since. resent: a person had it sent
    again while it was unknown.
    """

    segments: int
    reason: int
    link_id: int
    whole: frozenset[int] = frozenset()
    refusals: tuple[tuple[int, int], ...] = ()
    resent: bool = False

    def refused_for(self, at: int) -> int:
        return next((reason for until, reason in self.refusals if until >= at), self.reason)


@dataclass(slots=True)
class _Replay:
    """State of the delivery during the replay."""

    fixed: Fixed
    standing: DeliveryStatus
    submitted_at: int | None = None
    done_at: int | None = None
    named: set[int] = field(default_factory=set)
    link_id: int = 0
    again: bool = False  # the sending is not the first


class PastDelivery(NamedTuple):
    """The delivery's state at the cut-off. Times are ms since 1970."""

    standing: DeliveryStatus
    submitted_at: int | None
    done_at: int | None


def replay_events(
    fixed: Fixed, subs: Sequence[Sub], receipts: Sequence[ReceiptEvent], changes: Sequence[StateChange]
) -> PastDelivery:
    """Replay these rows by time; at equal times answers come before changes, these before receipts."""
    replay = _Replay(fixed, _fresh(fixed), link_id=fixed.link_id)
    passes = [subs] if len(subs) == 1 else _passes(subs)
    events: list[tuple[int, int, int, Sequence[Sub] | ReceiptEvent | StateChange]] = [
        *((rows[0].at, 0, nth, rows) for nth, rows in enumerate(passes)),
        *((each.at, 1, nth, each) for nth, each in enumerate(changes)),
        *((each.at, 2, nth, each) for nth, each in enumerate(receipts)),
    ]
    for event in sorted(events, key=lambda event: event[:3]):
        what = event[3]
        if isinstance(what, ReceiptEvent):
            _receive(replay, what)
        elif isinstance(what, StateChange):
            _apply_change(replay, what)
        else:
            _answer(replay, what)
    return PastDelivery(replay.standing, replay.submitted_at, replay.done_at)


@cache
def unsent(segments: int) -> PastDelivery:
    """Return the state of a delivery of `segments` SMS parts without any event."""
    return PastDelivery(DeliveryStatus(DeliveryState.QUEUED, Reason.NONE, segments), None, None)


def _passes(subs: Sequence[Sub]) -> list[Sequence[Sub]]:
    return [list(rows) for _, rows in groupby(sorted(subs), key=lambda s: (s.at, s.attempt))]


def _fresh(fixed: Fixed) -> DeliveryStatus:
    return DeliveryStatus(DeliveryState.QUEUED, Reason.NONE, fixed.segments)


def _answer(replay: _Replay, rows: Sequence[Sub]) -> None:
    """Apply one pass of the carrier's answers like app/ledger/submit_results.py."""
    kinds = {row.result for row in rows}
    replay.named.update(row.part for row in rows if row.named)
    if ResultKind.SETTLED in kinds:
        _learn(replay, rows)
        return
    replay.link_id = rows[0].link_id
    if kinds <= {ResultKind.DEFERRED, ResultKind.HALTED}:
        return
    replay.submitted_at = rows[0].at
    old, refused = replay.standing, sum(1 << row.part for row in rows if row.result == ResultKind.REJECTED)
    if ResultKind.UNKNOWN in kinds:
        answer = DeliveryStatus(DeliveryState.UNKNOWN, Reason.NONE, _parts(replay, rows), failed=refused)
    elif ResultKind.ACCEPTED in kinds:
        answer = DeliveryStatus(DeliveryState.SUBMITTED, Reason.NONE, len(rows), failed=refused)
    else:
        reason = replay.fixed.refused_for(rows[0].at)
        answer = DeliveryStatus(DeliveryState.REJECTED, reason, 1, failed=1)
    replay.standing = apply_answer(old, answer, replay.again)


def _parts(replay: _Replay, rows: Sequence[Sub]) -> int:
    """Count the receipts that an unknown message waits for."""
    if len(rows) > 1 or any(row.named for row in rows):
        return len(rows)
    return 1 if replay.link_id in replay.fixed.whole else replay.fixed.segments


def _learn(replay: _Replay, rows: Sequence[Sub]) -> None:
    """Learn references from a receipt; once all parts have one, an unknown message was accepted."""
    learnt = any(row.named for row in rows)
    left = set(range(replay.standing.parts)) - replay.named
    if learnt and not left and replay.standing.state == DeliveryState.UNKNOWN:
        reason = kept_reason(replay.standing.reason)
        replay.standing = replay.standing._replace(state=DeliveryState.SUBMITTED, reason=reason)


def _apply_change(replay: _Replay, change: StateChange) -> None:
    match StateEvent(change.kind):
        case StateEvent.LOST if replay.standing.state == DeliveryState.QUEUED:
            parts = 1 if replay.link_id in replay.fixed.whole else replay.fixed.segments
            parts = max(parts, replay.standing.parts) if replay.again else parts
            replay.standing = replay.standing._replace(state=DeliveryState.UNKNOWN, parts=parts)
            replay.submitted_at = change.at
        case StateEvent.REQUEUED:
            replay.standing = _fresh(replay.fixed)._replace(parts=replay.standing.parts)
            replay.again |= replay.fixed.resent and change.reason == Reason.NONE
            replay.submitted_at = replay.done_at = None
        case StateEvent.WRITTEN_OFF:
            replay.standing = replay.standing._replace(reason=NotSent.WRITTEN_OFF)
        case StateEvent.PARTLY:
            old = replay.standing
            worst = max(old.reason, change.reason)
            replay.standing = conclude(
                old._replace(reason=worst), old.delivered, old.relayed, old.failed, worst
            )


def _receive(replay: _Replay, receipts: ReceiptEvent) -> None:
    """Apply a receipt that changed the row when it came; repeats and receipts of earlier sendings did not."""
    if not receipts.changed:
        return
    status, level = ReceiptStatus(receipts.status), ReceiptLevel(receipts.level)
    replay.standing = apply_receipt(replay.standing, receipts.part, status, level, receipts.reason)
    replay.done_at = max(replay.done_at or 0, receipts.done_at)
