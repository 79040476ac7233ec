"""One ledger's life: acts of links, carriers, people and time, through the product's functions, each held
against the rules as soon as it is committed."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from app.batches.follow_up_job import make_here
from app.campaigns import approval, budget_orders, follow_ups, lifecycle
from app.campaigns import runs as run_orders
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.runs import Verb
from app.core import clock
from app.core.clock import DAY_MS
from app.core.config import SuspendSettings
from app.core.errors import AppError
from app.core.states import RunState
from app.database import jobs
from app.database.models import (
    batches,
    campaigns,
    erasures,
    receipt_files,
    receipt_lines,
    run_batches,
    runs,
    subscribers,
)
from app.dispatch import (
    restore_recovery,
    run_content,
    run_sweeps,
    suspend_sweep,
    unknown_decisions,
)
from app.dispatch.unknown_decisions import UnknownOrder
from app.file_import.leased_import import FOLLOW_UP
from app.ledger.contract import Arrival, ChunkLease, DeliveryToSend, Link, Reservation, SubmitOutcome
from app.ledger.ledger import ledger_for
from app.ledger.transfer import copy_ledger
from app.ledger.unreached import CAUSED, Cause, Outcome
from app.privacy import do_not_send, person_requests
from app.privacy.erasable import RetentionTerms
from app.privacy.eraser import Eraser
from app.receipts.result_files.result_import_job import ResultFileImport
from app.security import Caller
from carriers import contract
from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    Partial,
    Reason,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
    Unknown,
)
from tests.ledger_life import rules, scene
from tests.ledger_life.places import LifeDatabase, Places
from tests.ledger_life.rules import (
    NOT_SENT,
    QUEUED,
    REJECTED,
    UNKNOWN,
    Books,
    Broken,
    Campaign,
    Copy,
    Key,
    Message,
    Row,
    Run,
)
from tests.operations import carry_out

LEASE_S, GRACE_S = 8.0, 10
PATIENCE_DAYS = 5  # after which a run waits for receipts no more
RETENTION_DAYS = 90
CHIEF = Caller("chief", "approver")
_OFF = SuspendSettings(failed_percent=0, refused_percent=0, unknown_percent=0, daily_messages=0)
_ROWS = """SELECT campaign_id, batch_id, seq, state, reason, parts, delivered, relayed, failed,
                  submitted_at, attempts
             FROM deliveries WHERE campaign_id < 1000 OR campaign_id >= 1024"""
_TOLD = "SELECT campaign_id, batch_id, seq, part, raw FROM receipts WHERE raw <> ''"
_WAITING = "SELECT raw FROM quarantine"
_RUNS = "SELECT id, state, ended_at FROM runs WHERE id < 1000 OR id >= 1024"

Options = dict[Key, list[Message]]


@dataclass(slots=True)
class Audience:
    """Whom a follow-up has at a carrier. perhaps: with those whose message a result file may claim.

    copies: how many of them may get the text twice.
    """

    sure: set[int] = field(default_factory=set)
    perhaps: set[int] = field(default_factory=set)
    copies: int = 0


@dataclass(eq=False, slots=True)
class Hand:
    """A process with a chunk. wire: halves in flight, each message with the answer that its carrier gave.

    apart: the campaigns that were no rounds of its own when it claimed the chunk; a follow-up to both can
    make them so later, and each still sends what was approved for itself.
    """

    name: str
    link: Link
    lease: ChunkLease
    items: list[DeliveryToSend]
    wire: list[list[tuple[DeliveryToSend, Copy, Any]]] = field(default_factory=list)
    put_off: bool = False
    most: int | None = None
    apart: frozenset[int] = frozenset()

    @property
    def chunk(self) -> tuple[int, int, int]:
        return self.lease.campaign_id, self.lease.batch_id, self.lease.first_seq

    def key(self, item: DeliveryToSend) -> Key:
        return Key(self.lease.campaign_id, self.lease.batch_id, item.seq)

    def covers(self, key: Key) -> bool:
        lease = self.lease
        return key[:2] == (lease.campaign_id, lease.batch_id) and lease.first_seq <= key.seq <= lease.last_seq


@dataclass(eq=False, slots=True)
class Told:
    """A receipt that a carrier brought. sure: it bears an id that Loa knows, and its message is its own."""

    raw: str
    phone: int | None
    reference: str | None
    status: str
    handset: bool
    reason: int
    copy: Copy | None = None
    part: int = 0
    key: Key | None = None
    gone: bool = False


class Life:
    def __init__(self, places: Places, engine: str, past: bool, theme: str = "all") -> None:
        self.theme = theme
        self.places, self.mixes = places, _MIXES.get(theme, _MIXES["all"])
        self.db: LifeDatabase = places.sqlite(past) if engine == "sqlite" else places.postgresql(past)
        self.ledger = ledger_for(self.db, scene.CHUNK)
        self.books, self.links = (
            _books(),
            [
                Link(n, name, carrier, group, pace_id=n)
                for n, (name, carrier, group, _) in enumerate(scene.LINKS, 1)
            ],
        )
        self.hands: list[Hand] = []
        self.holders: dict[tuple[int, int, int], Hand] = {}
        self.wire: list[Copy] = []
        self.told: dict[str, Told] = {}
        for each in self.books.campaigns.values():
            days = scene.PLAN[each.id - 1][3]
            each.ends_at = 0 if days is None else self.places.now.look() + days * DAY_MS
        self.seen: set[tuple[Any, ...]] = set()
        self.trace: list[str] = []
        self.set_back = self.copied = False
        self.restored_at = 0
        self.claimed: set[tuple[str, int]] = set()  # numbers in result files, by carrier
        self.past = past
        self.costs: list[int] = []
        self.opened: set[int] = set()
        self.locks: dict[str, set[int]] = {}
        self.names = 0
        self.db.counting = past and not self.db.sqlite

    # ---- A step

    def step(self, kind: str, dice: int) -> None:
        chance, db, before = random.Random(dice), self.db, self.db.asked
        self.db.locks, self.db.opened = set(), set()
        try:
            said = getattr(self, "do_" + kind)(chance)
        finally:
            self.trace.append(f"{kind} {dice}")
        if said:
            self.trace[-1] += f": {said}"
        self.costs.append(self.db.asked - before if self.db is db else 0)  # a copy is another database
        if kind not in ("erase", "copy"):
            self.opened |= self.db.opened
        self.locks.setdefault(kind, set()).update(self.db.locks)

    def _try(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do what people ask for, which may be refused in words."""
        try:
            return work(*args, **kwargs)
        except AppError as error:
            return error

    # ---- Rows against rules

    def sync(
        self,
        sure: Options | None = None,
        perhaps: Callable[[Message], list[Message]] | None = None,
        gone: bool = False,
    ) -> None:
        """Read all rows. Each is as it was, or what this act and the receipts may make of it."""
        rows, told, waits, states = self.db.look(_ROWS, _TOLD, _WAITING, _RUNS)
        for run, state, ended in states:
            mine = self.books.run(run)
            if mine.state in (rules.FINISHED, rules.RUN_CANCELLED) and state != mine.state:
                raise Broken(f"run {run} was {mine.state}, and is {state}: what is over stays over")
            mine.state, mine.ended_at = state, ended or 0
        self._receipts(told, [raw for (raw,) in waits], gone)
        fresh: defaultdict[Key, list[tuple[int, Told]]] = defaultdict(list)
        for row in told:
            if row not in self.seen:
                fresh[Key(*row[:3])].append((row[3], self.told[_name(row[4])]))
        self.seen = set(told)
        found = {Key(*row[:3]): row[3:] for row in rows}
        if missing := self.books.messages.keys() - found.keys():
            raise Broken(f"the messages {sorted(missing)[:3]} are gone")
        for key, row in found.items():
            old = self.books.messages.get(key)
            if old is None:
                raise Broken(f"{key} was queued, and nobody had ordered that")
            options = list((sure or {}).get(key, [old]))
            if perhaps is not None:
                options += perhaps(old)
            news = sorted(fresh.get(key, ()), key=lambda each: (int(each[1].raw[1:]), each[0]))
            seen = Row(*row[:6])
            for option in options:
                made = self._with(option, news)
                if made.row == seen:
                    made.sent_at, made.passed = row[6] or 0, row[7]
                    self.books.messages[key] = made
                    break
            else:
                said = " or ".join(str(self._with(each, news).row) for each in options)
                raise Broken(
                    f"{_short(key)} is {seen}, and by the rules {said}; it was {old.row};"
                    f" receipts: {[(p, t.status, t.raw) for p, t in news]}"
                )

    def _with(self, message: Message, news: Sequence[tuple[int, Told]]) -> Message:
        for part, one in news:
            message = message.told(part, one.status, one.handset, one.reason)
        return message

    def _receipts(self, told: Sequence[Any], waiting: Sequence[str], gone: bool) -> None:
        """Each receipt is in one place, and has moved no message but one that it may be about."""
        places: defaultdict[str, set[Key | None]] = defaultdict(set)
        for row in told:
            places[_name(row[4])].add(Key(*row[:3]))
        for raw in waiting:
            places[_name(raw)].add(None)
        for raw, one in self.told.items():
            where = places.get(raw, set())
            if not where and (one.gone or gone):
                one.gone = True
                continue
            if len(where) != 1:
                raise Broken(f"receipt {raw} is in {len(where)} places: {where}")
            key = next(iter(where))
            if key != one.key:
                if one.key is not None:
                    raise Broken(f"receipt {raw} has left {one.key} for {key}")
                self._may_be_about(one, key)
                one.key = key

    def _may_be_about(self, one: Told, key: Key | None) -> None:
        assert key is not None
        message = self.books.messages[key]
        if one.phone is not None and one.phone != message.phone:
            raise Broken(f"receipt {one.raw} for {one.phone} moves a message to {message.phone}")
        if one.reference is None:
            return
        known = {ref for each in message.copies if each.learnt for ref in each.refs}
        if one.copy is not None and one.copy.learnt:
            if key != one.copy.key:
                raise Broken(
                    f"receipt {one.raw} bears an id of {_short(one.copy.key)}, and moves {_short(key)}"
                )
        elif one.reference not in known and not any(not each.learnt for each in message.copies):
            raise Broken(
                f"receipt {one.raw} bears a foreign id, and moves {_short(key)}, whose ids are all known"
            )

    # ---- Links

    def do_send(self, chance: random.Random) -> str:
        """A process claims a chunk and goes on for some commits; then it lives on, or stops for good."""
        hand = self._claim(chance)
        if hand is None:
            return "nothing to claim"
        commits = chance.choice((0, 1, 2, 3, 30) if self.theme == "lost" else (0, 0, 1, 2, 3, 30, 30))
        done = self._go(hand, commits, chance)
        if hand in self.hands and chance.random() < (0.7 if self.theme == "lost" else 0.3):
            self.hands.remove(hand)
            done += ", and is killed"
        return done

    def do_flush(self, chance: random.Random) -> str:
        """Processes send all that is due, chunk by chunk."""
        said = []
        for _ in range(6):
            hand = self._claim(chance)
            if hand is None:
                break
            said.append(self._go(hand, 30, chance))
        return "; ".join(said)

    def do_settle(self, chance: random.Random) -> str:
        """So many days pass that nothing is waited for, and runs move on."""
        self.do_sweep(chance)
        self._wait(6 * DAY_MS)
        return self.do_sweep(chance)

    def do_go_on(self, chance: random.Random) -> str:
        """A process goes on, however long it was silent: its lease may have been taken over."""
        if not self.hands:
            return ""
        return self._go(chance.choice(self.hands), chance.choice((1, 2, 30)), chance)

    def _claim(self, chance: random.Random, link: Link | None = None) -> Hand | None:
        """Claim a chunk: of any run, or of one of them. link: over this one, whatever it finds."""
        waiting = {m.run for m in self.books.messages.values() if m.state == QUEUED}
        mine = [
            run
            for each in self.books.campaigns.values()
            for run in each.runs
            if run.id in waiting and run.state == rules.RUNNING
        ]
        among = None
        if link is None:
            if not mine and chance.random() < 0.9:
                return None
            carriers = {run.carrier for run in mine} or {"viettel"}
            link = chance.choice([each for each in self.links if each.carrier in carriers])
            own = [run.id for run in mine if run.carrier == link.carrier]
            among = [chance.choice(own)] if own and chance.random() < 0.6 else None
        self.names += 1
        name = f"w{self.names}"
        found = self.db.write(run_content.claim, self.ledger, link, name, LEASE_S, among)
        if not isinstance(found, run_content.ClaimedChunk):
            self.sync()
            return None
        apart = self.books.campaigns.keys() - self.books.rounds(found.lease.campaign_id)
        hand = Hand(name, link, found.lease, list(found.lease.items), apart=frozenset(apart))
        before = self._taken_over(hand)
        self._check_claim(hand, before)
        self.hands.append(hand)
        return hand

    def _taken_over(self, hand: Hand) -> dict[Key, int]:
        """What the holder before had on the wire is unknown; who is not to be written to is left out.

        Return in which pass each of its messages was put off last.
        """
        sure: Options = {}
        before = {m.key: m.passed for m in self.books.messages.values() if hand.covers(m.key)}
        for key in before:
            message = self.books.messages[key]
            if message.pending is not None:
                sure[key] = [message.lost()]
            elif message.state == QUEUED:
                sure[key] = self._left_out(message) or [message]
        self.sync(sure)
        self.holders[hand.chunk] = hand
        for key in [key for key in self.books.hands if hand.covers(key)]:
            del self.books.hands[key]
        return before

    def _left_out(self, message: Message) -> list[Message]:
        """Whoever has asked for no messages is left out, and whom another round has reached."""
        if message.state != QUEUED or message.pending is not None:
            return []
        if self._is_listed(message):
            return [message.closed(rules.DO_NOT_SEND)]
        reached = self.books.reached_by(message, self.places.now.look())
        return [message.closed(rules.OTHER_ROUND)] if reached else []

    def _is_listed(self, message: Message) -> bool:
        return (self.books.run(message.run).carrier, message.phone) in self.books.listed

    def _check_claim(self, hand: Hand, before: dict[Key, int]) -> None:
        """What is to be sent may be; what is not waits for another round, and for nothing else."""
        now, to_send = self.places.now.look(), {hand.key(item) for item in hand.items}
        for key in to_send:
            message = self.books.messages[key]
            if message.state != QUEUED or message.pending is not None:
                raise Broken(f"{_short(message.key)} is to be sent, and is {message.row}")
            if why := self.books.reached_by(message, now) or self.books.awaited_by(message, now):
                raise Broken(f"a second SMS: {_short(message.key)} is to be sent in spite of {why}")
            if self._is_listed(message):
                raise Broken(f"{_short(message.key)} is to be sent to who has asked for none")
        for key, passed in before.items():
            message = self.books.messages[key]
            waits = message.state == QUEUED and key not in to_send and passed < hand.lease.pass_no
            if waits and not self.books.awaited_by(message, now):
                raise Broken(f"{_short(key)} waits, and no other round is to reach its number")
        self.books.hands |= dict.fromkeys(to_send, hand)

    def _go(self, hand: Hand, commits: int, chance: random.Random) -> str:
        start, where = commits, f"{hand.name} of {hand.chunk} on {hand.link.name}"
        mix = chance.choice(self.mixes)
        while commits and hand in self.hands:
            commits -= 1
            if hand.items and len(hand.wire) < 2 and (not hand.wire or chance.random() < 0.5):
                self._reserve(hand, [], chance, mix)
            elif hand.wire:
                self._record(hand, chance, mix)
            else:
                self._release(hand, chance)
        return f"{where}, {start - commits} commits"

    def _half(self, hand: Hand, chance: random.Random) -> list[DeliveryToSend]:
        half, left = hand.items[: chance.randint(1, 2)], hand.most
        while left is not None and half and sum(one.segments for one in half) > left:
            half.pop()
        if not half:
            hand.items.clear()
        return half

    def _reserve(
        self,
        hand: Hand,
        outcomes: list[SubmitOutcome],
        chance: random.Random,
        mix: str,
        sure: Options | None = None,
        half: list[DeliveryToSend] | None = None,
    ) -> Any:
        half = self._half(hand, chance) if half is None else half
        then = (
            Reservation(half[-1].seq, sum(one.segments for one in half), 1.0, half[0].segments)
            if half
            else None
        )
        twice = chance.random() < 0.1  # the answer to its commit is lost, so it is done once more
        for _ in range(1 + twice):
            grant = self.db.write(self.ledger.record, hand.link, hand.lease, outcomes, then, LEASE_S)
        self._fenced(hand, grant.held)
        if half and grant.go:
            self._put_on_wire(hand, half, chance, mix)
        elif half:
            hand.items = [] if grant.left is None else hand.items
            hand.most = grant.left
            if grant.left is not None and half[0].segments > grant.left:
                hand.items = []
        if not outcomes:
            self.sync()
        return grant

    def _fenced(self, hand: Hand, held: bool) -> None:
        if held and self.holders.get(hand.chunk) is not hand:
            raise Broken(f"{hand.name} still holds {hand.chunk}, which another process has taken over")

    def _put_on_wire(self, hand: Hand, half: list[DeliveryToSend], chance: random.Random, mix: str) -> None:
        self._fenced(hand, True)
        budget = self.books.campaigns[hand.lease.campaign_id].budget
        if budget is not None:
            self.books.spent[budget] += sum(one.segments for one in half)
            if self.books.spent[budget] > self.books.limits[budget]:
                raise Broken(
                    f"budget {budget}: {self.books.spent[budget]} of {self.books.limits[budget]} parts"
                )
        del hand.items[: len(half)]
        phones = [one.phone for one in half]
        going, out = self.db.read(run_content.still_going, hand.link, [hand.lease.run_id], phones)
        flight = []
        for item in half:
            message = self.books.messages[hand.key(item)]
            if message.state != QUEUED or message.pending is not None:
                raise Broken(f"{_short(message.key)} was reserved, and is {message.row}")
            stopped = hand.lease.run_id not in going or item.phone in out
            if not stopped and self._is_listed(message):
                raise Broken(f"{_short(message.key)} goes out though its person has asked for none")
            copy, answer = self._carrier(message, hand, chance, mix, stopped)
            message.pending = copy
            message.link = hand.link.id
            flight.append((item, copy, answer))
        hand.wire.append(flight)

    def _carrier(self, message: Message, hand: Hand, chance: random.Random, mix: str, stopped: bool) -> Any:
        self.names += 1
        refs = tuple(f"m{self.names}.{part}" for part in range(message.segments))
        copy = Copy(
            message.key,
            message.phone,
            hand.link.id,
            refs,
            False,
            chance.random() < 0.7,
            at=self.places.now.look(),
        )
        if stopped:
            return copy, contract.NOT_SENT
        self.wire.append(copy)
        message.copies.append(copy)
        what = chance.choices(*_ANSWERS[mix])[0]
        copy.taken = what in ("ok", "partial") or (what == "timeout" and chance.random() < 0.5)
        if what == "duplicate":
            copy.taken = chance.random() < 0.5
        if copy.taken:
            self._taken(message, hand)
        return copy, _answer(what, copy, chance)

    def _taken(self, message: Message, hand: Hand) -> None:
        """A message is taken once. A second SMS of one of its rounds is what a person has chosen and counted.

        That is: the other one has failed by a receipt, or was perhaps there and was chosen as such.
        """
        if sum(copy.taken for copy in message.copies) > 1:
            raise Broken(f"{_short(message.key)}: the carrier has taken it twice")
        own = self.books.campaigns[message.key.campaign]
        for other in self.books.others(message):
            failed = other.state in (rules.UNDELIVERED, rules.EXPIRED)
            if failed or other.key.campaign in hand.apart or not any(copy.taken for copy in other.copies):
                continue
            if other.key.campaign < own.id and own.outcomes.intersection(rules.PERHAPS):
                continue
            raise Broken(
                f"a second SMS: the carrier has {_short(other.key)} ({rules.NAMES[other.state]}),"
                f" and takes {_short(message.key)} to the same person"
            )

    def _record(self, hand: Hand, chance: random.Random, mix: str) -> None:
        flight = hand.wire.pop(0)
        outcomes = [SubmitOutcome(item, answer) for item, _, answer in flight]
        halted = any(isinstance(answer, Halted) for _, _, answer in flight)
        half = self._half(hand, chance) if hand.items and len(hand.wire) < 2 and chance.random() < 0.6 else []
        grant = self._reserve(hand, outcomes, chance, mix, half=half)
        if halted and grant.go:
            raise Broken("a link that a carrier has halted goes on")
        sure: Options = {}
        for _, copy, answer in flight:
            sure[copy.key] = self._after(hand, copy, answer, grant.held)
        before = {key: self.books.messages[key] for key in sure}
        self.sync(sure)
        for _, copy, answer in flight:
            self._learnt(hand, copy, answer, before[copy.key], grant.held)
            if isinstance(answer, Deferred | Halted):
                hand.put_off = True
                if self.books.hands.get(copy.key) is hand:
                    del self.books.hands[copy.key]
        if not grant.held:
            hand.items = []

    def _after(self, hand: Hand, copy: Copy, answer: Any, held: bool) -> list[Message]:
        """What this answer may make of its message: held, or of a lease that was lost."""
        message = self.books.messages[copy.key]
        what, refs, refused, reason = _words(answer)
        if held:
            if message.pending is not copy:
                raise Broken(f"{hand.name} holds its chunk, and {_short(copy.key)} is not its own any more")
            after = message.answered(what, refs, refused, reason).but(pending=None)
            return [after.but(code=_code(answer))]
        if message.state != UNKNOWN:
            return [message]
        late = message.answered(what, refs, refused, reason)
        if what == "ok":
            return [late]
        if what in ("deferred", "fault", "halted"):
            over = self.books.run(message.run).state == rules.FINISHED
            return [message] if over else [message, message.back()]
        return [message] if what == "unknown" else [message, late.but(code=_code(answer))]

    def _learnt(self, hand: Hand, copy: Copy, answer: Any, old: Message, held: bool) -> None:
        now = self.books.messages[copy.key]
        what, *_ = _words(answer)
        was = held or (old.state == UNKNOWN and (now.state != UNKNOWN or what == "ok"))
        copy.learnt = copy.learnt or (was and what in ("ok", "partial"))
        budget = self.books.campaigns[copy.key.campaign].budget
        free = what in ("deferred", "fault", "halted", "rejected")
        if budget is not None and was and free and now.state in (QUEUED, REJECTED, NOT_SENT):
            self.books.spent[budget] -= now.segments

    def _release(self, hand: Hand, chance: random.Random) -> None:
        if hand.put_off and chance.random() < 0.5:
            items = self.db.write(self.ledger.next_pass, hand.lease, hand.link.carrier)
            if items:
                self._fenced(hand, True)
                before = self._taken_over(hand)
                hand.lease = replace(hand.lease, pass_no=hand.lease.pass_no + 1, items=items)
                hand.items, hand.put_off, hand.most = list(items), False, None
                self._check_claim(hand, before)
                return
        self.db.write(self.ledger.release, hand.lease, chance.choice((0.0, 5.0)))
        self.hands.remove(hand)
        if self.holders.get(hand.chunk) is hand:
            self._free(hand.chunk)
        self.sync(perhaps=self._left_out)  # by a pass of which nothing was left

    def _free(self, chunk: tuple[int, int, int]) -> None:
        hand = self.holders.pop(chunk, None)
        for key in [key for key, one in self.books.hands.items() if one is hand]:
            del self.books.hands[key]

    def do_expire(self, _: random.Random) -> str:
        """The sweep that calls unknown what a dead process may have sent."""
        before = dict(self.holders)
        for run in [run.id for each in self.books.campaigns.values() for run in each.runs]:
            self.db.write(self.ledger.expire_leases, run, 4)
        self.sync(perhaps=lambda m: [m.lost()] if m.pending is not None else [])
        self._drop_lost(before)
        return ""

    def _drop_lost(self, before: dict[tuple[int, int, int], Hand]) -> None:
        """Chunks that no process holds any more, by their rows."""
        held = self.db.read(_held)
        for chunk, hand in before.items():
            if held.get(chunk) != hand.name:
                self._free(chunk)
                for message in self.books.messages.values():
                    if hand.covers(message.key) and message.pending is not None and message.state != QUEUED:
                        message.pending = None

    # ---- Carriers

    def do_receipts(self, chance: random.Random) -> str:
        """A group of receipts: early ones, several times the same, without an id, and of other programs."""
        taken = [
            copy for copy in self.wire if copy.taken and not self.books.campaigns[copy.key.campaign].erased
        ]
        fresh = [copy for copy in taken if not copy.told] or taken
        group: list[tuple[Link, Told]] = []
        for copy in chance.sample(fresh, min(len(fresh), chance.choice((1, 2, 4, 8)))):
            group += self._about(copy, chance)
        if chance.random() < 0.15 or not group:
            phone = scene.FIRST + chance.randrange(8) if chance.random() < 0.5 else 84_999_000_001
            self.names += 1
            group.append((self.links[0], Told("", phone, f"x{self.names}", "delivered", True, 0)))
        if chance.random() < 0.1:
            group.append((group[0][0], replace(group[0][1])))
        chance.shuffle(group)
        arrivals = []
        for link, one in group:
            self.names += 1
            one.raw = f"r{self.names}"
            self.told[one.raw] = one
            level = ReceiptLevel(scene.LINKS[link.id - 1][3])
            phone = None if one.phone is None else str(one.phone)
            at = datetime.fromtimestamp(self.places.now.look() / 1000, UTC) if chance.random() < 0.6 else None
            arrivals.append(
                Arrival(
                    link,
                    Receipt(
                        one.reference,
                        phone,
                        ReceiptStatus(one.status),
                        level,
                        Reason(one.reason),
                        "000",
                        at,
                        one.raw,
                    ),
                )
            )
        self.db.write(self.ledger.apply, arrivals)
        self.sync()
        self._placed([one for _, one in group])
        return ", ".join(f"{one.status} {one.reference or 'without an id'}" for _, one in group)

    def _about(self, copy: Copy, chance: random.Random) -> list[tuple[Link, Told]]:
        link = self.links[copy.link - 1]
        link = chance.choice([each for each in self.links if each.group_id == link.group_id])
        handset = scene.LINKS[link.id - 1][3] == ReceiptLevel.HANDSET
        good = "delivered" if copy.arrives else chance.choice(("undelivered", "expired"))
        status, reason = ("in_transit", 0) if chance.random() < 0.15 else (good, 0)
        if status in ("undelivered", "expired"):
            reason = chance.choice((0, int(Reason.HANDSET), int(Reason.BARRED)))
        copy.told += status != "in_transit"
        parts = [part for part, reference in enumerate(copy.refs) if reference is not None]
        if chance.random() < 0.3:
            parts = [chance.choice(parts)]
        if chance.random() < (0.5 if self.theme == "lost" else 0.15):
            return [(link, Told("", copy.phone, None, status, handset, reason, copy))]
        phone = copy.phone if chance.random() < 0.8 else None
        return [
            (link, Told("", phone, copy.refs[part], status, handset, reason, copy, part)) for part in parts
        ]

    def _placed(self, group: Iterable[Told]) -> None:
        """With an id that Loa knows it is applied at once, unless clocks were set or its message is old."""
        for one in group:
            known = one.copy is not None and one.copy.learnt and one.reference is not None
            waits = known and one.key is None and not self.set_back and not one.gone
            if waits and self._is_recent(one):
                raise Broken(f"receipt {one.raw} with the known id {one.reference} waits")

    def _is_recent(self, one: Told) -> bool:
        return one.copy is not None and self.places.now.look() - _sent_at(self, one.copy) < 4 * DAY_MS

    def do_rematch(self, _: random.Random) -> str:
        """Look again at the receipts that wait."""
        found = self.db.write(self.ledger.rematch, 100)
        self.sync()
        return f"{found.matched} matched"

    def do_file(self, chance: random.Random) -> str:
        """A carrier's result file about some of what it has taken; without ids, as such files are."""
        carrier = chance.choice(("viettel", "viettel", "vnpt"))
        mine = [
            copy
            for copy in self.wire
            if copy.taken
            and scene.LINKS[copy.link - 1][1] == carrier
            and not self.books.campaigns[copy.key.campaign].erased
        ]
        if not mine:
            return ""
        some = chance.sample(mine, min(len(mine), chance.randint(1, 4)))
        lines = []
        for number, copy in enumerate(some, 2):
            self.names += 1
            status = "delivered" if copy.arrives else "undelivered"
            self.claimed.add((carrier, copy.phone))
            one = Told(f"r{self.names}", copy.phone, None, status, carrier == "viettel", 0, copy)
            lines.append(
                {
                    "line": number,
                    "phone": copy.phone,
                    "status": status,
                    "said": one.raw,
                    "done_at": self.places.now.look(),
                }
            )
            self.told[one.raw] = one
            one.gone = True  # a line that is judged to say nothing new is no receipt
        named = chance.choice((None, some[0].key.campaign))
        number = self.db.write(_file, carrier, named, lines, f"{self.names}")
        job = ResultFileImport(self.db, number)
        job.claim()
        source = job.source()
        while job.apply(self.ledger, source):
            pass
        job.finish([])
        self.sync()
        return f"{len(lines)} lines of {carrier}"

    # ---- People

    def do_start(self, chance: random.Random) -> str:
        return self._order(chance, Verb.START, rules.PLANNED)

    def do_pause(self, chance: random.Random) -> str:
        return self._order(chance, Verb.PAUSE, rules.RUNNING)

    def do_resume(self, chance: random.Random) -> str:
        return self._order(chance, Verb.RESUME, rules.PAUSED)

    def do_cancel(self, chance: random.Random) -> str:
        return self._order(chance, Verb.CANCEL, rules.RUNNING, rules.PAUSED)

    def _order(self, chance: random.Random, verb: Verb, *states: str) -> str:
        mine = [run.id for each in self.books.campaigns.values() for run in each.runs if run.state in states]
        if not mine:
            return ""
        run = chance.choice(mine)
        found = self._try(run_orders.order, self.db, verb, run, "operator")
        self.sync()
        return f"run {run} {found if isinstance(found, AppError) else ''}"

    def do_queue(self, chance: random.Random) -> str:
        """Queue what is due, in slices: nobody twice in a campaign, and nobody who has asked for none."""
        said = []
        while (due := self.db.read(run_sweeps.next_due)) is not None:
            limit = chance.choice((2, 3, 10))
            self.db.write(self.ledger.open_campaign, due.campaign_id)
            self.db.write(self.ledger.fan_out, due.run_id, due.batch_id, due.segments, limit)
            self._queued(due.run_id, due.batch_id, due.segments)
            said.append(f"batch {due.batch_id}")
            if chance.random() < 0.2:
                break
        return ", ".join(said)

    def _queued(self, number: int, batch: int, segments: int) -> None:
        run, upto = self.books.run(number), self.db.read(_upto, batch)
        there = {m.phone for m in self.books.messages.values() if m.key.campaign == run.campaign}
        made = {Key(*row[:3]) for row in self.db.look(_ROWS)[0]}
        for seq, phone, area in run.batches[batch]:
            key = Key(run.campaign, batch, seq)
            if seq > upto or key in self.books.messages or key in self.books.excluded:
                continue
            message = Message(key, run.id, phone, area, segments)
            if (run.carrier, phone) in self.books.listed:
                why = rules.DO_NOT_SEND
            elif phone in there:
                why = rules.REPEATED
            else:
                why = 0
            follows = bool(self.books.campaigns[run.campaign].sources)
            reached = self.books.reached_by(message, self.places.now.look(), claimed=False) if follows else ""
            if key in made and (why or reached):
                raise Broken(f"{_short(key)} is queued in spite of {why or reached}")
            if key not in made and not (why or reached):
                raise Broken(f"{_short(key)} is left out, and no other round has reached its number")
            if key in made:
                self.books.messages[key] = message
                there.add(phone)
            else:
                self.books.excluded[key] = self.db.read(_why, key)
        self.sync()

    def do_write_off(self, chance: random.Random) -> str:
        run = self._with_state(chance, UNKNOWN)
        if run is None:
            return ""
        found = self._try(
            unknown_decisions.write_off, self.db, self.ledger, UnknownOrder(run, "boss", reason="so")
        )
        off = rules.WRITTEN_OFF
        self.sync(
            {
                key: [m.but(reason=off)]
                for key, m in self.books.messages.items()
                if m.run == run and m.state == UNKNOWN and not isinstance(found, AppError)
            }
        )
        return f"run {run}: {found}"

    def _with_state(self, chance: random.Random, state: int) -> int | None:
        mine = sorted({m.run for m in self.books.messages.values() if m.state == state})
        return chance.choice(mine) if mine else None

    def do_follow_up(self, chance: random.Random) -> str:
        """A round to those whom earlier ones did not reach: asked for, filled, approved, mostly started.

        Of campaigns that are over, and of some that still send.
        """
        begun = {m.key.campaign for m in self.books.messages.values()}
        if not begun or len(self.books.campaigns) > 8:
            return ""
        sources = tuple(sorted(chance.sample(sorted(begun), min(len(begun), chance.choice((1, 1, 2))))))
        wanted = self._wanted(sources, chance)
        fresh = Campaign(1_000_000, 0, None, [], None, sources, _causes(wanted))
        self.books.campaigns[fresh.id] = fresh  # so that it is a round of its sources
        by_carrier = {
            carrier: self._audience(fresh, carrier)
            for carrier in ("viettel", "vnpt")
            if carrier in (wanted.carriers or (carrier,))
        }
        del self.books.campaigns[fresh.id]
        copies = sum(each.copies for each in by_carrier.values() if each.sure)
        some = fresh.outcomes.intersection(rules.SECOND_COPIES)
        wanted = replace(wanted, second_copies=copies if some else None)
        made = self._try(self.db.write, follow_ups.create, wanted, scene.HOURS, "lan")
        if isinstance(made, AppError):
            self._refused(made, by_carrier)
            return f"{sources}: {made.detail[:70]}"
        for job in self.db.read(jobs.due, [FOLLOW_UP]):
            make_here(self.db, int(job.subject.removeprefix("batch ")))
        fresh = self.db.read(_campaign, made, fresh, self.books)
        self.books.campaigns[made] = fresh
        self._check_audience(fresh, by_carrier)
        done = self._try(self.db.write, lifecycle.submit, made, "lan")
        if not isinstance(done, AppError):
            done = self._try(
                self.db.write,
                approval.approve,
                made,
                Caller("boss", "approver"),
                reason="a test",
                acknowledged=True,
            )
        if isinstance(done, AppError):
            del self.books.campaigns[made]
            self.db.write(lambda c: c.execute(run_batches.delete().where(run_batches.c.campaign_id == made)))
            self.db.write(lambda c: c.execute(runs.delete().where(runs.c.campaign_id == made)))
            return f"{sources}: {done.detail[:70]}"
        self.sync()
        if chance.random() < 0.5:
            for run in fresh.runs:
                self._try(run_orders.order, self.db, Verb.START, run.id, "operator")
            self.sync()
            self.do_queue(chance)
        return f"{made} of {sources}, {[cause.spelt() for cause in wanted.causes]} {wanted.outcomes}"

    def _wanted(self, sources: tuple[int, ...], chance: random.Random) -> FollowUpRequest:
        """Choose outcomes, some by reason and code; a window or none; all carriers or one."""
        outcomes = [each for each in Outcome if chance.random() < 0.6] or [Outcome.REJECTED]
        causes = list[Cause]()
        for outcome in [each for each in outcomes if each in CAUSED]:
            what = chance.choice(("usual", "all", "reason", "code"))
            reason = chance.choice((Reason.SYSTEM, Reason.SYSTEM, Reason.HANDSET, Reason.BARRED))
            if what == "all":
                causes.append(Cause(outcome))
            elif what == "code" and outcome is Outcome.REJECTED:
                causes.append(Cause(outcome, Reason.SYSTEM, chance.choice(("45", "46", "58"))))
            elif what != "usual":
                causes += [Cause(outcome, reason), Cause(outcome, Reason.OTHER)]
        ends = chance.choice((None, None, 2, 8, 30))
        at = clock.from_ms(self.places.now.look() + (ends or 0) * DAY_MS)
        return FollowUpRequest(
            sources,
            tuple(outcomes),
            causes=tuple(causes),
            carriers=chance.choice(((), (), (), ("viettel",))),
            changes={} if ends is None else {"window_end": at},
        )

    def _audience(self, fresh: Campaign, carrier: str) -> Audience:
        """Whom a round made now has at a carrier, by the rules."""
        found, now = Audience(), self.places.now.look()
        for message in self.books.messages.values():
            if message.key.campaign not in fresh.sources or self.books.run(message.run).carrier != carrier:
                continue
            outcome = self.books.outcome(message, now)
            if (carrier, message.phone) in self.books.listed or not fresh.takes(outcome, message):
                continue
            if any(
                self.books.keeps_out(fresh, other, now)
                for other in self.books.messages.values()
                if other.phone == message.phone
                and other.key.campaign != message.key.campaign
                and other.key.campaign in self.books.rounds(fresh.id)
            ):
                continue
            if any(
                other.key.campaign in fresh.sources and other.key.campaign > message.key.campaign
                for other in self.books.messages.values()
                if other.phone == message.phone
                and (other.state != NOT_SENT or other.reason in (rules.CANCELLED, rules.WINDOW_CLOSED))
            ):
                continue
            if message.state == REJECTED and ("Trùng" in message.code or message.sent_at <= self.restored_at):
                continue
            found.perhaps.add(message.phone)
            if message.state != REJECTED or (carrier, message.phone) not in self.claimed:
                found.sure.add(message.phone)
                found.copies += outcome in rules.SECOND_COPIES
        return found

    def _refused(self, error: AppError, by_carrier: dict[str, Audience]) -> None:
        """A round with people in it is made, with the number of second copies that the rules count."""
        if self.set_back or not any(each.sure for each in by_carrier.values()):
            return
        if error.detail.startswith(("There is no one to follow up", "Nobody knows whether")):
            people = {name: sorted(p - scene.FIRST for p in each.sure) for name, each in by_carrier.items()}
            raise Broken(f"a follow-up to {people} is refused: {error.detail}")

    def _check_audience(self, fresh: Campaign, by_carrier: dict[str, Audience]) -> None:
        made = {run.carrier: run for run in fresh.runs}
        for carrier, wanted in by_carrier.items():
            batches_of = made[carrier].batches.values() if carrier in made else ()
            listed = {phone for lines in batches_of for _, phone, _ in lines}
            if not wanted.sure <= listed <= wanted.perhaps and not self.set_back:
                raise Broken(
                    f"follow-up {fresh.id} is to {sorted(p - scene.FIRST for p in listed)} at {carrier}, "
                    f"and by the rules to {sorted(p - scene.FIRST for p in wanted.sure)}"
                )

    def do_opt_out(self, chance: random.Random) -> str:
        """Persons ask for no messages; now and then so many in one request as it may have."""
        carrier = chance.choice(("viettel", "viettel", "viettel", "vnpt"))
        persons = [
            scene.FIRST + chance.choice((*range(7), 20, 21, 22)) for _ in range(chance.choice((1, 1, 2)))
        ]
        if (
            held := sorted({one.phone for hand in self.hands for one in hand.items})
        ) and chance.random() < 0.5:
            persons[0] = chance.choice(held)
        many = chance.random() < (0.2 if held else 0.01)
        more = [84_970_000_000 + n for n in range(5_500)] if many else []
        self.db.write(
            do_not_send.add, carrier, [f"0{phone - 84_000_000_000}" for phone in (*persons, *more)], "lan"
        )
        self.books.listed |= {(carrier, phone) for phone in persons}
        self.sync()
        return f"{carrier} {[phone - scene.FIRST for phone in persons]}{' and many' if more else ''}"

    def do_opt_in(self, chance: random.Random) -> str:
        if not self.books.listed:
            return ""
        carrier, phone = chance.choice(sorted(self.books.listed))
        self.db.write(do_not_send.remove, carrier, [f"0{phone - 84_000_000_000}"], "lan")
        self.books.listed.discard((carrier, phone))
        self.sync()
        return f"{carrier} {phone - scene.FIRST}"

    def do_budget(self, chance: random.Random) -> str:
        campaign = chance.choice(sorted(self.books.limits))
        wanted = self.books.limits[campaign] + chance.choice((1, 2, 4, -1))
        asked = self._try(self.db.write, budget_orders.ask, campaign, wanted, "more", "lan")
        if isinstance(asked, AppError):
            return asked.detail[:60]
        done = self._try(self.db.write, budget_orders.approve, campaign, asked.number, CHIEF)
        if not isinstance(done, AppError):
            self.books.limits[campaign] = wanted
        self.sync()
        return f"campaign {campaign}: {wanted} {done if isinstance(done, AppError) else ''}"

    def do_link(self, _: random.Random) -> str:
        said = [self._try(carry_out, self.db, "resume_link", link_id=link.id) for link in self.links]
        return f"{sum(not isinstance(each, AppError) for each in said)} resumed"

    def do_person(self, chance: random.Random) -> str:
        """A person asks what is held on their number."""
        today = clock.local(clock.now()).date()
        new = person_requests.NewPersonRequest(
            f"0912000{chance.randrange(100):03d}", person_requests.RequestKind.SEE, today, "a letter"
        )
        self._try(self.db.write, person_requests.record, new, "lan")
        return ""

    # ---- Time, and what workers do by themselves

    def do_wait(self, chance: random.Random) -> str:
        return self._wait(chance.choice((1, 5, 20, 20, 60)) * 1000)

    def do_days(self, chance: random.Random) -> str:
        return self._wait(chance.choice((DAY_MS // 24, DAY_MS, 6 * DAY_MS)))

    def do_long(self, chance: random.Random) -> str:
        """Months: what is over may be erased then."""
        return self._wait(chance.choice((60, 95, 130)) * DAY_MS)

    def do_back(self, chance: random.Random) -> str:
        """The clock of the ledger is set back."""
        self.set_back = True
        return self._wait(-chance.choice((30, 600, 3600, 10_000)) * 1000)

    def _wait(self, ms: int) -> str:
        """Let time pass beside a worker, which notes a campaign an hour after its end."""
        self.places.move(self.db, ms)
        if ms > 0:
            self.do_note(random.Random(0))
        return f"{ms / 1000:g} s"

    def do_sweep(self, _: random.Random) -> str:
        """Close what is cancelled or past its window, move runs on, fold what was counted."""
        before = dict(self.holders)
        for run in self.db.read(run_sweeps.to_close, self.ledger):
            while self.db.write(run_sweeps.close, self.ledger, run):
                pass
        closing = dict(self.db.read(_closing))

        def closed(message: Message) -> list[Message]:
            if message.pending is not None:
                return [message.lost()]
            return (
                [message.closed(closing[message.run])]
                if message.state == QUEUED and message.run in closing
                else []
            )

        self.sync(perhaps=closed)
        self._drop_lost(before)
        moved = self.db.write(run_sweeps.advance, self.ledger, PATIENCE_DAYS * DAY_MS)
        self.sync()
        return f"{moved} runs moved"

    def do_fold(self, _: random.Random) -> str:
        self.db.write(self.ledger.fold_tallies)
        return ""

    def do_note(self, _: random.Random) -> str:
        while self.db.read(self.ledger.to_note):
            self.db.write(self.ledger.note_last)
        return ""

    def do_suspend(self, _: random.Random) -> str:
        """Runs that share a budget with no room for the next message pause themselves."""
        paused = self.db.write(suspend_sweep.look, _OFF, self.db)
        self.sync()
        return f"paused {paused}" if paused else ""

    def do_erase(self, _: random.Random) -> str:
        """The worker's retention: what is due is erased, and its figures stay."""
        eraser = Eraser(self.db, self.ledger, RetentionTerms(RETENTION_DAYS, 1200))
        asyncio.run(eraser.run(asyncio.Event()))
        said = []
        for campaign, at in self.db.read(_erased):
            mine = self.books.campaigns.get(campaign)
            if mine is not None and not mine.erased:
                self._erased(mine, at)
                said.append(str(campaign))
        self.sync(gone=True)
        return ", ".join(said)

    def _erased(self, mine: Campaign, at: int) -> None:
        for run in mine.runs:
            if run.state == rules.PLANNED and mine.ends_at and at > mine.ends_at + RETENTION_DAYS * DAY_MS:
                continue
            if run.state not in rules.OVER or (
                not self.set_back and at - run.ended_at < RETENTION_DAYS * DAY_MS
            ):
                raise Broken(f"campaign {mine.id} is erased, whose run {run.id} is {run.state}")
        mine.counted = set(self.books.delivered(mine.id))
        mine.erased, mine.erased_at = True, at
        for key in [key for key in self.books.messages if key.campaign == mine.id]:
            message = self.books.messages.pop(key)
            self.books.gone[message.run].append(message)

    # ---- The end

    def rest(self) -> None:
        """Let kind carriers take all that is due: who waits is written to once nothing bars it any more.

        What is due is sent; a few days later also what waited for receipts; and no window is left open.
        """
        chance = random.Random("rest")
        self.mixes, self.theme = ("kind",), "rest"
        self.hands.clear()
        for days in (0, 6):
            self._wait(20_000_000 + days * DAY_MS)
            self.do_expire(chance)
            self.do_link(chance)
            self.do_sweep(chance)
            self.do_queue(chance)
            for _ in range(4):
                self._send_all(chance)
                self._wait(200_000)
            self.do_sweep(chance)
            self._nothing_left()

    def _send_all(self, chance: random.Random) -> None:
        for link in self.links:
            while (hand := self._claim(chance, link)) is not None:
                self._go(hand, 30, chance)

    def _nothing_left(self) -> None:
        now = self.places.now.look()
        for message in self.books.messages.values():
            own = self.books.campaigns[message.key.campaign]
            if message.state != QUEUED:
                continue
            if own.ends_at and own.ends_at < now and not self.set_back:
                raise Broken(f"{_short(message.key)} is queued, and its window is over")
            if self.books.run(message.run).state != rules.RUNNING or own.budget is not None:
                continue
            if not self.books.awaited_by(message, now):
                raise Broken(f"{_short(message.key)} is left behind: nothing bars it, and nobody sends it")

    # ---- To another engine

    def do_copy(self, chance: random.Random) -> str:
        """The ledger is copied from SQLite to PostgreSQL, where a person has it go on."""
        if not self.db.sqlite or not self.places.has_server or self.past:
            return ""
        target = self.places.empty()
        copy_ledger(self.db, target)
        parts = target.read(_partitions)
        live = {key.campaign for key in self.books.messages}
        if parts != live:
            raise Broken(
                f"the copy has tables for the campaigns {sorted(parts)}, and {sorted(live)} have messages"
            )
        self.db, self.ledger, self.copied = target, ledger_for(target, scene.CHUNK), True
        self.hands.clear()  # those processes had the file
        if chance.random() < 0.7:
            target.write(restore_recovery.trust, self.ledger, "lan")
        else:
            return self._restored(target)
        self.sync()
        return "trusted"

    def _restored(self, target: LifeDatabase) -> str:
        """Nobody knows what was sent since: what live runs had to send is unknown, and counted as spent."""
        target.write(self.ledger.reclaim)
        before = {key: m for key, m in self.books.messages.items() if m.state == QUEUED and m.pending is None}
        live = {
            run.id
            for each in self.books.campaigns.values()
            for run in each.runs
            if run.state in (rules.RUNNING, rules.PAUSED)
        }
        while (due := target.read(run_sweeps.next_due, (RunState.RUNNING, RunState.PAUSED))) is not None:
            target.write(run_sweeps.fan_out, self.ledger, due)
            self._queued(due.run_id, due.batch_id, due.segments)
        before = {key: m for key, m in self.books.messages.items() if m.state == QUEUED and m.pending is None}
        restore_recovery.mark_live_runs_unknown(target, self.ledger, "lan")
        sure = {
            key: [m.lost()] for key, m in self.books.messages.items() if m.state == QUEUED and m.run in live
        }
        for key, message in before.items():
            budget = self.books.campaigns[key.campaign].budget
            if message.run in live and budget is not None:
                self.books.spent[budget] += message.segments
        self.sync(sure)
        self.holders.clear()
        self.books.hands.clear()
        from app.ledger import restore_acknowledgement

        target.write(restore_acknowledgement.enter, "lan")
        self.restored_at = self.places.now.look()
        return "marked unknown"


# ---- What is read


def _held(c: Connection) -> dict[tuple[int, int, int], str]:
    sql = "SELECT campaign_id, batch_id, first_seq, owner FROM chunks WHERE state = 1"
    return {tuple(row[:3]): row[3] for row in c.exec_driver_sql(sql)}  # type: ignore[misc]


def _upto(c: Connection, batch: int) -> int:
    return int(
        c.execute(select(run_batches.c.fanned_upto).where(run_batches.c.batch_id == batch)).scalar_one()
    )


def _why(c: Connection, key: Key) -> int:
    here = f"campaign_id = {key.campaign} AND batch_id = {key.batch} AND seq = {key.seq}"
    sql = f"SELECT reason FROM left_out WHERE {here}"
    found = c.exec_driver_sql(sql).scalar()
    return rules.REPEATED if found is None else int(found)


def _closing(c: Connection) -> list[tuple[int, int]]:
    return [
        tuple(row) for row in c.execute(select(runs.c.id, runs.c.closing).where(runs.c.closing.is_not(None)))
    ]  # type: ignore[misc]


def _erased(c: Connection) -> list[tuple[int, int]]:
    e = erasures.c
    query = select(e.subject_id, e.started_at).where(e.kind == "campaign", e.ended_at.is_not(None))
    return [tuple(row) for row in c.execute(query)]  # type: ignore[misc]


def _partitions(c: Connection) -> set[int]:
    sql = "SELECT substring(relname from 'c([0-9]+)$')::int FROM pg_class WHERE relkind = 'r'"
    sql += " AND relname ~ '^deliveries_c[0-9]+$'"
    return set(c.exec_driver_sql(sql).scalars())


def _campaign(c: Connection, number: int, wanted: Campaign, books: Books) -> Campaign:
    """A follow-up as it was made: its lists are what is looked at then."""
    row = c.execute(select(campaigns).where(campaigns.c.id == number)).one()
    made = []
    for run in c.execute(select(runs).where(runs.c.campaign_id == number).order_by(runs.c.id)).all():
        own = select(batches).join(run_batches, run_batches.c.batch_id == batches.c.id)
        lists: dict[int, list[tuple[int, int, str | None]]] = {}
        for batch in c.execute(own.where(run_batches.c.run_id == run.id)).all():
            s = subscribers.c
            lines = c.execute(select(s.seq, s.phone, s.area).where(s.batch_id == batch.id).order_by(s.seq))
            lists[batch.id] = [tuple(line) for line in lines]  # type: ignore[misc]
        made.append(Run(run.id, number, run.carrier, lists, run.state))
    sources = [books.campaigns[each] for each in wanted.sources]
    budgets = [each.budget for each in sources if each.budget is not None]
    return Campaign(
        number,
        sources[-1].segments,
        row.directive_id,
        made,
        budgets[-1] if budgets else None,
        wanted.sources,
        wanted.causes,
        ends_at=row.window_end or 0,
    )


def _causes(request: FollowUpRequest) -> tuple[tuple[str, int | None, str | None], ...]:
    """What a round follows up, by the rules: an outcome without a cause has all that may help."""
    found: list[tuple[str, int | None, str | None]] = []
    for outcome in request.outcomes:
        chosen = [cause for cause in request.causes if cause.outcome is outcome]
        if chosen:
            found += [(str(outcome), None if c.reason is None else int(c.reason), c.code) for c in chosen]
        elif outcome in CAUSED:
            found += [(str(outcome), reason, None) for reason in range(10) if reason not in rules.HELPLESS]
        else:
            found.append((str(outcome), None, None))
    return tuple(found)


def _file(c: Connection, carrier: str, campaign: int | None, lines: list[dict[str, Any]], name: str) -> int:
    at = clock.now_ms()
    row = {"carrier": carrier, "campaign_id": campaign, "name": "result.csv", "sha256": name.ljust(64, "0")}
    row |= {
        "state": "importing",
        "lines": len(lines),
        "applied_upto": 0,
        "created_at": at,
        "created_by": "lan",
    }
    row |= {"first_at": at, "last_at": at, "bytes": 1, "bytes_read": 1}
    made = int(c.execute(insert(receipt_files).values(row).returning(receipt_files.c.id)).scalar_one())
    c.execute(insert(receipt_lines), [line | {"file_id": made} for line in lines])
    return made


def _name(raw: str) -> str:
    return raw.rpartition(": ")[2]


def _short(key: Key) -> str:
    return f"{key.campaign}/{key.batch}/{key.seq}"


def _sent_at(life: Life, copy: Copy) -> int:
    return copy.at or life.places.now.look()


def _answer(what: str, copy: Copy, chance: random.Random) -> Any:
    match what:
        case "ok":
            return Accepted(copy.refs)
        case "partial" if len(copy.refs) > 1:
            copy.refs = (None, *copy.refs[1:])
            return Partial(copy.refs, (0,), "17", Reason.FILTERED)
        case "partial":
            return Accepted(copy.refs)
        case "refused":
            return Rejected(chance.choice(("45", "45", "46")), Reason.SYSTEM)
        case "helpless":
            return Rejected("7", Reason.NO_SUCH_NUMBER)
        case "duplicate":
            return Rejected("3: Trùng tin", Reason.OTHER)
        case "fault":
            return Deferred("58", 0.5, counts=True)
        case "throttled":
            return Deferred("58", 0.5, throttled=True)
        case "halted":
            return Halted("5", "no such account")
        case _:
            return Unknown("no answer")


def _code(answer: Any) -> str:
    return getattr(answer, "code", "") or ""


def _words(answer: Any) -> tuple[str, int, tuple[int, ...], int]:
    match answer:
        case Accepted(refs):
            return "ok", len(refs), (), 0
        case Partial(refs, refused, _, reason):
            return "partial", len(refs), refused, int(reason)
        case Rejected(_, reason):
            return "rejected", 0, (), int(reason)
        case Halted():
            return "halted", 0, (), 0
        case Deferred(counts=True):
            return "fault", 0, (), 0
        case Deferred():
            return "deferred", 0, (), 0
    return "unknown", 0, (), 0


_KINDS = ("ok", "partial", "refused", "helpless", "duplicate", "fault", "throttled", "timeout", "halted")
_ANSWERS = {
    "kind": (_KINDS, (1, 0, 0, 0, 0, 0, 0, 0, 0)),
    "well": (_KINDS, (20, 1, 1, 0.2, 0.2, 0, 1, 1, 0)),
    "badly": (_KINDS, (4, 2, 4, 0.5, 0.5, 2, 2, 4, 0.3)),
    "refusing": (_KINDS, (0, 0, 6, 1, 1, 0, 0, 0, 0)),
    "busy": (_KINDS, (2, 0, 0, 0, 0, 3, 6, 0, 0)),
}
_MIXES = {
    "all": ("well", "well", "badly", "badly", "badly", "refusing", "busy"),
    "lost": ("busy", "well", "well", "badly"),
    "rounds": ("refusing", "badly", "badly", "well", "busy"),
    "erased": ("well",),
}


def _books() -> Books:
    found = Books(proves={n: level > 0 for n, (*_, level) in enumerate(scene.LINKS, 1)})
    batch, run = 0, 0
    for number, (text, letter, budget, _, lists) in enumerate(scene.PLAN, 1):
        mine: dict[str, Run] = {}
        for carrier in dict.fromkeys(carrier for carrier, _ in lists):
            run += 1
            mine[carrier] = Run(run, number, carrier, {})
            for by, persons in lists:
                if by == carrier:
                    batch += 1
                    lines = [(at + 2, scene.FIRST + n, scene.AREAS[n % 3]) for at, n in enumerate(persons)]
                    mine[carrier].batches[batch] = lines
        parts = 1 if text == scene.TEXT else 2
        found.campaigns[number] = Campaign(
            number, parts, letter, list(mine.values()), number if budget else None
        )
        if budget:
            found.limits[number] = budget
    return found
