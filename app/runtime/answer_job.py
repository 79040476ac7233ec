"""Answer messages from citizens: what each asks for, whether it gets an answer, and the queue of answers.

Each message is decided on once, in the transaction that queues its answer: a row of its own says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, exists, insert, select

from app.campaigns import answer_texts, weekly_answers
from app.campaigns.weekly_answers import AnswerTerms, Question
from app.core import clock
from app.core.answer_kinds import AnswerKind, Unanswered
from app.core.reply_settings import ReplySettings
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import Database, one_at_a_time
from app.database.models import answers as decided
from app.database.models import inbound_messages, links
from app.dispatch import restore_recovery
from app.inbound.reply_kinds import ReplyKind, is_receipt, kind_of, text_to_check
from app.ledger import answer_rules as rules
from app.ledger import restore_acknowledgement
from app.ledger.contract import Ledger
from app.observability.faults import Aside
from app.observability.metrics import Metrics
from app.text_verification.sent_texts import FreshTexts, Sent, note_altered, read_sent

Record = Row[Any]
AT_ONCE = 100
_HOUR_MS = 3_600_000
# For so long the other parts of a long message are waited for; carriers bring them within seconds.
PARTS_MS = 300_000
# A message that another process stores may be committed after ones with higher IDs; it is waited for so long.
_GAP_MS, _MOST_GAPS = 60_000, 1_000
_ANSWERED = "answered"  # as the metric has it
_KINDS = {
    ReplyKind.OPT_OUT: AnswerKind.OPT_OUT,
    ReplyKind.REPORT: AnswerKind.REPORT,
    ReplyKind.OTHER: AnswerKind.OTHER,
}


class _Asked(NamedTuple):
    """A message to us, whole or as far as it came; rows: of its other parts."""

    row: Record
    text: str
    kind: ReplyKind
    whole: bool = True
    rows: Sequence[Record] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """Up to which message each was looked at, and which parts wait for the others, until when, by the texts
    in use then. gaps: IDs below `after` that had no message, and until when one is looked for."""

    in_use: tuple[int, ...] = ()
    after: int = 0
    waiting: tuple[tuple[int, int], ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    more: bool = False
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, outcome) of this step


class _Read(NamedTuple):
    """Messages that can be decided on, parts that wait, and the last row that was looked at."""

    asked: list[_Asked]
    waiting: list[tuple[int, int]]
    upto: int
    more: bool


@dataclass(slots=True)
class AnswerJob:
    """One per process. Looks again at messages without a text for their kind once a text is approved."""

    db: Database
    ledger: Ledger
    words: ReplySettings
    aside: Aside
    metrics: Metrics
    _seen: _Seen = field(default_factory=_Seen)
    _texts: FreshTexts = field(default_factory=FreshTexts)

    async def step(self) -> bool:
        """Decide on some messages; return whether there may be more."""
        if self.aside.resting() or not await self.db.read_with_retry(self._is_due):
            return False
        seen = await self.aside.result(0, "answers", self.db.write_with_retry(self.decide))
        if seen is not None:
            self._seen = seen  # not before the commit, or what was rolled back would not be looked at again
            for (kind, outcome), n in seen.counts.items():
                self.metrics.answers(kind, outcome, n)
        return seen is not None and seen.more

    def _is_due(self, connection: Connection) -> bool:
        """Return whether there is something to decide on, and messages may be sent at all."""
        return self._came(connection) and not restore_acknowledgement.is_awaited(connection)

    def _came(self, connection: Connection) -> bool:
        """Return whether a message has come that was not looked at, or other texts are in use."""
        m, now = inbound_messages.c, self.ledger.now_ms(connection)
        if _ids(answer_texts.approved_texts(connection)) != self._seen.in_use:
            return True
        if not self._seen.in_use:
            return False
        fresh = (m.id > self._seen.after, m.received_at > now - self._within_ms)
        gaps = [row_id for _, row_id in self._seen.gaps]
        came = any(
            connection.execute(select(m.id).where(*own).limit(1)).first() is not None
            for own in (fresh, *([(m.id.in_(gaps),)] if gaps else []))
        )
        return came or any(due <= now for due, _ in self._seen.waiting)

    def decide(self, connection: Connection) -> _Seen:
        """Decide on the next messages; return what was looked at. Safe to run twice."""
        one_at_a_time(connection, AdvisoryLock.ANSWERS)
        # Nothing is sent until a person has said what this database is, and which lists are in it again.
        if restore_recovery.moved(connection, self.ledger) or restore_acknowledgement.is_awaited(connection):
            return replace(self._seen, more=False, counts=Counter())
        in_use = answer_texts.approved_texts(connection)
        ids = _ids(in_use)
        seen = replace(self._seen, more=False, counts=Counter()) if ids == self._seen.in_use else _Seen(ids)
        if not in_use:
            return seen
        now = self.ledger.now_ms(connection)
        due = [row_id for at, row_id in seen.waiting if at <= now] + [row_id for _, row_id in seen.gaps]
        found = _read(connection, self.words, (seen.after, due), now)
        counts = self._decide(connection, in_use, found.asked, now)
        later = [each for each in seen.waiting if each[0] > now]
        gaps = [each for each in seen.gaps if each[0] > now]
        gaps += [(now + _GAP_MS, row_id) for row_id in _gaps(connection, seen.after, found.upto)]
        waiting = dict.fromkeys((*later, *found.waiting))
        return _Seen(ids, found.upto, tuple(waiting), tuple(gaps), found.more, counts)

    @property
    def _within_ms(self) -> int:
        return self.words.answer_within_hours * _HOUR_MS

    def _decide(
        self, connection: Connection, in_use: Mapping[AnswerKind, Record], some: Sequence[_Asked], now: int
    ) -> Counter[tuple[str, str]]:
        back, counts = restore_recovery.restored_at(connection), Counter[tuple[str, str]]()
        terms = AnswerTerms(now, self.words.answer_segments_per_second, back)
        day = clock.to_ms(clock.midnight(clock.local(clock.from_ms(now)).date()))
        phones = {each.row.phone for each in some if each.row.phone is not None}
        given = Counter(rules.answered_since(connection, phones, day))
        queued: defaultdict[tuple[AnswerKind, str], list[Question]] = defaultdict(list)
        for each in some:
            kind = self._kind(connection, each)
            if kind not in in_use:
                continue
            why = self._why_not(connection, each, (in_use[kind], kind), terms, given)
            counts[kind.value, why or _ANSWERED] += 1
            if why is None:
                given[each.row.phone] += 1
                late = each.row.received_at + self._within_ms
                queued[kind, each.row.carrier].append(Question(each.row.id, each.row.phone, late))
            else:
                _note(connection, each.row, kind, why, now)
            for part in each.rows:
                _note(connection, part, kind, Unanswered.PART, now)
        for (kind, carrier), questions in queued.items():
            weekly_answers.add(connection, self.ledger, in_use[kind], carrier, questions, terms)
        if queued:
            self.db.wake(connection)
        return counts

    def _kind(self, connection: Connection, of: _Asked) -> AnswerKind:
        if of.kind is ReplyKind.OTHER and of.whole:
            joined = text_to_check(of.text, self.words.check, joined=True)
            verdict = AnswerKind.UNKNOWN if joined is None else self._verdict(connection, joined)
            # Without a blank only a text that is known tells KTCong an from other words that begin so.
            return AnswerKind.OTHER if verdict is AnswerKind.UNKNOWN else verdict
        if of.kind is not ReplyKind.CHECK:
            return _KINDS[of.kind]
        text = text_to_check(of.text, self.words.check)
        return AnswerKind.INCOMPLETE if not of.whole or text is None else self._verdict(connection, text)

    def _verdict(self, connection: Connection, text: str) -> AnswerKind:
        return AnswerKind(self._texts.look(text, lambda: self._sent(connection)).verdict.value)

    def _sent(self, connection: Connection) -> Sent:
        approved = self._texts.approved
        approved.altered.clear()
        sent = read_sent(connection, approved)
        note_altered(connection, sorted(approved.altered))
        return sent

    def _why_not(
        self,
        connection: Connection,
        of: _Asked,
        wanted: tuple[Record, AnswerKind],
        terms: AnswerTerms,
        given: Counter[int],
    ) -> Unanswered | None:
        """Return why a message gets no answer; None if it gets one."""
        (text, kind), row = wanted, of.row
        if row.repeat_of is not None:
            return Unanswered.REPEATED
        if row.phone is None:
            return Unanswered.NO_NUMBER
        if is_receipt(of.text):
            return Unanswered.RECEIPT
        if not of.whole and kind is not AnswerKind.INCOMPLETE:
            return Unanswered.PART
        if row.received_at <= terms.after_ms:
            return Unanswered.RESTORED
        if not _may_be_written_to(connection, row, kind):
            return Unanswered.LISTED
        if given[row.phone] >= self.words.answers_per_day:
            return Unanswered.CEILING
        return Unanswered.STOPPED if weekly_answers.is_stopped(connection, text, row.carrier, terms) else None


def _may_be_written_to(connection: Connection, row: Record, kind: AnswerKind) -> bool:
    """Return whether the sender is not on the carrier's list, or was put there by this very message."""
    if kind is AnswerKind.OPT_OUT:
        return rules.is_first_opt_out(connection, row, row.carrier)
    return not rules.is_listed(connection, row.phone, row.carrier)


def _note(connection: Connection, row: Record, kind: AnswerKind, why: Unanswered, now: int) -> None:
    values = {"inbound_id": row.id, "at": now, "kind": kind.value, "why": why.value}
    connection.execute(insert(decided).values(values))


# ---- What has come


def _ids(in_use: Mapping[AnswerKind, Record]) -> tuple[int, ...]:
    return tuple(sorted(row.id for row in in_use.values()))


def _read(connection: Connection, words: ReplySettings, where: tuple[int, Sequence[int]], now: int) -> _Read:
    """Read the next messages that are not decided on; a part waits for the others of its message.

    where: the ID after which they begin, and those of parts that have waited long enough.
    """
    (after, due), m = where, inbound_messages.c
    known = exists().where(decided.c.inbound_id == m.id)
    since = now - words.answer_within_hours * _HOUR_MS
    query = select(inbound_messages, links.c.carrier).join(links, links.c.id == m.link_id)
    query = query.where(m.received_at > since, ~known).order_by(m.id)
    fresh = connection.execute(query.where(m.id > after).limit(AT_ONCE)).all()
    late = connection.execute(query.where(m.id.in_(due))).all() if due else ()
    asked: list[_Asked] = []
    waiting, seen = list[tuple[int, int]](), set[int]()
    for row in (*late, *fresh):
        if row.part_total is None or row.part_total == 1:
            asked.append(_Asked(row, row.text, ReplyKind(row.kind or ReplyKind.OTHER)))
        elif row.id not in seen:
            parts = _parts(connection, row)
            whole = {each.part_number for each in parts} >= set(range(1, row.part_total + 1))
            if not whole and row.received_at > now - PARTS_MS:
                waiting.append((row.received_at + PARTS_MS, row.id))
                continue
            seen |= {each.id for each in parts}
            asked.append(_joined(parts, words, whole))
    return _Read(asked, waiting, fresh[-1].id if fresh else after, len(fresh) == AT_ONCE)


def _gaps(connection: Connection, after: int, upto: int) -> list[int]:
    """Return the IDs in between that no message has: each is one that is being stored, or never will be."""
    low, m = max(after, upto - _MOST_GAPS), inbound_messages.c
    there = set(connection.execute(select(m.id).where(m.id > low, m.id <= upto)).scalars())
    return [row_id for row_id in range(low + 1, upto) if row_id not in there]


def _parts(connection: Connection, row: Record) -> Sequence[Record]:
    """Return the rows of one long message that are not decided on, in the order of its parts."""
    m = inbound_messages.c
    known = exists().where(decided.c.inbound_id == m.id)
    same = (
        m.source.is_not_distinct_from(row.source),
        m.phone.is_not_distinct_from(row.phone),
        m.destination == row.destination,
        m.part_reference == row.part_reference,
        m.part_total == row.part_total,
        m.received_at.between(row.received_at - PARTS_MS, row.received_at + PARTS_MS),
    )
    query = select(inbound_messages, links.c.carrier).join(links, links.c.id == m.link_id)
    own = query.where(*same, ~known, links.c.carrier == row.carrier)
    return connection.execute(own.order_by(m.part_number, m.id)).all()


def _joined(parts: Sequence[Record], words: ReplySettings, whole: bool) -> _Asked:
    """Make one message of its parts. What can't be told of one that came in part only is left to people."""
    firsts: dict[int, Record] = {}
    for each in parts:
        firsts.setdefault(each.part_number, each)
    text = "".join(each.text for each in firsts.values())
    kind = kind_of(text, (), words.check)
    head = next(iter(firsts.values()))
    return _Asked(head, text, kind, whole, [each for each in parts if each.id != head.id])
