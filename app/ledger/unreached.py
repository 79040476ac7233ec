"""Who may be written to again: whom earlier campaigns did not reach, and who is left out of a round later.

A follow-up and its sources are rounds. A person gets a follow-up only if no round has reached them, may have
reached them, or is about to. This one selection answers the offer on a run's page, the form, the audience,
the queue and the claim; since receipts come late, it is asked again at each. Nobody is ever added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
)

from app.core import clock, hashing
from app.core.areas import Area, every, old_districts, place
from app.core.errors import Conflict
from app.core.states import SENT, ChunkState, DeliveryState, NotSent, RunState
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import not_during, one_at_a_time, shared_ms
from app.database.models import (
    batches,
    chunks,
    deliveries,
    do_not_send,
    erasures,
    follow_up_sources,
    follow_ups,
    left_out,
    links,
    receipt_files,
    receipt_lines,
    receipts,
    replacements,
    run_batches,
    runs,
    submissions,
    subscribers,
)
from app.ledger.restore_acknowledgement import restored_at
from app.ledger.standing import waits_for_receipts
from app.security.row_stamps import canonical
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus


class Outcome(StrEnum):
    """What became of a message, as somebody chooses whom to write to again."""

    UNDELIVERED = "undelivered"  # by a receipt
    EXPIRED = "expired"  # by a receipt
    NO_RECEIPT = "no_receipt"  # accepted by the carrier, and no receipt came in time
    UNKNOWN = "unknown"  # the answer was lost: perhaps reached
    REJECTED = "rejected"  # refused by the carrier at once
    NOT_SENT = "not_sent"  # its run was cancelled, or its window was over
    ACCEPTED = "accepted"  # by the operator's centre, or by a carrier that gives no receipts: perhaps reached
    WRITTEN_OFF = "written_off"  # unknown, and left so by a person: perhaps reached


USUAL = (Outcome.UNDELIVERED, Outcome.EXPIRED, Outcome.NO_RECEIPT)
# Nobody knows whether the carrier has these: whoever writes to them again confirms how many second copies
# there may be.
MAY_BE_COPIES = (Outcome.UNKNOWN, Outcome.WRITTEN_OFF)
# The carrier has taken these.
_WRITTEN_TO = tuple(set(SENT) - {DeliveryState.REJECTED, DeliveryState.UNKNOWN})
_PERHAPS_REACHED = (Outcome.NO_RECEIPT, Outcome.ACCEPTED, *MAY_BE_COPIES)
# The number of a follow-up that is not made yet: of no campaign, and later than all.
NOT_YET = 2**31 - 1
# Outcomes that can be chosen by the carrier's reason and code.
CAUSED = (Outcome.UNDELIVERED, Outcome.REJECTED)
# The same telephone number at the same carrier will fail again, so these are left out unless chosen.
HELPLESS = (Reason.NO_SUCH_NUMBER, Reason.BARRED, Reason.OTHER_NETWORK)
# Words of a carrier that refuses what it has already taken, with capitals that SQLite's lower() leaves alone.
_DUPLICATE = (
    *("duplicat", "already", "trung lap", "trung tin", "da gui"),
    *("trùng", "trÙng", "đã gửi", "Đã gửi", "ĐÃ gỬi"),
)
# With one of these a result file does not claim that the message was taken.
_FAILED = (ReceiptStatus.UNDELIVERED.value, ReceiptStatus.EXPIRED.value)
_UNSENT = receipt_files.c.unsent.name  # a line's verdict is stored under the name of its counter


class Cause(NamedTuple):
    """Messages with this outcome, reason and code of the carrier; code: None for every code.

    reason: None for every reason, and for outcomes that have none.
    """

    outcome: Outcome
    reason: Reason | None = None
    code: str | None = None

    @property
    def may_help(self) -> bool:
        """Whether writing again may reach anybody, without a second copy that the carrier has refused."""
        if self.outcome is Outcome.REJECTED and says_duplicate(self.code or ""):
            return False
        return self.reason not in HELPLESS

    def spelt(self) -> str:
        """Return `outcome`, `outcome:reason` or `outcome:reason:code`, as it is stored, shown and typed.

        A code may be empty: `rejected:system:` means those without a code, `rejected:system` all of them.
        """
        if self.reason is None:
            return str(self.outcome)
        spelt = f"{self.outcome}:{self.reason.name.lower()}"
        return spelt if self.code is None else f"{spelt}:{self.code}"

    @classmethod
    def read(cls, text: str) -> Cause:
        """Read what `spelt` returns; raises ValueError."""
        outcome, *rest = text.split(":", 2)
        if not rest:
            return cls(Outcome(outcome))
        if Outcome(outcome) not in CAUSED or rest[0].upper() not in Reason.__members__:
            raise ValueError(text)
        return cls(Outcome(outcome), Reason[rest[0].upper()], rest[1] if len(rest) > 1 else None)


def says_duplicate(code: str) -> bool:
    """Return whether a refusal by this code may mean that the carrier has taken the message before."""
    return any(word in code.lower() or word in _ascii_lower(code) for word in _DUPLICATE)


def _ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _duplicate(code: ColumnElement[str]) -> ColumnElement[bool]:
    """Return `says_duplicate` in SQL."""
    return or_(*(func.lower(code).contains(word, autoescape=True) for word in _DUPLICATE))


def usual_causes(outcomes: Collection[Outcome]) -> tuple[Cause, ...]:
    """Return the causes that a follow-up to these outcomes has if nobody chooses: not the helpless ones."""
    reasons = [reason for reason in Reason if reason not in HELPLESS]
    return tuple(
        cause
        for outcome in Outcome
        if outcome in outcomes
        for cause in (
            [Cause(outcome, reason) for reason in reasons] if outcome in CAUSED else [Cause(outcome)]
        )
    )


@dataclass(frozen=True, slots=True)
class FollowUpDefinition:
    """The definition of a follow-up's batch. campaign_id: the one it was made for; areas: none for all.

    causes: of its outcomes, none for all of each, as before causes could be chosen.
    replaces: it takes the place of its sources, over lists of its own: whom they wrote to is left out.
    """

    campaign_id: int
    sources: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    areas: tuple[str, ...]
    causes: tuple[Cause, ...] = ()
    replaces: bool = False

    def sha256(self, carrier: str) -> str:
        """Hash the definition: it takes the place of a file's hash, and so is part of the approval."""
        content = {"follow_up": self.campaign_id, "carrier": carrier, "sources": list(self.sources)}
        content |= {"outcomes": [str(outcome) for outcome in self.outcomes], "areas": list(self.areas)}
        if self.causes:
            content |= {"causes": [cause.spelt() for cause in self.causes]}
        return hashing.digest(canonical(content))

    def causes_of(self, outcome: Outcome) -> tuple[Cause, ...]:
        return tuple(cause for cause in self.causes if cause.outcome is outcome) or (Cause(outcome),)


def definition(connection: Connection, batch_id: int) -> FollowUpDefinition | None:
    """Return the definition of a batch, None if it is made of a file."""
    row = connection.execute(select(follow_ups).where(follow_ups.c.batch_id == batch_id)).first()
    if row is None:
        return None
    s = follow_up_sources.c
    own = select(s.campaign_id).where(s.batch_id == batch_id).order_by(s.campaign_id)
    sources = tuple(connection.execute(own).scalars())
    causes = tuple(map(Cause.read, row.causes))
    return FollowUpDefinition(
        row.campaign_id, sources, tuple(map(Outcome, row.outcomes)), tuple(row.areas), causes
    )


def replaced(connection: Connection, campaign_id: int) -> list[int]:
    """Return the campaigns that this one replaces, by their numbers."""
    r = replacements.c
    query = select(r.replaced_id).where(r.campaign_id == campaign_id).order_by(r.replaced_id)
    return list(connection.execute(query).scalars())


def _chosen(connection: Connection, campaign_id: int, batch_id: int) -> FollowUpDefinition | None:
    """Return the definition of a batch, or what its campaign leaves out as it replaces others."""
    sources = replaced(connection, campaign_id)
    if sources:
        return FollowUpDefinition(campaign_id, tuple(sources), (), (), replaces=True)
    return definition(connection, batch_id)


def is_redefined(connection: Connection, batch_id: int) -> bool:
    """Return whether the definition of a follow-up's batch is not the one that it was made by."""
    found = definition(connection, batch_id)
    if found is None:
        return False
    row = connection.execute(select(batches).where(batches.c.id == batch_id)).one()
    return bool(row.sha256 != found.sha256(row.carrier))


def covered(codes: Collection[str]) -> frozenset[str]:
    """Return these areas with all that lie in them or became part of them."""
    wanted = set(codes)

    def names(area: Area) -> set[str | None]:
        home = area.district or next(iter(old_districts(area.code, date.max)), None)
        return {area.code, home, place(area.code, date.max)}

    return frozenset(area.code for area in every() if wanted & names(area))


def rounds(connection: Connection, campaign_ids: Collection[int]) -> set[int]:
    """Return these campaigns, those they follow or replace, those that follow or replace them, and so on."""
    found, s, b, p = set(campaign_ids), follow_up_sources.c, run_batches.c, replacements.c
    fresh = set(found)
    while fresh:
        joined = follow_up_sources.join(run_batches, b.batch_id == s.batch_id)
        after = select(b.campaign_id).select_from(joined).where(s.campaign_id.in_(fresh))
        before = select(s.campaign_id).select_from(joined).where(b.campaign_id.in_(fresh))
        later = select(p.campaign_id).where(p.replaced_id.in_(fresh))
        earlier = select(p.replaced_id).where(p.campaign_id.in_(fresh))
        near = {each for query in (after, before, later, earlier) for each in connection.scalars(query)}
        fresh = near - found
        found |= fresh
    return found


class Rounds:
    """The rounds around a batch, and the conditions on their deliveries."""

    def __init__(self, connection: Connection, chosen: FollowUpDefinition) -> None:
        self.chosen = chosen
        family = rounds(connection, {chosen.campaign_id, *chosen.sources})
        r = runs.c
        started = select(r.campaign_id).where(r.campaign_id.in_(family), r.state != RunState.PLANNED.value)
        self.campaigns = sorted(set(connection.execute(started).scalars()))
        finished = select(r.id).where(r.campaign_id.in_(family), r.state == RunState.FINISHED.value)
        self._finished = list(connection.execute(finished).scalars())
        self._now = shared_ms(connection)
        self._restored_at = restored_at(connection)
        proves = select(links.c.id).where(links.c.receipt_level > ReceiptLevel.NONE)
        self._proving = list(connection.execute(proves).scalars())
        self._areas = sorted(covered(chosen.areas))

    def takes(self, d: Any) -> ColumnElement[bool]:
        """Select deliveries (a table or its alias) of a chosen cause in a chosen area."""
        wanted = [self._of_outcome(outcome, d) for outcome in self.chosen.outcomes]
        return and_(or_(false(), *wanted), self._here(d))

    def _here(self, d: Any) -> ColumnElement[bool]:
        return d.area.in_(self._areas) if self.chosen.areas else true()

    def _of_outcome(self, outcome: Outcome, d: Any) -> ColumnElement[bool]:
        """Select deliveries of the outcome with one of its chosen causes."""
        causes = self.chosen.causes_of(outcome)
        if any(cause.reason is None for cause in causes):
            return self.has_outcome(outcome, d)
        reasons = [cause.reason for cause in causes if cause.code is None]
        coded = [cause for cause in causes if cause.code is not None]
        by_cause = [d.reason.in_(reasons)] if reasons else []
        by_cause += [
            and_(d.reason == cause.reason, _code(d, self.campaigns) == cause.code) for cause in coded
        ]
        return (
            and_(self.has_outcome(outcome, d), or_(*by_cause)) if by_cause else self.has_outcome(outcome, d)
        )

    def has_outcome(self, outcome: Outcome, d: Any) -> ColumnElement[bool]:
        """Select deliveries that have come to this outcome, whatever its cause."""
        silent = and_(d.state == DeliveryState.SUBMITTED, ~self._waits(d))
        written_off = d.reason == NotSent.WRITTEN_OFF
        match outcome:
            case Outcome.NO_RECEIPT:
                return and_(silent, d.link_id.in_(self._proving))
            case Outcome.ACCEPTED:
                mute = and_(silent, or_(d.link_id.is_(None), d.link_id.not_in(self._proving)))
                return or_(d.state == DeliveryState.RELAYED, mute)
            case Outcome.NOT_SENT:
                reasons = (NotSent.CANCELLED, NotSent.WINDOW_CLOSED)
                return and_(d.state == DeliveryState.NOT_SENT, d.reason.in_(reasons))
            case Outcome.UNKNOWN:
                return and_(d.state == DeliveryState.UNKNOWN, ~written_off)
            case Outcome.WRITTEN_OFF:
                return and_(d.state == DeliveryState.UNKNOWN, written_off)
            case Outcome.UNDELIVERED:
                return and_(d.state == DeliveryState.UNDELIVERED)
            case Outcome.EXPIRED:
                return and_(d.state == DeliveryState.EXPIRED)
            case Outcome.REJECTED:
                return and_(d.state == DeliveryState.REJECTED)

    def _waits(self, d: Any) -> ColumnElement[bool]:
        return waits_for_receipts(d, self._finished, self._now)

    def perhaps_taken(self, d: Any, carrier: str) -> ColumnElement[bool]:
        """Select rejected deliveries that the carrier may have taken all the same.

        It called them a duplicate; its result file claims them, or is being read; or the database was put
        back since, and what was done meanwhile is not in it.
        """
        before_restore = d.submitted_at <= self._restored_at if self._restored_at else false()
        taken = or_(before_restore, _duplicate(_code(d, self.campaigns)), _claimed(d, carrier))
        return and_(d.state == DeliveryState.REJECTED, taken)

    def bars(self, d: Any, before: int | None = None) -> ColumnElement[bool]:
        """Select deliveries whose number gets nothing from another round: now, or for good."""
        return or_(self.has_reached(d, before), self.may_still_reach(d, before))

    def has_reached(self, d: Any, before: int | None = None) -> ColumnElement[bool]:
        """Select deliveries that have reached their number, or perhaps have and nobody will know better.

        before: for a message of this campaign that is queued. That a number is perhaps reached was granted
        for the campaigns before it alone.
        """
        written_off = and_(d.state == DeliveryState.UNKNOWN, d.reason == NotSent.WRITTEN_OFF)
        if self.chosen.replaces:  # whoever was written to, whatever came of it
            return or_(d.state.in_(_WRITTEN_TO), written_off)
        relayed = d.state == DeliveryState.RELAYED
        silent = and_(d.state == DeliveryState.SUBMITTED, ~self._waits(d))
        perhaps = and_(or_(relayed, silent, written_off), ~self._granted(d, before))
        # Refused since the carrier has it already.
        duplicate = and_(d.state == DeliveryState.REJECTED, _duplicate(_code(d, self.campaigns)))
        return or_(d.state == DeliveryState.DELIVERED, perhaps, duplicate)

    def may_still_reach(self, d: Any, before: int | None = None) -> ColumnElement[bool]:
        """Select deliveries that are about to reach their number or may have: one day that will be known.

        What is queued bars only in campaigns before this one, so that two rounds do not wait for each other;
        in later ones, only if a link has it in hand.
        """
        queued = d.state == DeliveryState.QUEUED
        if before is not None:
            queued = and_(queued, or_(d.campaign_id < before, _in_hand(d)))
        on_way = and_(d.state == DeliveryState.SUBMITTED, self._waits(d))
        lost = and_(d.state == DeliveryState.UNKNOWN, d.reason != NotSent.WRITTEN_OFF)
        return or_(queued, on_way, and_(lost, ~self._granted(d, before)))

    def _granted(self, d: Any, before: int | None) -> ColumnElement[bool]:
        """Select deliveries of an outcome that was chosen although it means perhaps reached."""
        perhaps = {outcome for outcome in self.chosen.outcomes if outcome in _PERHAPS_REACHED}
        # Unknown messages may be written off after a round to them was made: nobody knows more than before.
        perhaps |= {Outcome.WRITTEN_OFF} if Outcome.UNKNOWN in perhaps else set()
        outcomes = [self.has_outcome(outcome, d) for outcome in Outcome if outcome in perhaps]
        granted = or_(false(), *outcomes)
        return granted if before is None else and_(granted, d.campaign_id < before)

    def barred(self, d: Any, but: int) -> ColumnElement[bool]:
        """Select rows (with a phone) that another round than `but` bars, by its index of phones."""
        return self._elsewhere(d, but, self.bars(_other))

    def reached(self, d: Any, but: int, before: int | None = None) -> ColumnElement[bool]:
        """Select rows whose number another round than `but` has reached, or perhaps has."""
        return self._elsewhere(d, but, self.has_reached(_other, before))

    def awaited(self, d: Any, but: int, before: int | None = None) -> ColumnElement[bool]:
        """Select rows whose number another round than `but` may still reach."""
        return self._elsewhere(d, but, self.may_still_reach(_other, before))

    def _elsewhere(self, d: Any, but: int, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        others = [campaign for campaign in self.campaigns if campaign != but]
        if not others:
            return false()
        return _found(_others, _other.campaign_id.in_(others), _other.phone == d.phone, condition)

    def repeated(self, d: Any, campaign_id: int) -> ColumnElement[bool]:
        """Select deliveries whose number a later source has written to as well: its message decides."""
        later = [source for source in self.chosen.sources if source > campaign_id]
        if not later:
            return false()
        f = deliveries.alias("f")
        reasons = (NotSent.CANCELLED, NotSent.WINDOW_CLOSED)
        meant = or_(f.c.state != DeliveryState.NOT_SENT, f.c.reason.in_(reasons))
        return _found(f, f.c.campaign_id.in_(later), f.c.phone == d.phone, meant)

    def free(self, d: Any, campaign_id: int, carrier: str) -> ColumnElement[bool]:
        """Select deliveries of a source whose number this follow-up may be written to now."""
        n = do_not_send.c
        opted_out = _found(do_not_send, n.carrier == carrier, n.phone == d.phone)
        barred = or_(opted_out, self.barred(d, campaign_id), self.repeated(d, campaign_id))
        return and_(self._here(d), ~barred, ~self.perhaps_taken(d, carrier))


_others = deliveries.alias("e")
_other = _others.c


def _code(d: Any, campaigns: Collection[int]) -> ColumnElement[str]:
    """Select the carrier's code for a failure: of the last answer, or of the last receipt; "" for none.

    campaigns: those that `d` is of; on PostgreSQL each has tables of its own, and no others are opened.
    """
    s, r = submissions.c, receipts.c
    table = d.seq.table
    answered = (s.campaign_id == d.campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    within = s.campaign_id.in_(campaigns)
    answer = select(s.code).where(within, *answered).order_by(s.attempt.desc(), s.part).limit(1)
    came = (r.campaign_id == d.campaign_id, r.batch_id == d.batch_id, r.seq == d.seq, r.status.in_(_FAILED))
    receipt = (
        select(r.code)
        .where(r.campaign_id.in_(campaigns), *came)
        .order_by(r.received_at.desc(), r.part)
        .limit(1)
    )
    code = case(
        (d.state == DeliveryState.REJECTED, answer.correlate(table).scalar_subquery()),
        (d.state == DeliveryState.UNDELIVERED, receipt.correlate(table).scalar_subquery()),
    )
    return func.coalesce(code, "")


def _claimed(d: Any, carrier: str) -> ColumnElement[bool]:
    """Select deliveries of which a result file of the carrier says that it has them, or is being read."""
    f, line = receipt_files.c, receipt_lines.c
    first = d.submitted_at - clock.DAY_MS  # clocks differ, and files may give the day alone
    of_file = (f.carrier == carrier, or_(f.campaign_id.is_(None), f.campaign_id == d.campaign_id))
    says = (
        line.phone == d.phone,
        line.status.not_in(_FAILED),
        or_(line.verdict.is_(None), line.verdict == _UNSENT),
    )
    when = (f.created_at > first, or_(line.done_at.is_(None), line.done_at > first))
    return exists().where(line.file_id == f.id, *of_file, *says, *when).correlate(d.seq.table)


def _in_hand(d: Any) -> ColumnElement[bool]:
    """Select queued deliveries that may go out, or have gone, without another claim.

    They are due in this pass of a chunk that is leased, also if the lease ran out and nobody has claimed it
    since; or they were reserved and have no recorded answer.
    """
    c = chunks.c
    due = and_(c.pass_no > d.attempts, c.state < ChunkState.DONE)
    held = select(case((and_(due, or_(c.state == ChunkState.LEASED, c.watermark >= d.seq)), 1)))
    held = held.where(c.campaign_id == d.campaign_id, c.batch_id == d.batch_id, c.first_seq <= d.seq)
    held = held.where(c.last_seq >= d.seq).order_by(c.first_seq.desc()).limit(1)
    return held.correlate(d.seq.table).scalar_subquery().is_not(None)


def _found(table: FromClause, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is such a row. A scalar is looked up row by row; an EXISTS may become a full scan."""
    query = select(literal(1)).select_from(table).where(*where).limit(1)
    return query.scalar_subquery().is_not(None)


# ---- How many there are


@dataclass(frozen=True, slots=True)
class CauseCount:
    """Messages of the sources at one carrier with one cause.

    subscribers: how many of their people a follow-up can write to now: no other round has reached them, may
    have, or is about to. usual: chosen unless somebody decides otherwise.
    """

    carrier: str
    cause: Cause
    messages: int
    subscribers: int
    usual: bool


MOST_CODES = 12  # a reason with more codes is counted as a whole


def counts(
    connection: Connection,
    campaign_ids: Collection[int],
    areas: Sequence[str] = (),
    outcomes: Collection[Outcome] | None = None,
) -> list[CauseCount]:
    """Count by carrier and cause what these campaigns have not proved to have reached.

    `subscribers` are those whom a follow-up made at this moment would get: one to this cause alone, or one to
    all these outcomes. Whoever another round has perhaps reached is among them only if that is chosen. One
    look at each of their deliveries that failed: seconds for a million.
    """
    sources = tuple(sorted(campaign_ids))

    def related_by(chosen: Collection[Outcome]) -> Rounds:
        return Rounds(connection, FollowUpDefinition(NOT_YET, sources, tuple(chosen), tuple(areas)))

    if outcomes is None:
        sure = related_by([outcome for outcome in Outcome if outcome not in _PERHAPS_REACHED])
        related = {
            outcome: related_by([outcome]) if outcome in _PERHAPS_REACHED else sure for outcome in Outcome
        }
    else:
        related = dict.fromkeys(Outcome, related_by(outcomes))
    r, found = runs.c, dict[tuple[str, Cause], tuple[int, int]]()
    query = select(r.campaign_id, r.id, r.carrier).where(
        r.campaign_id.in_(sources), r.state != RunState.PLANNED.value
    )
    for campaign_id, run_id, carrier in connection.execute(query.order_by(r.id)).all():
        for row in connection.execute(_counted(related, campaign_id, run_id, carrier)):
            cause = Cause(Outcome(row.outcome), None if row.reason is None else Reason(row.reason), row.code)
            messages, free = found.get((carrier, cause), (0, 0))
            found[carrier, cause] = messages + row.messages, free + int(row.free)
    return _told_apart(found)


def _counted(related: Mapping[Outcome, Rounds], campaign_id: int, run_id: int, carrier: str) -> Select[Any]:
    d = deliveries.c
    outcome = case(*((rounds.has_outcome(each, d), str(each)) for each, rounds in related.items()))
    caused = d.state.in_((DeliveryState.UNDELIVERED, DeliveryState.REJECTED))
    free = case(
        *(
            (and_(rounds.has_outcome(each, d), rounds.free(d, campaign_id, carrier)), 1)
            for each, rounds in related.items()
        ),
        else_=0,
    )
    rows = (
        select(
            outcome.label("outcome"),
            case((caused, d.reason)).label("reason"),
            case((caused, _code(d, [campaign_id]))).label("code"),
            free.label("free"),
        )
        .where(d.campaign_id == campaign_id, d.run_id == run_id, outcome.is_not(None))
        .subquery()
        .c
    )
    groups = (rows.outcome, rows.reason, rows.code)
    return select(*groups, func.count().label("messages"), func.sum(rows.free).label("free")).group_by(
        *groups
    )


def _told_apart(found: dict[tuple[str, Cause], tuple[int, int]]) -> list[CauseCount]:
    """Return the counts, most messages first; codes are told apart where a reason has few of them."""
    codes = Counter((carrier, cause.outcome, cause.reason) for carrier, cause in found)
    sums: dict[tuple[str, Cause], tuple[int, int]] = {}
    for (carrier, cause), (messages, free) in found.items():
        if codes[carrier, cause.outcome, cause.reason] > MOST_CODES:
            cause = cause._replace(code=None)
        before = sums.get((carrier, cause), (0, 0))
        sums[carrier, cause] = before[0] + messages, before[1] + free
    rows = sorted(sums.items(), key=lambda item: (-item[1][0], item[0][0], item[0][1].spelt()))
    return [
        CauseCount(carrier, cause, messages, free, cause.outcome in USUAL and cause.may_help)
        for (carrier, cause), (messages, free) in rows
    ]


def carriers_with_anybody(connection: Connection, chosen: FollowUpDefinition) -> list[str]:
    """Return the carriers at which a follow-up by this definition would get somebody."""
    related, r, d = Rounds(connection, chosen), runs.c, deliveries.c
    query = select(r.campaign_id, r.id, r.carrier).where(
        r.campaign_id.in_(chosen.sources), r.state != RunState.PLANNED.value
    )
    found: set[str] = set()
    for campaign_id, run_id, carrier in connection.execute(query.order_by(r.id)).all():
        if carrier not in found:
            own = (d.campaign_id == campaign_id, d.run_id == run_id)
            some = select(d.seq).where(*own, related.takes(d), related.free(d, campaign_id, carrier)).limit(1)
            found |= {carrier} if connection.execute(some).first() else set()
    return sorted(found)


# ---- Making the audience


@dataclass(frozen=True, slots=True)
class LineRange:
    """A range of lines of one batch that one run sent."""

    campaign_id: int
    run_id: int
    batch_id: int
    after: int
    upto: int


def line_ranges(connection: Connection, batch_id: int, carrier: str, size: int) -> list[LineRange]:
    """Return what is to be looked through for a follow-up's batch, `size` lines at a time."""
    r, b, s = runs.c, run_batches.c, follow_up_sources.c
    sources = select(s.campaign_id).where(s.batch_id == batch_id)
    query = (
        select(r.campaign_id, r.id, b.batch_id, b.fanned_upto)
        .join(run_batches, b.run_id == r.id)
        .where(r.campaign_id.in_(sources), r.carrier == carrier)
        .order_by(r.campaign_id, b.batch_id)
    )
    return [
        LineRange(campaign, run, batch, after, after + size)
        for campaign, run, batch, last in connection.execute(query)
        for after in range(0, last, size)
    ]


def add_unreached(connection: Connection, batch_id: int, lines: LineRange, added: int) -> int:
    """Add those of these lines to a follow-up's batch, which has `added` subscribers; return how many."""
    chosen = definition(connection, batch_id)
    if chosen is None:
        return 0
    carrier = connection.execute(select(batches.c.carrier).where(batches.c.id == batch_id)).scalar_one()
    related, d = Rounds(connection, chosen), deliveries.c
    at = func.row_number().over(order_by=d.seq)
    within = (d.campaign_id == lines.campaign_id, d.batch_id == lines.batch_id, d.run_id == lines.run_id)
    free = related.free(d, lines.campaign_id, carrier)
    query = (
        select(literal(batch_id), added + at, d.phone, d.area)
        .where(*within, d.seq > lines.after, d.seq <= lines.upto)
        .where(related.takes(d), free)
    )
    fresh = insert(subscribers).from_select(["batch_id", "seq", "phone", "area"], query)
    return connection.execute(fresh.execution_options(preserve_rowcount=True)).rowcount


# ---- Leaving out


def count_written(connection: Connection, campaign_id: int) -> int:
    """Count the people in a campaign's lists to whom a campaign that it replaces has written."""
    s, b, found = subscribers.c, run_batches.c, set[int]()
    query = select(b.batch_id).where(b.campaign_id == campaign_id)
    for batch_id in connection.execute(query.order_by(b.batch_id)).scalars().all():
        chosen = _chosen(connection, campaign_id, batch_id)
        if chosen is not None:
            barred = Rounds(connection, chosen).barred(s, campaign_id)
            found |= set(connection.scalars(select(s.phone).where(s.batch_id == batch_id, barred)))
    return len(found)


def leave_out(connection: Connection, campaign_id: int, batch_id: int, after: int, last: int) -> bool:
    """Mark the lines that another round has reached meanwhile; return False if there is no other round."""
    chosen = _chosen(connection, campaign_id, batch_id)
    if chosen is None:
        return False
    one_at_a_time(connection, AdvisoryLock.FOLLOW_UP)
    s, related = subscribers.c, Rounds(connection, chosen)
    columns = (literal(campaign_id), s.batch_id, s.seq, literal(int(NotSent.OTHER_ROUND)))
    query = select(*columns).where(s.batch_id == batch_id, s.seq > after, s.seq <= last)
    names = ["campaign_id", "batch_id", "seq", "reason"]
    connection.execute(insert(left_out).from_select(names, query.where(related.reached(s, campaign_id))))
    return True


def before_claim(connection: Connection) -> None:
    """Wait for what queues messages of a round, and let none begin before this claim is committed.

    A claim looks at what other rounds have queued; what is queued is claimed only after a look at what others
    have in hand. On PostgreSQL neither sees what the other has not committed, so both would write to one
    number.
    """
    not_during(connection, AdvisoryLock.FOLLOW_UP)


def before_requeue(connection: Connection) -> None:
    """Wait for claims, and let none begin before what a lost lease has not sent is queued again."""
    one_at_a_time(connection, AdvisoryLock.FOLLOW_UP)


class ElsewhereReached(NamedTuple):
    """Conditions on queued deliveries: another round has reached the number, or it may still do so."""

    reached: ColumnElement[bool]
    awaited: ColumnElement[bool]


def reached_elsewhere(connection: Connection, campaign_id: int, batch_id: int) -> ElsewhereReached | None:
    """Return which deliveries of the batch are not sent, and which wait, because of another round.

    None if the campaign follows none and is followed by none. One that is followed may still send: its run
    goes on while those whom the carrier has refused are written to again.
    """
    chosen, s = _chosen(connection, campaign_id, batch_id), follow_up_sources.c
    if chosen is None:
        followed = select(s.batch_id).where(s.campaign_id == campaign_id).limit(1)
        if connection.execute(followed).first() is None:
            return None
        chosen = FollowUpDefinition(campaign_id, (), (), ())  # barred by all that may have been reached
    related, d = Rounds(connection, chosen), deliveries.c
    return ElsewhereReached(
        related.reached(d, campaign_id, before=campaign_id),
        related.awaited(d, campaign_id, before=campaign_id),
    )


def require_rounds(connection: Connection, campaign_ids: Collection[int], field: str | None = None) -> None:
    """Raise Conflict once the erasure of a round of these campaigns has begun that was ever started.

    No erasure of one begins until this transaction is committed.
    """
    not_during(connection, AdvisoryLock.ERASURE)
    e, r = erasures.c, runs.c
    sent = select(r.campaign_id).where(r.campaign_id.in_(rounds(connection, campaign_ids)))
    gone = select(func.min(e.subject_id)).where(
        e.kind == "campaign", e.subject_id.in_(sent.where(r.started_at.is_not(None)))
    )
    campaign = connection.execute(gone).scalar()
    if campaign is not None:
        raise Conflict(
            "Campaign {campaign}'s numbers have been erased, so a follow-up is no longer possible. "
            "Choose another campaign.",
            campaign=campaign,
            field=field,
        )
