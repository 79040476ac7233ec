"""The send loop of one carrier link: claim, reserve, submit, record. Read this file second.

Two halves of a sub-batch, A and B, then C and D, are in flight at a time. While one is on the wire, a single
commit records the results of the other and reserves the next:

    commit  claim  reserve A  reserve B      record A + reserve C   record B + reserve D  ...  record, release
    wire                   A: submit ... results ^         C: submit ........ results ^
                                      B: submit ............ results ^            D: submit ... results

So the carrier's window stays full, and a crash leaves at most what is in flight unknown: one sub-batch (both
halves), on a link that hands over lists `in_flight` of them as well. Nothing is submitted before its
reservation is committed. What a half cannot send within its reserved time is reserved
again and sent as a small half of its own (`_send_late`). A fast link claims its next chunk ahead.

Slices of a half go at their reserved times, slower when the carrier throttles. The times are reserved for all
processes of a link together, in its row of `link_pace`: `reserve` in app/ledger/engines/, called by `record`
in app/ledger/submit_results.py.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter, deque
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from app.core import clock
from app.core.states import LinkState
from app.dispatch import link_store
from app.dispatch.claims import (
    ChunkWatch,
    Claims,
    HalfInFlight,
    HeldChunk,
    NextChunk,
    SendContext,
    segments_of,
)
from app.dispatch.link_store import halt_unless_up_elsewhere, own_host
from app.dispatch.run_content import messages
from app.ledger.contract import SLOWEST, DeliveryToSend, Link, Reservation, SubmitOutcome
from app.observability.faults import outcome
from carriers.causes import cause_of
from carriers.contract import (
    NOT_SENT,
    Carrier,
    Deferred,
    OutboundSms,
    ReportsHealth,
    SubmitResult,
    Unknown,
)
from carriers.phrases import Phrase

log = structlog.get_logger(__name__)

_TRY_AGAIN_S = 300.0
# Where a half is over sooner, the next chunk is claimed before the present one is over: a claim takes as long
# as so many halves, and the wire would rest meanwhile.
_SOON_S, _LAST_HALVES = 0.05, 4
# Balances halving each second, so a link that is always throttled stays at SLOWEST.
_CLIMB_PER_S = SLOWEST / 2
_SLICE_S = 0.005
# Below the contract's rate, so that what a busy machine sends late does not overfill the next second.
_HEADROOM = 0.995
_SLACK_S = 0.003  # lateness up to this is made up for at once
_CATCH_UP = 0.9975  # share of the contract's rate at which the rest is made up for
_LATE_S = 0.01  # a slice later than this has missed its time
_SHORT_S = 0.05  # a half this short is over before anybody could reserve again
# The longest waits of a deferred message: short when throttled, since the pace itself comes down; long in a
# carrier's own trouble, which gets more time with each pass.
_LONGEST_WHEN_THROTTLED_S = 15.0
_LONGEST_IN_TROUBLE_S = 300.0
_SOON_AGAIN_S = 0.1
# A link whose share is hardly down refuses few answers by chance, not because we are too fast.
_HARDLY_DOWN, _FEW = 0.9, 0.1


def pause_s(result: Deferred, pass_no: int, *, rare: bool = False) -> float:
    """Return the seconds before the next pass: as the carrier asks, doubling with each pass up to a limit.

    A link that was down needs no wait once it is up again. rare: few of many were throttled, so retry soon.
    """
    if not (result.throttled or result.counts):
        return result.retry_after_s
    longest = _LONGEST_WHEN_THROTTLED_S if result.throttled else _LONGEST_IN_TROUBLE_S
    first = _SOON_AGAIN_S if rare and result.throttled else 1.0
    return max(result.retry_after_s, min(first * 2.0 ** min(pass_no - 1, 20), longest))


@dataclass(slots=True)
class Slot:
    """The time on the wire that a half has reserved, at a rate (monotonic seconds)."""

    start: float
    end: float

    @classmethod
    def of(cls, start: float, segments: int, rate: float) -> Slot:
        return cls(start, start + segments / rate)

    @property
    def is_long(self) -> bool:
        """Return whether sending half a sub-batch takes long enough for lateness to matter."""
        return self.end - self.start > _SHORT_S

    def overrun(self, after: float) -> bool:
        """Return whether what was due `after` the start has no time left; shift late slices within the slot.

        The time after the slot is reserved by others, and catching up would exceed the rate.
        """
        late = clock.monotonic() - self.start - after
        if late > _LATE_S and self.is_long:
            self.start += late
        return self.start + after > self.end + _LATE_S


@dataclass(slots=True)
class ThrottleShare:
    """The share of the contract's rate that the carrier bears now.

    Once a second it falls by the part of the answers that were throttled, by half at most, and climbs a
    little. So a carrier that takes three quarters of the rate soon gets about that, while random refusals of
    two messages in a hundred cost two in a hundred, not the pace. A half starts at the size of one call and
    doubles, like a congestion window.
    """

    segments_per_second: float
    share: float = 1.0
    most: float = 1.0  # the share of the run that was claimed last; at least SLOWEST
    per_submit: int = 1
    _since: float = field(default_factory=clock.monotonic)
    _answers: int = 0
    _throttled: int = 0
    _fits: int = 1  # segments that a half can send within its reserved time
    _free: float = 0.0  # when this process may hand over the next segment (monotonic)

    @property
    def now(self) -> float:
        return min(self.share, self.most)

    @property
    def rate(self) -> float:
        """Segments a second at which the next half is reserved and sent."""
        return self.segments_per_second * self.now * _HEADROOM

    async def turn(self, at: float) -> None:
        """Wait for the reserved time `at`, and until what went before has had its time on the wire."""
        await asyncio.sleep(max(at, self._free) - clock.monotonic())

    def spend(self, at: float, segments: int, rate: float) -> None:
        """Account for segments that are handed over now and were reserved for `at`."""
        quickest = rate / _HEADROOM * _CATCH_UP
        self._free = max(at, self._free, clock.monotonic() - _SLACK_S) + segments / quickest

    def heard(self, answers: int, throttled: int) -> None:
        """Count answers and how many of them were throttled; adjust the share once a second."""
        self._answers += answers
        self._throttled += throttled
        seconds = clock.monotonic() - self._since
        if seconds >= 1.0 and self._answers:
            down = max(0.5, 1 - self._throttled / self._answers)
            self.share = min(1.0, self.share * down + _CLIMB_PER_S * seconds)
            self._since, self._answers, self._throttled = clock.monotonic(), 0, 0

    def refuses_by_chance(self, answers: int, throttled: int) -> bool:
        return self.share >= _HARDLY_DOWN and throttled <= max(1, _FEW * answers)

    def went(self, segments: int, *, is_whole: bool) -> None:
        """Note how many segments a half sent in its time; twice as many may follow if that was all of it."""
        if not is_whole:
            self._fits = segments
        elif self._fits < segments * 2:
            self._fits = segments * 2

    def sub_batch(self, half: int) -> int:
        """Return how many segments to reserve: up to `half`, half a second's worth, and what fits."""
        fits = max(self._fits, self.per_submit)
        return max(1, min(half, int(self.segments_per_second * self.now / 2), fits))

    @staticmethod
    def slices(
        items: Sequence[DeliveryToSend], per_submit: int, rate: float
    ) -> Iterator[tuple[float, Sequence[DeliveryToSend]]]:
        """Yield (seconds after the first, items): about 5 ms' worth for each call of the carrier."""
        size = max(per_submit, int(rate * _SLICE_S))
        after, start = 0.0, 0
        while start < len(items):
            stop = start + max(1, size // items[start].segments)
            some = items[start:stop]
            yield after, some
            after += sum(item.segments for item in some) / rate
            start = stop


@dataclass(slots=True)
class SendLoop:
    """Send for one link until stop(); then let what is on the wire finish and release the rest."""

    link: Link
    carrier: Carrier
    context: SendContext
    owner: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    unrecorded: int = 0  # messages reserved, without a recorded result
    _pace: ThrottleShare = field(init=False)
    _claims: Claims = field(init=False)
    _ahead: NextChunk = field(init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _wire: deque[HalfInFlight] = field(default_factory=deque)
    _reserved: int = 0  # segments on the wire, and those whose time has not come
    _early: int = 0  # of these, the segments whose time has not come
    _chunk: HeldChunk | None = None
    _closed: bool = False
    _tried_at: float = field(default_factory=clock.monotonic)  # when this process last opened a refused link

    def __post_init__(self) -> None:
        self.owner = self.owner or f"{own_host()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._claims = Claims(self.context, self.link, self.owner)
        self._ahead = NextChunk(self._claims, self.link.name, self.context.lease_s)
        limits = self.carrier.limits
        self._pace = ThrottleShare(limits.segments_per_second, per_submit=limits.per_submit)

    def stop(self) -> None:
        """Stop claiming and withdraw what is not yet written; run() returns once the rest is recorded."""
        self._stopping.set()
        for chunk in self._chunks():
            chunk.permit.withdraw()
        self.wake.set()

    async def run(self) -> None:
        """Send until stop(). Raises DatabaseUnavailable if the database does not come back in time."""
        self._wire, self._chunk = deque(), None  # rerun after a fault
        self._reserved = self._early = self.unrecorded = 0
        watching = ChunkWatch(self.link, self.context, self._chunks).start()
        try:
            while not self._stopping.is_set():
                await self._step()
            await self._drain()
        finally:
            under_way = [*watching, *self._ahead.cancel(), *(flight.answers for flight in self._wire)]
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _step(self) -> None:
        self._chunk = self._chunk or self._claims.due()
        if self._chunk is None:
            self._chunk = await self._next_chunk()
        elif self._stopping.is_set() or not await self._link_ready():
            return  # without a link the adapter would only defer it
        if self._chunk is None:
            await self._drain(waiting=bool(self.carrier.halted()) or self._closed)
            await self._idle()
            return
        self._pace.most = self._chunk.content.share
        if self._capacity(self._chunk) and not self._waits_long():
            await self._reserve_next(self._chunk, [])
        else:
            await self._take_answers(self._chunk)

    def _capacity(self, chunk: HeldChunk) -> int:
        """Return how many segments the next half may have; 0 while too many are on the wire.

        Two halves of `sub_batch`; for a link that hands over lists, as many as its requests in flight hold,
        and the two halves that follow: else two requests of eight would ask a carrier with lists of 100.
        """
        limits, probing = self.carrier.limits, self._is_probing()
        request = self._request(chunk)
        half = 1 if probing else self._pace.sub_batch(max(self.context.sub_batch // 2, request))
        most = 2 * half if probing else max(2 * half, limits.in_flight * request + 2 * half)
        capacity = min(half, most - self._reserved, 2 * half - self._early)
        return capacity if 2 * capacity >= half or not self._wire else 0

    def _request(self, chunk: HeldChunk) -> int:
        """Return the segments of one request of a link that hands over lists; 0 for any other link."""
        most = self.carrier.limits.per_submit
        return most * chunk.lease.items[0].segments if most > 1 else 0

    def _is_fast(self, chunk: HeldChunk, rate: float) -> bool:
        """Return whether a whole half is over soon: the last one of a chunk may be small on any link."""
        half = max(self.context.sub_batch // 2, self._request(chunk))
        return half < _SOON_S * rate and not self._is_probing()

    def _waits_long(self) -> bool:
        """Return whether results wait behind many small halves; their receipts would come too early."""
        return len(self._wire) > 2 and self._wire[0].answers.done()

    def _is_probing(self) -> bool:
        """Return whether the link takes single messages only, to test whether it answers again."""
        return isinstance(self.carrier, ReportsHealth) and bool(self.carrier.health().probing)

    async def _next_chunk(self) -> HeldChunk | None:
        halted = self.carrier.halted()
        if self._closed:
            await self._sync_state(await self.context.db.write_with_retry(link_store.state, self.link.id))
            return None
        if halted is not None:
            if not await self.context.db.write_with_retry(
                halt_unless_up_elsewhere, self.link.id, self.owner, halted
            ):
                await self._stand_aside()
                return None
        elif not await self._link_ready():
            return None
        found = await self._ahead.take()
        if not isinstance(found, HeldChunk):
            await self._sync_state(found)
            return None
        if self._stopping.is_set():
            found.permit.withdraw()
        return found

    async def _stand_aside(self) -> None:
        """Retry the link now and then: this process is refused while another one has it up."""
        if clock.monotonic() - self._tried_at >= _TRY_AGAIN_S:
            self._tried_at = clock.monotonic()
            await self.carrier.open()

    async def _link_ready(self) -> bool:
        """Return whether the link can take a message; if not, first record what is on the wire."""
        ready = asyncio.ensure_future(self.carrier.ready())
        done, _ = await asyncio.wait({ready}, timeout=0)
        if not done:
            await self._drain()
            await asyncio.wait({ready}, timeout=1.0)
        if not ready.done():
            ready.cancel()
            return False
        return True

    async def _sync_state(self, state: LinkState) -> None:
        """Close the connection when the link is halted; open it when a person has resumed the link."""
        if state is LinkState.HALTED and not self._closed:
            await self._drain()
            log.error("link halted", link=self.link.name)
            await self.carrier.close()
            self._closed = True
        elif state is LinkState.RUNNING and self._closed:
            log.info("link resumed", link=self.link.name)
            await self.carrier.open()
            self._closed = False

    async def _idle(self) -> None:
        if self._stopping.is_set():
            return
        self.wake.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), self._claims.rest_s())

    # ---- Reserve, submit, record

    async def _reserve_next(self, chunk: HeldChunk, outcomes: Sequence[SubmitOutcome]) -> None:
        """Record outcomes of this chunk and reserve its next half in one commit, then send the half."""
        half = self._next_half(chunk)
        if not half:
            self._chunk = None
            if outcomes or chunk.over:
                await self._record(chunk, outcomes, None)
            return
        rate = self._pace.rate
        start = await self._record(chunk, outcomes, self._reservation(half, rate))
        if start is None:
            self._chunk = chunk if chunk.items else None
            return
        chunk.on_wire += len(half)
        self.unrecorded += len(half)
        self._reserved += segments_of(half)
        self._early += segments_of(half)
        self._launch(chunk, self._send(chunk, half, start, rate))
        if len(chunk.items) <= _LAST_HALVES * len(half) and self._is_fast(chunk, rate):
            self._ahead.start()

    def _reservation(self, items: Sequence[DeliveryToSend], rate: float) -> Reservation:
        stretch = self._pace.segments_per_second / rate
        return Reservation(items[-1].seq, segments_of(items), stretch, items[0].segments)

    def _launch(self, chunk: HeldChunk, work: Coroutine[None, None, list[SubmitOutcome]]) -> None:
        self._wire.append(HalfInFlight(chunk, asyncio.create_task(work)))

    def _next_half(self, chunk: HeldChunk) -> list[DeliveryToSend]:
        """Take the next half to reserve; none once the permit has ended, so the rest is queued again."""
        if not chunk.permit.stands:
            chunk.permit.withdraw()
            chunk.items.clear()
        return chunk.take(self._capacity(chunk))

    async def _record(
        self, chunk: HeldChunk, outcomes: Sequence[SubmitOutcome], then: Reservation | None
    ) -> float | None:
        """Commit; return when the reserved half may start (monotonic seconds), None if it may not."""
        asked = clock.monotonic()
        is_last = then is None and not chunk.items and chunk.on_wire == len(outcomes)
        if is_last:
            grant = await self._claims.record_last(chunk, outcomes)
        else:
            grant = await self._claims.record(chunk.lease, outcomes, then)
        chunk.on_wire -= len(outcomes)
        self.unrecorded -= len(outcomes)
        self._count(outcomes)
        if grant.held:
            chunk.permit.until = asked + self.context.lease_s
        if then is not None and grant.go:
            return grant.start
        if then is not None:
            chunk.refused(grant.left)
        if chunk.over and not is_last:
            await self._claims.release(chunk.lease, chunk.retry_after_s)
        return None

    async def _send(
        self, chunk: HeldChunk, items: Sequence[DeliveryToSend], start: float, rate: float
    ) -> list[SubmitOutcome]:
        """Submit the half in slices, each at its time, while the lease is valid."""
        sending: list[tuple[Sequence[DeliveryToSend], asyncio.Task[Sequence[SubmitResult]]]] = []
        outcomes: list[SubmitOutcome] = []
        slot, handed = Slot.of(start, segments_of(items), rate), 0
        if clock.monotonic() > slot.end:  # the commit outlasted the slot, and a new reservation could as well
            slot = Slot.of(clock.monotonic(), segments_of(items), rate)
        try:
            for after, some in self._pace.slices(items, self.carrier.limits.per_submit, rate):
                await self._written(slot)
                if slot.overrun(after):
                    self._launch(chunk, self._send_late(chunk, items[handed:], rate))
                    break
                if chunk.permit.stands:
                    await self._pace.turn(slot.start + after)
                self._pace.spend(slot.start + after, segments_of(some), rate)
                handed += len(some)
                self._early -= segments_of(some)
                some, stopped = chunk.sendable(some)
                outcomes += [SubmitOutcome(item, NOT_SENT) for item in stopped]
                if not some:
                    continue
                now = chunk.now()
                built = messages(chunk.content, chunk.lease, some, now, chunk.permit)
                sending.append((some, asyncio.create_task(self._submit(built))))
            self._pace.went(segments_of(items[:handed]), is_whole=handed == len(items))
            for some, task in sending:
                outcomes += [
                    SubmitOutcome(item, result) for item, result in zip(some, await task, strict=True)
                ]
        finally:
            for _, task in sending:
                task.cancel()
        return outcomes

    async def _written(self, slot: Slot) -> None:
        """Wait for the last slice to be written: behind a full window, slices would go in a burst later."""
        if slot.is_long:
            await asyncio.sleep(0)  # let its submit() begin
            await self.carrier.written()

    async def _send_late(
        self, chunk: HeldChunk, items: Sequence[DeliveryToSend], rate: float
    ) -> list[SubmitOutcome]:
        """Reserve new time for what a busy machine did not send in its own; not for what was stopped."""
        if not chunk.permit.stands:
            self._early -= segments_of(items)
            return [SubmitOutcome(item, NOT_SENT) for item in items]
        context, reservation = self.context, self._reservation(items, rate)
        grant = await context.db.write_with_retry(
            context.ledger.record, self.link, chunk.lease, [], reservation, context.lease_s
        )
        if not grant.go:
            self._early -= segments_of(items)
            return [SubmitOutcome(item, NOT_SENT) for item in items]
        return await self._send(chunk, items, grant.start, rate)

    async def _submit(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Return the results; Unknown after any fault of an adapter, since it may have sent the messages."""
        try:
            results = await self.carrier.submit(messages)
        except Exception as error:  # caught only here: an adapter's fault must not lose messages
            log.exception("the adapter failed", link=self.link.name, why=cause_of(error))
            return [Unknown(Phrase("the adapter failed: {error}", error=cause_of(error)))] * len(messages)
        if len(results) != len(messages):
            log.error("the adapter gave a wrong number of results", link=self.link.name)
            return [Unknown("the adapter gave a wrong number of results")] * len(messages)
        return results

    async def _take_answers(self, current: HeldChunk) -> None:
        """Record the older half; if it is of this chunk, reserve the next one in that commit."""
        chunk, outcomes = await self._oldest()
        if chunk is current and self._capacity(current):
            await self._reserve_next(current, outcomes)
        else:
            await self._record(chunk, outcomes, None)

    async def _oldest(self) -> tuple[HeldChunk, Sequence[SubmitOutcome]]:
        flight = self._wire[0]
        outcomes = await flight.answers
        self._wire.popleft()
        self._reserved -= sum(outcome.item.segments for outcome in outcomes)
        self._adjust_rate(flight.chunk, outcomes)
        return flight.chunk, outcomes

    async def _drain(self, *, waiting: bool = True) -> None:
        """Record everything on the wire; release the current chunk, and those that wait for another pass."""
        chunk, self._chunk = self._chunk, None
        ahead = await outcome(self._ahead.give_up())
        for each in (chunk, ahead):
            if isinstance(each, HeldChunk):
                each.items.clear()
                if each.over:
                    await self._claims.release(each.lease, each.retry_after_s)
        while self._wire:
            late, outcomes = await self._oldest()
            await self._record(late, outcomes, None)
        if waiting:
            await self._claims.give_up()
        if isinstance(ahead, BaseException):
            raise ahead  # not before: a fault of a claim must not make unknown what is on the wire

    def _adjust_rate(self, chunk: HeldChunk, outcomes: Sequence[SubmitOutcome]) -> None:
        deferred = [o.result for o in outcomes if isinstance(o.result, Deferred)]
        throttled = sum(getattr(o.result, "throttled", False) for o in outcomes)
        self._pace.heard(len(outcomes), throttled)
        rare = self._pace.refuses_by_chance(len(outcomes), throttled)
        for result in deferred:
            pause = pause_s(result, chunk.lease.pass_no, rare=rare)
            chunk.retry_after_s = max(chunk.retry_after_s, pause)

    def _count(self, outcomes: Sequence[SubmitOutcome]) -> None:
        for kind, n in Counter(type(each.result).__name__.lower() for each in outcomes).items():
            self.context.metrics.submitted(self.link.name, kind, n)
        self.context.metrics.in_flight(self.link.name, self.unrecorded)

    def _chunks(self) -> list[HeldChunk]:
        held = [
            self._chunk,
            self._ahead.held,
            *(flight.chunk for flight in self._wire),
            *self._claims.waiting,
        ]
        return list({id(c): c for c in held if c}.values())
