"""One simulated campaign day: three runs over two links, workers, two message centres and an operator."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select, update

from app.batches.follow_up_job import make_here
from app.campaigns import approval, follow_ups, lifecycle
from app.campaigns import runs as run_orders
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.quiet_hours import DayHours
from app.campaigns.runs import Verb
from app.core.config import Settings
from app.core.errors import AppError, DatabaseUnavailable
from app.core.states import ChunkState, DeliveryState, LinkState, RunState
from app.database import jobs
from app.database.connection import Database
from app.database.models import (
    campaigns,
    chunks,
    deliveries,
    links,
    run_batches,
    runs,
    subscribers,
)
from app.dispatch import unknown_decisions
from app.file_import.leased_import import FOLLOW_UP
from app.ledger import money, unreached
from app.ledger.ledger import ledger_for
from app.ledger.unreached import Outcome
from app.observability.metrics import Metrics
from app.privacy import do_not_send
from app.runtime.worker import Worker
from app.security import Caller
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.operations import OPERATIONS, carry_out
from tests.simulate.database import Disk, SimulatedDatabase
from tests.simulate.network import Network
from tests.simulate.power import Power
from tests.simulate.script import BEHAVIOUR, Event, Script
from tests.simulate.start import (
    BUDGET,
    CHUNK,
    LIMITED,
    PARTS,
    PLAN,
    PORTS,
    RATE,
    ROUND_TEXTS,
    SUB_BATCH,
    TEXTS,
    settings,
)
from tests.simulate.virtual_loop import Program, VirtualLoop, WallClock

BUSY = (
    "queueing",
    "closing",
    "runs",
    "quarantine",
    "leases",
    "clock",
)  # the sweeps that look again every 2 s
PACE_S = 2.0
CHUNK_S = 4.0  # how long what a worker has claimed may still be on its way
LATE_S = 1.5  # how long after an order a part may still come
HOURS_S = 0.1  # how long after the end of the hours one may still come: what the network takes, a few times

_PEOPLE = Caller("people", "admin")
# Whom a follow-up is for: with UNKNOWN, a second copy is possible, which people confirm by its number.
_NOT_REACHED = (Outcome.UNDELIVERED, Outcome.EXPIRED, Outcome.UNKNOWN, Outcome.REJECTED)
_MAYBE_TWICE = (DeliveryState.UNDELIVERED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN)
_OPEN = (DeliveryState.QUEUED, DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)
_HOURS = DayHours("07:00", "21:00")


class Violated(Exception):
    """A promise was broken; the message says which, with the numbers."""


# ---- The world


class _Taken(list[tuple[int, bytes]]):
    """The parts that a centre takes; a second copy of one is a violation at once."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def append(self, part: tuple[int, bytes]) -> None:
        super().append(part)
        self._world.saw(part)


@dataclass(slots=True)
class World:
    """All that lives in one simulation."""

    script: Script
    loop: VirtualLoop
    network: Network
    clock: WallClock
    whole: Database
    chance: random.Random
    centres: list[Smsc] = field(default_factory=list)
    workers: dict[int, tuple[Program, Worker]] = field(default_factory=dict)
    taken: dict[tuple[int, bytes], int] = field(default_factory=dict)
    # A follow-up -> its source, and to whom it may send although the centre has its source's message.
    rounds: dict[int, tuple[int, frozenset[int]]] = field(default_factory=dict)
    came: list[tuple[float, int]] = field(default_factory=list)  # when a part came, and for whom
    left_out: dict[int, float] = field(default_factory=dict)  # who asked for no messages, and when
    ended: list[Program] = field(default_factory=list)  # kept, so that nothing of theirs is collected
    spent: int = 0  # parts of the campaign with a budget
    broken: list[str] = field(default_factory=list)
    still: dict[int, float] = field(default_factory=dict)  # runs that people have stopped, and when
    _latest: tuple[deque[float], deque[float]] = field(default_factory=lambda: (deque(), deque()))
    disk: Disk = field(init=False)
    desk: SimulatedDatabase = field(init=False)

    power: Power | None = None

    def __post_init__(self) -> None:
        self.disk = Disk(random.Random(f"disk {self.script.seed}"), power=self.power)
        self.disk.without_power = self.lose_power
        self.desk = SimulatedDatabase(self.whole, Disk(random.Random(0), power=self.power))
        self.desk._disk.without_power = self.lose_power

    def saw(self, part: tuple[int, bytes]) -> None:
        copies = self.taken[part] = self.taken.get(part, 0) + 1
        self.came.append((self.loop.now, part[0]))
        if which_text(part[1]) == 2:
            self.spent += 1
            if self.spent > BUDGET:
                self.broken.append(f"at {self.loop.now:.3f} s part {self.spent} of a budget of {BUDGET} came")
        if copies > 1:
            self.broken.append(
                f"at {self.loop.now:.3f} s the centre took a copy of {part[1]!r} for {part[0]}"
            )
        self._saw_round(part)
        if self.script.is_prompt():
            self._saw_promptly(part)

    def _saw_round(self, part: tuple[int, bytes]) -> None:
        """Look whether a round writes to somebody a second time, or its source does after it."""
        campaign = which_text(part[1]) + 1
        for number, (source, twice) in self.rounds.items():
            pair = {source: number, number: source}.get(campaign)
            if pair is None or part[0] in twice:
                continue
            has = [text for phone, text in self.taken if phone == part[0] and which_text(text) + 1 == pair]
            if len(has) == PARTS[pair - 1]:
                self.broken.append(
                    f"at {self.loop.now:.3f} s {part[0]} got campaign {campaign} as a second SMS after {pair}"
                )

    def _saw_promptly(self, part: tuple[int, bytes]) -> None:
        """Look at when it came: not after the hours, not above the pace, not of a run that stands still."""
        now, latest = self.loop.now, self._latest[part[0] < 84_900_000_000]
        if not 7 * 3600 <= self.clock.time_of_day_s() <= 21 * 3600 + HOURS_S:
            self.broken.append(f"at {now:.3f} s a part came outside the sending hours")
        latest.append(now)
        while latest[0] < now - PACE_S:
            latest.popleft()
        # On SQLite, where one process sends, what two reserve is soon too far ahead to be kept (decision 16).
        if self.script.workers == 1 and len(latest) > RATE * PACE_S + SUB_BATCH:
            self.broken.append(f"at {now:.3f} s {len(latest)} parts came within {PACE_S:g} s")
        if now > self.left_out.get(part[0], now) + CHUNK_S:
            self.broken.append(f"at {now:.3f} s a part came for {part[0]}, who had asked for none")
        text = which_text(part[1])
        run = 2 if text == 0 and part[0] < 84_900_000_000 else dict(enumerate((1, 3, LIMITED))).get(text, 0)
        if now > self.still.get(run, now) + LATE_S:
            self.broken.append(f"at {now:.3f} s a part of run {run} came, which has been told to stop")

    async def begin(self) -> None:
        for number, port in enumerate(PORTS):
            own = Program(f"centre {number}")
            centre = Smsc(self._usual(number), port, host="10.0.0.1")
            await self.loop.start(own, _opened(centre))
            centre._texts = _Taken(self)
            self.centres.append(centre)
        for number in range(self.script.workers):
            self.start_worker(number)

    def _usual(self, number: int) -> SmscBehaviour:
        return SmscBehaviour(seed=self.script.seed + number, receipt_timeout_s=4.0)

    def start_worker(self, number: int) -> None:
        """Start this worker, unless it is at work: two events may each end and start it."""
        if number in self.workers:
            return
        program, db = Program(f"worker {number}"), SimulatedDatabase(self.whole, self.disk)
        worker = Worker(db, ledger_for(db, CHUNK), settings(), Metrics())
        for sweep in worker.sweeps:
            sweep.every_s = 2.0 if sweep.name in BUSY else 12.0
        self.workers[number] = (program, worker)
        self.loop.start(program, _run(worker))

    # ---- Events

    async def play(self) -> None:
        """Let every event happen at its time."""
        await asyncio.gather(*(self._event(each) for each in self.script.events))

    async def _event(self, event: Event) -> None:
        await asyncio.sleep(event.at)
        if event.kind in BEHAVIOUR:
            await self._misbehave(event)
        else:
            await getattr(self, "_" + event.kind.split()[0])(event)

    async def _misbehave(self, event: Event) -> None:
        centre = self.centres[event.which % 2]
        usual = SmscBehaviour()
        own = BEHAVIOUR[event.kind]
        with suppress(ValueError):  # two events whose shares are more than 1 together
            centre.change(**own)
        await asyncio.sleep(event.lasts)
        centre.change(**{name: getattr(usual, name) for name in own})

    async def _partition(self, event: Event) -> None:
        port = PORTS[event.which % 2]
        self.network.partition(port)
        await asyncio.sleep(event.lasts)
        self.network.heal(port)

    async def _reset(self, event: Event) -> None:
        self.network.reset(PORTS[event.which % 2])

    async def _unbind(self, event: Event) -> None:
        self.centres[event.which % 2].unbind_all()

    async def _restart(self, event: Event) -> None:
        centre = self.centres[event.which % 2]
        centre.stop_accepting()
        centre.drop_all()
        await asyncio.sleep(event.lasts)
        if centre.server is None:
            await centre.start_accepting()

    async def _kill(self, event: Event) -> None:
        await self._end_worker(event, self.network.end_of)

    async def _power(self, event: Event) -> None:
        await self._end_worker(event, self.network.vanish)

    async def _end_worker(self, event: Event, disconnect: Callable[[Program], None]) -> None:
        number = event.which % self.script.workers
        if number in self.workers:
            program, _ = self.workers.pop(number)
            self._kill_program(program)
            disconnect(program)
            await asyncio.sleep(event.lasts)
            self.start_worker(number)

    def _kill_program(self, program: Program) -> None:
        program.killed = True
        self.ended.append(program)

    async def _freeze(self, event: Event) -> None:
        number = event.which % self.script.workers
        if number in self.workers:
            program, _ = self.workers[number]
            program.frozen = True
            await asyncio.sleep(event.lasts)
            self.loop.thaw(program)

    async def _stop(self, event: Event) -> None:
        number = event.which % self.script.workers
        if number in self.workers:
            program, worker = self.workers.pop(number)
            self.loop.call_soon(worker.stop, context=program.context())
            await asyncio.sleep(max(event.lasts, 1.0))
            self.start_worker(number)

    async def _disk(self, event: Event) -> None:
        what = event.kind.removeprefix("disk ")
        if what == "slow":
            self.disk.takes_s = (0.1, 1.5)
        else:
            self.disk.error, self.disk.failing = what, 0.2 + 0.8 * abs(event.value)
        await asyncio.sleep(event.lasts)
        self.disk.takes_s, self.disk.failing = Disk(self.chance).takes_s, 0.0

    async def _current(self, _: Event) -> None:
        if self.disk.power is not None:
            self.disk.power.fail_soon(self.chance)

    def lose_power(self) -> None:
        """End every worker with the machine; it starts again with what its disk has kept."""
        assert self.disk.power is not None
        for number, (program, _) in tuple(self.workers.items()):
            self._kill_program(program)
            self.network.vanish(program)
            del self.workers[number]
            after = self.chance.uniform(0.1, 6.0)
            self.loop.call_later(after, self.start_worker, number, context=Context())  # of no killed program
        self.disk.power.back(self.chance)

    async def _clock(self, event: Event) -> None:
        size = (2.0, 60.0, 7200.0, 86_400.0)[event.which % 4]
        self.clock.ahead_s += event.value * size

    # ---- What people do

    def _order(self, verb: Verb, run: int) -> None:
        with suppress(AppError):
            run_orders.order(self.desk, verb, run, "people")
            if verb is Verb.RESUME:
                self.still.pop(run, None)
            else:
                self.still.setdefault(run, self.loop.now)

    async def _pause(self, event: Event) -> None:
        run = event.which % len(PLAN) + 1
        self._order(Verb.PAUSE, run)
        await asyncio.sleep(event.lasts)
        self._order(Verb.RESUME, run)

    async def _cancel(self, event: Event) -> None:
        self._order(Verb.CANCEL, event.which % len(PLAN) + 1)

    async def _follow(self, event: Event) -> None:
        """People write again to those whom a campaign has not reached, also while it sends."""
        await asyncio.sleep(event.lasts)
        with suppress(AppError):
            self.follow_up(event.which % 2 + 1)

    def follow_up(self, source: int) -> None:
        """Make a round of this campaign by the acts of people, and start its runs."""
        db, nth = self.desk, self.desk.read(_newest) - len(TEXTS)
        if nth >= len(ROUND_TEXTS):
            return
        counts = db.read(unreached.counts, [source], (), _NOT_REACHED)
        copies = sum(count.subscribers for count in counts if count.cause.outcome is Outcome.UNKNOWN)
        wanted = FollowUpRequest(
            (source,), _NOT_REACHED, changes={"text": ROUND_TEXTS[nth]}, second_copies=copies
        )
        made = db.write(follow_ups.create, wanted, _HOURS, "people")
        for job in db.read(jobs.due, [FOLLOW_UP]):
            make_here(db, int(job.subject.removeprefix("batch ")))
        self.rounds[made] = (source, frozenset(db.read(_perhaps_twice, made, source)))
        db.write(lifecycle.submit, made, "people")
        db.write(approval.approve, made, Caller("boss", "approver"), reason="a test", acknowledged=True)
        own = select(runs.c.id).where(runs.c.campaign_id == made)
        for run in db.read(lambda c: c.execute(own).scalars().all()):
            run_orders.order(db, Verb.START, run, "people")

    def waits_for_another(self, campaign: int, phone: int) -> bool:
        """Whether a message waits until it is known whether another round has reached its number."""
        family = {number: source for number, (source, _) in self.rounds.items()}
        own = family.get(campaign, campaign)
        others = {own, *(number for number, source in family.items() if source == own)} - {campaign}
        d = deliveries.c
        query = select(d.seq).where(d.campaign_id.in_(others), d.phone == phone, d.state.in_(_OPEN))
        return self.desk.read(lambda c: c.execute(query).first()) is not None

    async def _write(self, event: Event) -> None:
        await asyncio.sleep(event.lasts)
        with suppress(AppError):
            unknown_decisions.write_off(
                self.desk, ledger_for(self.desk, CHUNK), _all_of(event.which % len(PLAN) + 1)
            )

    async def _do(self, event: Event) -> None:
        first = event.which % PLAN[0][2]
        numbers = [f"0912000{n:03}" for n in range(first, first + 3)]
        with suppress(AppError):  # the power may fail just then
            self.desk.write(do_not_send.add, "viettel", numbers, "people")
            for number in numbers:
                self.left_out.setdefault(84_000_000_000 + int(number), self.loop.now)

    async def _rate(self, event: Event) -> None:
        with suppress(AppError):
            rate = 1 + round(abs(event.value) * 10)
            run = event.which % len(PLAN) + 1
            carry_out(self.desk, "set_rate", "people", run_id=run, segments_per_second=rate)

    async def _priority(self, event: Event) -> None:
        with suppress(AppError):
            value = round(event.value * 100)
            carry_out(self.desk, "set_priority", "people", run_id=event.which % len(PLAN) + 1, priority=value)

    # ---- The end

    async def rest(self) -> None:
        """Heal everything, let people resume what stands still, and wait until nothing is left to do."""
        for number, port in enumerate(PORTS):
            self.network.heal(port)
            centre = self.centres[number]
            centre.behaviour = self._usual(number)
            if centre.server is None:
                await centre.start_accepting()
        if not 7 * 3600 <= self.clock.time_of_day_s() < 20 * 3600:
            self.clock.to_morning()
        ends = self.loop.now + 300.0
        looks = 0  # at rest in a row: what a late holder gives back sets a run going again within seconds
        while (looks := looks + 1 if self._is_at_rest() else 0) < 3:
            if self.loop.now > ends:
                raise Violated(f"after 300 s without a fault something still waits: {self._waits()}")
            with suppress(DatabaseUnavailable):  # a failure of the power that was still to come
                self.desk.write(self._resume)
            await asyncio.sleep(2.0)

    def _resume(self, c: Connection) -> None:
        for link in (
            c.execute(select(links.c.id).where(links.c.state == LinkState.HALTED.value)).scalars().all()
        ):
            OPERATIONS["resume_link"].work(self.desk, Settings(), _PEOPLE, {}, link_id=link)(c)
        paused = select(runs.c.id).where(runs.c.state == RunState.PAUSED.value)
        for run in c.execute(paused).scalars().all():
            c.execute(update(runs).where(runs.c.id == run).values(segments_per_second=None))
            with suppress(AppError):  # of the one whose budget is spent
                run_orders.act(c, Verb.RESUME, run, "people")
                self.still.pop(run, None)
        c.execute(update(runs).values(segments_per_second=None))
        self.desk.wake(c)

    def _is_at_rest(self) -> bool:
        states = dict(
            self.desk.read(lambda c: [tuple(row) for row in c.execute(select(runs.c.id, runs.c.state))])
        )
        if self.desk.read(money.spent, [3]):
            held = select(chunks.c.run_id).where(chunks.c.state == ChunkState.LEASED)
            if LIMITED not in self.desk.read(lambda c: c.execute(held).scalars().all()):
                del states[LIMITED]  # it waits for a larger budget
        waiting = self.desk.read(_queued)
        for run in [run for run in states if run in waiting]:
            if all(self.waits_for_another(*message) for message in waiting[run]):
                del states[run]
        at_rest = {RunState.SENT, RunState.FINISHED, RunState.CANCELLED}
        at_rest |= {RunState.PLANNED}  # of a round that a failing disk has kept from being started
        return at_rest.issuperset(states.values()) and not any(each.outstanding() for each in self.centres)

    def _waits(self) -> str:
        states = self.desk.read(lambda c: c.execute(select(runs.c.state)).scalars().all())
        return f"runs {states}, receipts {[each.outstanding() for each in self.centres]}"


async def _run(worker: Worker) -> None:
    with suppress(DatabaseUnavailable):  # it was told to stop, and its disk did not come back
        await worker.run()


async def _opened(centre: Smsc) -> None:
    await centre.__aenter__()


def which_text(start: bytes) -> int:
    """Return whose text begins so, or goes on so: the second alone has another part."""
    return next((n for n, text in enumerate((*TEXTS, *ROUND_TEXTS)) if text.encode().startswith(start)), 1)


def _newest(c: Connection) -> int:
    return int(c.execute(select(func.max(campaigns.c.id))).scalar_one())


def _perhaps_twice(c: Connection, made: int, source: int) -> list[int]:
    """Return the numbers of a round whose source's message has failed by a receipt, or is unknown."""
    d, s, b = deliveries.c, subscribers.c, run_batches.c
    query = select(s.phone).join(run_batches, b.batch_id == s.batch_id).join(deliveries, d.phone == s.phone)
    query = query.where(b.campaign_id == made, d.campaign_id == source, d.state.in_(_MAYBE_TWICE))
    return list(c.execute(query).scalars())


def _queued(c: Connection) -> dict[int, list[tuple[int, int]]]:
    """Return campaign and number of what is queued, by run."""
    found: dict[int, list[tuple[int, int]]] = {}
    d = deliveries.c
    query = select(d.run_id, d.campaign_id, d.phone).where(d.state == DeliveryState.QUEUED)
    for run, campaign, phone in c.execute(query):
        found.setdefault(run, []).append((campaign, phone))
    return found


def _all_of(run: int) -> unknown_decisions.UnknownOrder:
    return unknown_decisions.UnknownOrder(run, "people")
