"""One delivery's story up to a moment, told again from the journals by the ledger's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import NamedTuple

from app.core.states import DeliveryState, DeliveryStatus, NotSent, apply_receipt
from app.ledger.contract import ResultKind, StateEvent
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus


class Sub(NamedTuple):
    """One submission row: what the carrier answered for one part in one pass."""

    at: int
    attempt: int
    part: int
    result: int
    named: bool  # it bears a reference
    lane_id: int


class ReceiptEvent(NamedTuple):
    """One receipt row, at the moment at which it reached its delivery."""

    at: int
    part: int
    changed: bool
    status: str
    level: int
    reason: int
    done_at: int


class Turned(NamedTuple):
    """One turn."""

    at: int
    kind: int
    reason: int
    submitted_at: int | None


@dataclass(frozen=True, slots=True)
class Fixed:
    """What does not change of a delivery any more: its SMS parts, and why it was refused, if it was.

    lane_id: the last that sent it; whole: lanes that give one receipt for a message of any length.
    """

    segments: int
    reason: int
    lane_id: int
    whole: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Story:
    """The delivery while its story is told."""

    fixed: Fixed
    standing: DeliveryStatus
    submitted_at: int | None = None
    done_at: int | None = None
    named: set[int] = field(default_factory=set)
    lane_id: int = 0


class PastDelivery(NamedTuple):
    """Where the delivery stood then. Times are ms since 1970."""

    standing: DeliveryStatus
    submitted_at: int | None
    done_at: int | None


def tell(
    fixed: Fixed, subs: Sequence[Sub], said: Sequence[ReceiptEvent], turned: Sequence[Turned]
) -> PastDelivery:
    """The story of what these rows say, in the order of their times; at one time answers come first."""
    story = _Story(fixed, _fresh(fixed), lane_id=fixed.lane_id)
    passes = [subs] if len(subs) == 1 else _passes(subs)
    events: list[tuple[int, int, int, Sequence[Sub] | ReceiptEvent | Turned]] = [
        *((rows[0].at, 0, nth, rows) for nth, rows in enumerate(passes)),
        *((each.at, 1, nth, each) for nth, each in enumerate(turned)),
        *((each.at, 2, nth, each) for nth, each in enumerate(said)),
    ]
    for event in sorted(events, key=lambda event: event[:3]):
        what = event[3]
        if isinstance(what, ReceiptEvent):
            _receive(story, what)
        elif isinstance(what, Turned):
            _turn(story, what)
        else:
            _answer(story, what)
    return PastDelivery(story.standing, story.submitted_at, story.done_at)


@cache
def unsent(segments: int) -> PastDelivery:
    """Where a message of so many SMS parts stands of which nothing is told yet."""
    return PastDelivery(DeliveryStatus(DeliveryState.QUEUED, Reason.NONE, segments), None, None)


def _passes(subs: Sequence[Sub]) -> list[Sequence[Sub]]:
    return [list(rows) for _, rows in groupby(sorted(subs), key=lambda s: (s.at, s.attempt))]


def _fresh(fixed: Fixed) -> DeliveryStatus:
    return DeliveryStatus(DeliveryState.QUEUED, Reason.NONE, fixed.segments)


def _answer(story: _Story, rows: Sequence[Sub]) -> None:
    """What the carrier answered in one pass, as app/ledger/submit_results.py had written it."""
    kinds = {row.result for row in rows}
    story.named.update(row.part for row in rows if row.named)
    if ResultKind.SETTLED in kinds:
        _learn(story, rows)
        return
    story.lane_id = rows[0].lane_id
    if kinds <= {ResultKind.DEFERRED, ResultKind.HALTED}:
        return
    story.submitted_at = rows[0].at
    old, refused = story.standing, sum(1 << row.part for row in rows if row.result == ResultKind.REJECTED)
    masks = {"delivered": old.delivered, "relayed": old.relayed, "failed": refused}
    if ResultKind.UNKNOWN in kinds:
        story.standing = DeliveryStatus(DeliveryState.UNKNOWN, Reason.NONE, _parts(story, rows), **masks)
    elif ResultKind.ACCEPTED in kinds:
        story.standing = DeliveryStatus(DeliveryState.SUBMITTED, Reason.NONE, len(rows), **masks)
    else:
        masks["failed"] = 1
        story.standing = DeliveryStatus(DeliveryState.REJECTED, story.fixed.reason, 1, **masks)


def _parts(story: _Story, rows: Sequence[Sub]) -> int:
    """How many receipts an unknown message waits for."""
    if len(rows) > 1 or any(row.named for row in rows):
        return len(rows)
    return 1 if story.lane_id in story.fixed.whole else story.fixed.segments


def _learn(story: _Story, rows: Sequence[Sub]) -> None:
    """A receipt named an unknown message's reference; it was taken once all of its parts have one."""
    learnt = any(row.named for row in rows)
    left = set(range(story.standing.parts)) - story.named
    if learnt and not left and story.standing.state == DeliveryState.UNKNOWN:
        story.standing = story.standing._replace(state=DeliveryState.SUBMITTED, reason=Reason.NONE)


def _turn(story: _Story, turned: Turned) -> None:
    match StateEvent(turned.kind):
        case StateEvent.LOST if story.standing.state == DeliveryState.QUEUED:
            parts = 1 if story.lane_id in story.fixed.whole else story.fixed.segments
            story.standing = story.standing._replace(state=DeliveryState.UNKNOWN, parts=parts)
            story.submitted_at = turned.at
        case StateEvent.REQUEUED:
            story.standing = _fresh(story.fixed)
            story.submitted_at = story.done_at = None
        case StateEvent.WRITTEN_OFF:
            story.standing = story.standing._replace(reason=NotSent.WRITTEN_OFF)
        case StateEvent.PARTLY:
            story.standing = story.standing._replace(reason=max(story.standing.reason, turned.reason))


def _receive(story: _Story, said: ReceiptEvent) -> None:
    """What changed nothing changes nothing here: it was repeated, or spoke of an earlier sending."""
    if not said.changed:
        return
    status, level = ReceiptStatus(said.status), ReceiptLevel(said.level)
    story.standing = apply_receipt(story.standing, said.part, status, level, said.reason)
    story.done_at = max(story.done_at or 0, said.done_at)
