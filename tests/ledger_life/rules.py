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
VALIDITY_MS = 5 * 86_400_000  # a message that is older will have no receipt any more
BARRED, OTHER_NETWORK, NO_SUCH_NUMBER = 5, 6, 7
HELPLESS = (BARRED, OTHER_NETWORK, NO_SUCH_NUMBER)
# Outcomes that a person may choose although such a message has perhaps reached its telephone.
PERHAPS = ("no_receipt", "accepted", "unknown", "written_off")
SECOND_COPIES = ("unknown", "written_off")  # of these their number has to be typed
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
    """One campaign's text to one person: queued, taken up once, settled.

    sent_at, passed: as its row has them, when it was sent and the last pass that put it off; code: of the
    answer that refused it.
    """

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
    code: str = ""
    link: int = 0
    sent_at: int = 0
    passed: int = 0
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
                now.parts, now.failed = self.segments, 0
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
        now.parts = max(parts, self.parts) if now.state == REJECTED and perhaps else parts
        if late:
            now.failed |= self.failed
            now.reason = max(now.reason, self.reason if self.reason < CANCELLED else NOTHING)
        return now.concluded()

    def lost(self) -> Message:
        """Its answer can't come any more: the process died, or its chunk was taken over."""
        return self.but(state=UNKNOWN, parts=self.segments, on_way=0, pending=None)

    def back(self) -> Message:
        """Taken back: it was unknown, and its holder says late that the carrier has not taken it."""
        clean = {"delivered": 0, "relayed": 0, "failed": 0, "on_way": 0, "reason": NOTHING, "pending": None}
        return self.but(state=QUEUED, **clean)

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
    """A round. causes: what it follows up, each an outcome, a reason and a code, None for every one.

    budget: whose counts for it, None for none.
    """

    id: int
    segments: int
    directive: int | None
    runs: list[Run]
    budget: int | None = None
    sources: tuple[int, ...] = ()
    causes: tuple[tuple[str, int | None, str | None], ...] = ()
    erased: bool = False
    erased_at: int = 0
    ends_at: int = 0  # of its window; 0: it has none
    counted: set[int] = field(default_factory=set)  # whom it had reached when it was erased

    @property
    def outcomes(self) -> set[str]:
        return {outcome for outcome, _, _ in self.causes}

    def takes(self, outcome: str, message: Message) -> bool:
        """Whether a message that has come to this outcome is of a chosen cause."""
        return any(
            wanted == outcome and reason in (None, message.reason) and code in (None, message.code)
            for wanted, reason, code in self.causes
        )


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

    def others(self, message: Message) -> Iterator[Message]:
        """The messages of all other rounds to the same person."""
        for number in sorted(self.rounds(message.key.campaign) - {message.key.campaign}):
            for other in self.messages.values():
                if other.key.campaign == number and other.phone == message.phone:
                    yield other

    def reached_by(self, message: Message, now: int, claimed: bool = True) -> str:
        """Which other round has reached the person, or perhaps has and nobody will know better; or ""."""
        own = self.campaigns[message.key.campaign]
        for other in self.others(message):
            if why := self._reached(own, other, now, claimed):
                return f"campaign {other.key.campaign}, whose message to the person is {why}"
        return ""

    def awaited_by(self, message: Message, now: int) -> str:
        """Which other round may still reach the person, so that this one waits; or ""."""
        own = self.campaigns[message.key.campaign]
        for other in self.others(message):
            if why := self._awaited(own, other, now):
                return f"campaign {other.key.campaign}, whose message to the person is {why}"
        return ""

    def keeps_out(self, own: Campaign, other: Message, now: int) -> bool:
        """Whether the audience of this round is without the person of another round's message."""
        return (
            other.state == QUEUED
            or bool(self._reached(own, other, now, claimed=False))
            or bool(self._awaited(own, other, now, claimed=False))
        )

    def _reached(self, own: Campaign, other: Message, now: int, claimed: bool = True) -> str:
        if other.state == DELIVERED:
            return "delivered"
        if other.state == REJECTED and "Trùng" in other.code:
            return "refused as one that its carrier has already"
        silent = other.state == SUBMITTED and not self.waits(other, now)
        perhaps = silent or other.state == RELAYED or (other.state == UNKNOWN and other.reason == WRITTEN_OFF)
        return "perhaps there" if perhaps and not self._granted(own, other, now, claimed) else ""

    def _awaited(self, own: Campaign, other: Message, now: int, claimed: bool = True) -> str:
        if other.state == QUEUED:
            if other.key in self.hands or other.pending is not None:
                return "in hand"
            return "queued before" if other.key.campaign < own.id else ""
        if other.state == SUBMITTED and self.waits(other, now):
            return "on its way"
        lost = other.state == UNKNOWN and other.reason != WRITTEN_OFF
        return "unknown" if lost and not self._granted(own, other, now, claimed) else ""

    def _granted(self, own: Campaign, other: Message, now: int, claimed: bool) -> bool:
        """A person chose these although they may have it. At the claim, of earlier rounds."""
        outcome = self.outcome(other, now)
        earlier = other.key.campaign < own.id or not claimed
        chosen = own.outcomes | ({"written_off"} if "unknown" in own.outcomes else set())
        return earlier and outcome in PERHAPS and outcome in chosen

    def waits(self, message: Message, now: int) -> bool:
        """Whether a receipt may still come for a message that its carrier has: by its own time."""
        return message.sent_at > now - VALIDITY_MS and self.run(message.run).state != FINISHED

    def outcome(self, message: Message, now: int) -> str:
        """What became of it, in the words in which a person chooses whom to write to again."""
        proves = self.proves.get(message.link, False)
        match message.state:
            case 1 if not self.waits(message, now):
                return "no_receipt" if proves else "accepted"
            case 2:
                return "written_off" if message.reason == WRITTEN_OFF else "unknown"
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
