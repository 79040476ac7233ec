"""The rules of the ledger in plain Python, written from docs/ and not from app/.

Two things are told apart: what is true (`Copy.taken`: a carrier has it), and what Loa can know of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

QUEUED, SUBMITTED, UNKNOWN, REJECTED, UNDELIVERED, EXPIRED, RELAYED, DELIVERED, NOT_SENT = range(9)
NAMES = ("queued", "submitted", "unknown", "rejected", "undelivered", "expired", "relayed", "delivered")
NAMES += ("not-sent",)
NOTHING, OTHER, SYSTEM, RAN_OUT = range(4)  # reasons of a carrier, and those of Loa:
CANCELLED, WINDOW_CLOSED, REPEATED, WRITTEN_OFF, DO_NOT_SEND, OTHER_ROUND = range(20, 26)
SENT = (SUBMITTED, UNKNOWN, REJECTED, UNDELIVERED, EXPIRED, RELAYED, DELIVERED)
FAILURES = (REJECTED, UNDELIVERED, EXPIRED)
MOST_FAULTS = 5
PLANNED, RUNNING, PAUSED, CANCELLING, RUN_SENT, FINISHED, RUN_CANCELLED = [
    "planned",
    "running",
    "paused",
    "cancelling",
    "sent",
    "finished",
    "cancelled",
]
OVER = (RUN_SENT, FINISHED, RUN_CANCELLED)


class Broken(Exception):
    """A promise is broken; the message says which."""


class Key(NamedTuple):
    campaign: int
    batch: int
    seq: int


class Row(NamedTuple):
    """What the ledger has of a message, as far as the rules determine it."""

    state: int
    reason: int
    parts: int
    delivered: int
    relayed: int
    failed: int

    def __str__(self) -> str:
        masks = f"{self.delivered:b}/{self.relayed:b}/{self.failed:b}"
        return f"{NAMES[self.state]} (reason {self.reason}, {self.parts} parts, {masks})"


@dataclass(eq=False, slots=True)
class Copy:
    """One sending on the wire. refs: the carrier's ids of its parts; taken: whether the carrier has it.

    learnt: Loa has recorded an answer; arrives: whether the telephone gets it; told: receipts were made.
    """

    key: Key
    phone: int
    link: int
    refs: tuple[str | None, ...]
    taken: bool
    arrives: bool
    learnt: bool = False
    at: int = 0
    told: int = 0


@dataclass(slots=True)
class Message:
    """One campaign's text to one person. requeued: it was queued again, so earlier receipts may mean less."""

    key: Key
    run: int
    phone: int
    area: str | None
    segments: int
    state: int = QUEUED
    reason: int = NOTHING
    parts: int = 0
    delivered: int = 0
    relayed: int = 0
    failed: int = 0
    on_way: int = 0
    faults: int = 0
    orders: int = 0  # times persons had it sent again while it was unknown
    requeued: bool = False
    link: int = 0
    copies: list[Copy] = field(default_factory=list)
    pending: Copy | None = None  # reserved, and no answer is recorded

    def __post_init__(self) -> None:
        self.parts = self.parts or self.segments

    @property
    def row(self) -> Row:
        return Row(self.state, self.reason, self.parts, self.delivered, self.relayed, self.failed)

    def but(self, **changes: object) -> Message:
        return replace(self, **changes)  # type: ignore[arg-type]

    # ---- A receipt

    def told(self, part: int, status: str, handset: bool, reason: int) -> Message:
        """What one receipt about one part makes of it: bits are only added, so no order matters."""
        now, bit = copy(self), 1 << part
        if status == "delivered" and handset:
            now.delivered |= bit
        elif status == "delivered":
            now.relayed |= bit
        elif status in ("undelivered", "expired"):
            now.failed |= bit
            now.reason = max(now.reason, reason or (RAN_OUT if status == "expired" else OTHER))
        elif status == "in_transit" and now.state == UNKNOWN:
            now.on_way |= bit
            every = (1 << now.parts) - 1
            if (now.on_way | now.delivered | now.relayed | now.failed) & every == every:
                now.state, now.reason = SUBMITTED, now.reason if now.reason < CANCELLED else NOTHING
            return now
        else:
            return now
        return now.concluded()

    def concluded(self) -> Message:
        """Arrived when all parts are; failed when all are settled and one has not arrived."""
        every, now = (1 << self.parts) - 1, copy(self)
        if now.delivered & every == every:
            now.state, now.reason = DELIVERED, NOTHING
        elif (now.delivered | now.relayed) & every == every:
            now.state, now.reason = RELAYED, NOTHING
        elif now.state != REJECTED and (now.delivered | now.relayed | now.failed) & every == every:
            now.reason = now.reason if now.reason < CANCELLED else OTHER
            now.state = EXPIRED if now.reason == RAN_OUT else UNDELIVERED
        return now

    # ---- An answer

    def answered(self, what: str, refs: int, refused: tuple[int, ...] = (), reason: int = NOTHING) -> Message:
        """What the carrier's answer makes of it. refs: how many ids; refused: parts it did not take."""
        now = copy(self)
        now.on_way = 0
        late = self.state == UNKNOWN
        if what in ("deferred", "fault", "halted"):
            now.faults += what == "fault"
            if now.faults >= MOST_FAULTS and what == "fault":
                what, reason = "rejected", SYSTEM
            else:
                now.parts = self.parts if self.orders else self.segments
                now.failed = 0
                return now
        perhaps = late or self.delivered | self.relayed
        if what == "unknown":
            parts = refs or self.segments
            now.state, now.reason, now.failed = UNKNOWN, NOTHING, 0
        elif what == "rejected":
            parts = 1
            now.state, now.reason, now.failed = REJECTED, reason, 1
        else:
            parts = refs or 1
            now.state, now.failed = SUBMITTED, sum(1 << part for part in refused)
            now.reason = reason if refused else NOTHING
        more = self.orders or (now.state == REJECTED and perhaps)
        now.parts = max(parts, self.parts) if more else parts
        if late:
            now.failed |= self.failed
            now.reason = max(now.reason, self.reason if self.reason < CANCELLED else NOTHING)
        return now.concluded()

    def lost(self) -> Message:
        """Its answer can't come any more: the process died, or its chunk was taken over."""
        parts = self.parts if self.orders and self.parts > self.segments else self.segments
        return self.but(state=UNKNOWN, parts=parts, on_way=0, pending=None)

    def again(self, order: bool) -> Message:
        """Queued again, by a person's order or since the carrier says that it has not taken it."""
        clean = {"delivered": 0, "relayed": 0, "failed": 0, "on_way": 0, "reason": NOTHING, "pending": None}
        more = self.orders + (order and self.state == UNKNOWN)
        faults = 0 if self.state == REJECTED else self.faults
        return self.but(state=QUEUED, orders=more, requeued=True, faults=faults, **clean)

    def closed(self, reason: int) -> Message:
        return self.but(state=NOT_SENT, reason=reason)


@dataclass(slots=True)
class Run:
    id: int
    campaign: int
    carrier: str
    batches: dict[int, list[tuple[int, int, str | None]]]  # batch -> (seq, phone, area)
    state: str = PLANNED
    ended_at: int = 0


@dataclass(slots=True)
class Campaign:
    """outcomes: those of a follow-up; budget: whose counts for it, None for none."""

    id: int
    segments: int
    directive: int | None
    runs: list[Run]
    budget: int | None = None
    sources: tuple[int, ...] = ()
    outcomes: tuple[str, ...] = ()
    erased: bool = False
    erased_at: int = 0
    ends_at: int = 0  # of its window; 0: it has none
    counted: set[int] = field(default_factory=set)  # whom it had reached when it was erased


@dataclass(slots=True)
class Books:
    """All that the rules know of one ledger."""

    campaigns: dict[int, Campaign] = field(default_factory=dict)
    messages: dict[Key, Message] = field(default_factory=dict)
    excluded: dict[Key, int] = field(default_factory=dict)  # never queued, and why
    limits: dict[int, int] = field(default_factory=dict)  # by campaign whose budget it is
    spent: Counter[int] = field(default_factory=Counter)
    listed: set[tuple[str, int]] = field(default_factory=set)  # who asked a carrier for no messages
    hands: dict[Key, object] = field(default_factory=dict)  # who has claimed it and may still send it
    proves: dict[int, bool] = field(default_factory=dict)  # link -> whether it gives receipts
    gone: defaultdict[int, list[Message]] = field(default_factory=lambda: defaultdict(list))  # erased, by run

    def run(self, number: int) -> Run:
        return next(run for each in self.campaigns.values() for run in each.runs if run.id == number)

    def of_run(self, run: int) -> Iterator[Message]:
        """Its messages, those that are erased as well: their figures stay."""
        yield from (each for each in self.messages.values() if each.run == run)
        yield from self.gone.get(run, ())

    def rounds(self, campaign: int) -> set[int]:
        """It, those that it follows, those that follow them, and so on."""
        found, fresh = {campaign}, {campaign}
        while fresh:
            near = {source for each in fresh for source in self.campaigns[each].sources}
            near |= {each.id for each in self.campaigns.values() if fresh.intersection(each.sources)}
            fresh = near - found
            found |= fresh
        return found

    def barred_by(self, message: Message) -> str:
        """Why another round keeps this message back: it has reached the person, perhaps, or is about to."""
        own = self.campaigns[message.key.campaign]
        for number in sorted(self.rounds(own.id) - {own.id}):
            for other in self.messages.values():
                same = other.key.campaign == number and other.phone == message.phone
                if same and (why := self._bars(own, other)):
                    return f"campaign {number}, whose message to the person is {why}"
        return ""

    def _bars(self, own: Campaign, other: Message) -> str:
        if other.state == QUEUED:
            if other.key in self.hands or other.pending is not None:
                return "in hand"
            return "queued before" if other.key.campaign < own.id else ""
        if other.state in (SUBMITTED, UNKNOWN, RELAYED):
            granted = other.key.campaign < own.id and self.outcome(other) in own.outcomes
            return "" if granted else NAMES[other.state]
        return "delivered" if other.state == DELIVERED else ""

    def outcome(self, message: Message) -> str:
        """What became of it, in the words in which a person chooses whom to write to again."""
        run = self.run(message.run)
        proves = self.proves.get(message.link, False)
        match message.state:
            case 1 if run.state in (FINISHED, RUN_CANCELLED):
                return "no_receipt" if proves else "accepted"
            case 2 if message.reason == WRITTEN_OFF:
                return "written_off"
            case 8 if message.reason in (CANCELLED, WINDOW_CLOSED):
                return "not_sent"
            case 3 | 4 | 5:
                return NAMES[message.state]
            case 6:
                return "accepted"
        return ""

    # ---- Figures

    def tallies(self) -> Counter[tuple[int, int, int, str | None, int, int]]:
        """(campaign, run, batch, area, state, reason) -> how many."""
        found = Counter[tuple[int, int, int, str | None, int, int]]()
        for one in (*self.messages.values(), *(each for gone in self.gone.values() for each in gone)):
            found[one.key.campaign, one.run, one.key.batch, one.area, one.state, one.reason] += 1
        for key, why in self.excluded.items():
            run, area = self._line(key)
            found[key.campaign, run, key.batch, area, 9, why] += 1
        return found

    def _line(self, key: Key) -> tuple[int, str | None]:
        for run in self.campaigns[key.campaign].runs:
            for seq, _, area in run.batches.get(key.batch, ()):
                if seq == key.seq:
                    return run.id, area
        raise KeyError(key)

    def figures(self, run: Run) -> dict[str, int]:
        """What the report of a run says of all its messages."""
        mine = list(self.of_run(run.id))
        left = sum(
            self.campaigns[run.campaign].id == key.campaign and key.batch in run.batches
            for key in self.excluded
        )
        listed = sum(map(len, run.batches.values()))
        unsent = sum(one.state == NOT_SENT for one in mine)
        queued = sum(one.state == QUEUED for one in mine)
        sent = [one for one in mine if one.state in SENT]
        count = Counter(one.state for one in sent)
        return {
            "eligible": listed,
            "excluded": left + unsent,
            "waiting": queued + listed - left - len(mine),
            "sent": len(sent),
            "delivered": count[DELIVERED],
            "relayed": count[RELAYED],
            "failed": sum(count[state] for state in FAILURES),
            "no_receipt": count[SUBMITTED],
            "unknown": count[UNKNOWN],
            "segments": sum(one.segments for one in sent),
        }

    def reached(self, directive: int) -> set[int]:
        """The persons whose telephone has proved a message under it."""
        found = set[int]()
        for each in self.campaigns.values():
            if each.directive == directive:
                found |= each.counted if each.erased else set(self.delivered(each.id))
        return found

    def delivered(self, campaign: int) -> Iterable[int]:
        return (
            m.phone for m in self.messages.values() if m.key.campaign == campaign and m.state == DELIVERED
        )
