"""The ledger on SQLite: one writer thread, executemany inside one BEGIN IMMEDIATE."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Connection, Table, func, select, update

from app.core import clock
from app.core.errors import require
from app.core.states import CampaignState, DeliveryState, LinkState, RunState
from app.database.models import deliveries, receipts, submissions, tallies
from app.ledger.contract import (
    CROWD,
    EARLY_MS,
    FURTHEST_US,
    JOURNAL,
    SENT_BEFORE,
    SUBMISSION,
    TALLY,
    TO_SEND,
    VALIDITY_MS,
    ChunkClaim,
    ChunkLease,
    DeliveryToSend,
    LeaseCheck,
    Link,
    MatchedDelivery,
    Named,
    OpenChunk,
    Recorded,
    ResultKind,
    Row,
    SideWrites,
    Snapshot,
    SubmissionQuery,
    Written,
    due_of,
)
from app.ledger.receipt_matching import reference_hash
from app.ledger.tallies import folds

_TAKE = """
    UPDATE chunks SET state = 1, attempt = attempt + 1, owner = ?, link_id = coalesce(?, link_id),
           lease_until = ?, taken_at = CASE WHEN ? IS NULL THEN taken_at ELSE coalesce(taken_at, ?) END
     WHERE (campaign_id, batch_id, first_seq) = (?, ?, ?)
    RETURNING campaign_id, batch_id, run_id, first_seq, last_seq, watermark, pass_no, attempt
"""
_DUE = """
    SELECT campaign_id, batch_id, first_seq, state, link_id FROM chunks
     WHERE run_id = ? AND state < 2 AND (not_before <= ? OR ?) AND (state = 0 OR lease_until < ?)
     ORDER BY not_before, batch_id, first_seq LIMIT ?
"""
_TO_SEND = TO_SEND.format("?")
_HOLD = """
    UPDATE chunks SET lease_until = ?, watermark = max(watermark, coalesce(?, watermark))
     WHERE campaign_id = ? AND batch_id = ? AND first_seq = ? AND attempt = ? AND state = 1
       AND owner = ?
"""
_COST = "cast(?2 * 1e6 / (SELECT segments_per_second FROM links WHERE id = ?3) AS integer)"
_RESERVE = f"""
    UPDATE link_pace SET next_free_us = {_COST}
         + CASE WHEN next_free_us > ?1 + {FURTHEST_US} THEN ?1 + cast({FURTHEST_US} / 2 AS integer)
                ELSE max(next_free_us, ?1) END
      FROM links WHERE link_id = ?4 AND links.id = ?3
    RETURNING next_free_us - {_COST}
"""  # noqa: S608 - constants of ours; values are bound
_OUTCOME = """
    UPDATE deliveries SET state = ?, reason = ?, parts = ?, failed = ?, attempts = ?, faults = ?, link_id = ?,
           submitted_at = CASE WHEN ? = 0 THEN submitted_at ELSE ? END
     WHERE campaign_id = ? AND batch_id = ? AND seq {which} AND state = ? AND reason = 0
"""
_SPAN = "BETWEEN ? AND ?"
_IN_STATE = """
    SELECT seq FROM deliveries
     WHERE campaign_id = ? AND batch_id = ? AND seq BETWEEN ? AND ? AND state = ? AND reason = 0
       AND (state <> 0 OR attempts < ?)
"""
_HIT = """
    SELECT s.at, s.part, d.campaign_id, d.batch_id, d.seq, d.run_id, d.phone, d.area, d.segments,
           d.submitted_at, d.done_at, d.state, d.reason, d.parts, d.delivered, d.relayed, d.failed,
           s.attempt, s.result
"""
_SETTLED = int(ResultKind.SETTLED)
_LATER = f"CASE s.result WHEN {_SETTLED} THEN {VALIDITY_MS} ELSE 0 END"
_FIND = f"""
    {_HIT}
      FROM submissions s
      JOIN links l ON l.id = s.link_id AND l.group_id = ?2
      CROSS JOIN deliveries d ON d.campaign_id = s.campaign_id AND d.batch_id = s.batch_id AND d.seq = s.seq
     WHERE s.reference_hash = ?5 AND s.reference = ?1 AND s.at >= ?3
       AND s.at <= ?4 + {_LATER}
     LIMIT {CROWD}
"""
# Those of many references in one statement, which costs half as much a row as one of its own; which of them
# are meant is seen by the rows themselves.
_FIND_ALL = f"""
    SELECT s.reference, l.group_id, {_HIT.strip().removeprefix("SELECT ")}
      FROM submissions s
      CROSS JOIN links l ON l.id = s.link_id
      CROSS JOIN deliveries d ON d.campaign_id = s.campaign_id AND d.batch_id = s.batch_id AND d.seq = s.seq
     WHERE s.reference_hash IN ({{marks}})
     LIMIT {{most}}
"""  # noqa: S608 - constants of ours; values are bound
_FIND_OF_PHONE = f"""
    {_HIT}
      FROM deliveries d
      CROSS JOIN submissions s ON s.campaign_id = d.campaign_id AND s.batch_id = d.batch_id AND s.seq = d.seq
      JOIN links l ON l.id = s.link_id AND l.group_id = ?2
     WHERE d.campaign_id = ?6 AND d.phone = ?5 AND s.reference = ?1 AND s.at >= ?3 AND s.at <= ?4 + {_LATER}
     LIMIT {CROWD}
"""
# By each campaign's index on numbers; a number's own messages are few.
_HAVING = """
    SELECT DISTINCT d.campaign_id FROM json_each(?1) c CROSS JOIN json_each(?2) v
     CROSS JOIN deliveries d ON d.campaign_id = c.value AND d.phone = v.value
     WHERE d.phone IN (SELECT value FROM json_each(?3))
        OR NOT EXISTS (SELECT 1 FROM submissions s
             WHERE s.campaign_id = d.campaign_id AND s.batch_id = d.batch_id AND s.seq = d.seq
               AND s.reference IS NOT NULL)
        OR EXISTS (SELECT 1 FROM submissions s
             WHERE s.campaign_id = d.campaign_id AND s.batch_id = d.batch_id AND s.seq = d.seq
               AND +s.reference IN (SELECT value FROM json_each(?4)))
"""
_PHONE = MatchedDelivery._fields.index("phone") - 1
_CLOSED = "SELECT subject_id FROM erasures WHERE kind = 'campaign' AND ended_at IS NULL"
_GROUPS = "SELECT id, group_id FROM links"
_STANDING = """
    UPDATE deliveries SET state = ?, reason = ?, delivered = ?, relayed = ?, failed = ?, done_at = ?
     WHERE campaign_id = ? AND batch_id = ? AND seq IN ({marks})
"""
_QUARANTINED = """
    SELECT id, tries, received_at, done_at, phone, link_id, group_id, level, reason, status, reference, code,
           raw
      FROM quarantine WHERE {column} LIMIT ?
"""
_REFERENCE = SUBMISSION.index("reference")
_VARIABLES = 500
_SIZES = (1, 4, 16, 50, 100, 200)
_AT_ONCE = _SIZES[-1]
_HOME = "sqlite"


class SqliteEngine:
    """The primitives on SQLite. One writer means that no row needs a lock."""

    sliced: ClassVar[Sequence[Table]] = (submissions, deliveries, receipts)  # erased chunk by chunk
    # Ranges of seq for which one statement still uses the primary key: for several it would scan the table.
    ranges_at_once = 1

    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """Make room for a campaign's deliveries: nothing to do, as one table holds every campaign."""

    def detach(self, connection: Connection, campaign_id: int) -> None:
        """Begin a campaign's erasure: nothing to do, as one table holds every campaign."""

    def drop_detached(self, connection: Connection, campaign_id: int) -> dict[str, int]:
        """Count the rows of the detached tables and drop them; rows by table, empty if there are none."""
        return {}

    def forget_for_good(self, connection: Connection) -> None:
        """Make sure that data deleted in this transaction can't be recovered from the database file.

        By default SQLite leaves deleted rows readable on free pages.
        """
        connection.exec_driver_sql("PRAGMA secure_delete = ON")

    def now_ms(self, connection: Connection) -> int:
        """Return the time of the clock that all processes share."""
        return clock.now_ms()

    def home(self, connection: Connection) -> str:
        """Identify this database, so that one restored from a backup is recognized as another.

        Here a constant: a copy is marked when it is made (app/ledger/transfer.py); a file copied by other
        means can't be told from its original.
        """
        return _HOME

    def append(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        """Insert many rows the fastest way."""
        values = list(rows)
        if values:
            connection.exec_driver_sql(_insert("INSERT", table, columns), values)

    def add_missing(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Insert many rows, skipping those whose primary key exists."""
        if not rows:
            return
        if table is submissions:
            columns = (*columns, "reference_hash")
            rows = [(*row, None if (ref := row[_REFERENCE]) is None else reference_hash(ref)) for row in rows]
        connection.exec_driver_sql(_insert("INSERT OR IGNORE", table, columns), list(rows))

    def lock_fan_out(self, connection: Connection, run_id: int, batch_id: int) -> Row | None:
        """Lock and return (campaign_id, fanned_upto, fanned_all) of the run's batch, or None."""
        sql = "SELECT campaign_id, fanned_upto, fanned_all FROM run_batches WHERE run_id = ? AND batch_id = ?"
        row = connection.exec_driver_sql(sql, (run_id, batch_id)).first()
        return None if row is None else tuple(row)

    def after_fan_out(
        self, connection: Connection, run_id: int, batch_id: int, limit: int, more: bool
    ) -> None:
        """Do what the engine needs after a slice was queued: nothing, as it plans without statistics."""

    def take_chunks(
        self, connection: Connection, run_id: int, claim: ChunkClaim, limit: int
    ) -> list[OpenChunk]:
        """Lease the first due chunks of the run, in their order, skipping chunks that others hold."""
        now, taken = clock.now_ms(), list[OpenChunk]()
        for due in connection.exec_driver_sql(_DUE, (run_id, now, claim.early, now, limit)).all():
            values = (claim.owner, claim.link_id, now + claim.lease_ms, claim.link_id, now, *due[:3])
            row = connection.exec_driver_sql(_TAKE, values).one()
            taken.append(OpenChunk._make((*row, due.link_id, due.state == 1)))
        return taken

    def to_send(self, connection: Connection, chunk: OpenChunk) -> list[DeliveryToSend]:
        """Return what is due of a chunk just claimed, by the driver alone: it is a thousand rows."""
        raw: Any = connection.connection.driver_connection
        return [*map(DeliveryToSend._make, raw.execute(_TO_SEND, due_of(chunk)))]

    def hold(self, connection: Connection, lease: ChunkLease, lease_ms: int, watermark: int | None) -> bool:
        """Extend a lease and raise its watermark; False if the lease is lost."""
        key = (lease.campaign_id, lease.batch_id, lease.first_seq, lease.attempt, lease.owner)
        raw: Any = connection.connection.driver_connection
        return bool(raw.execute(_HOLD, (clock.now_ms() + lease_ms, watermark, *key)).rowcount == 1)

    def check_lease(
        self, connection: Connection, link: Link, lease: ChunkLease, lease_ms: int, last: int | None
    ) -> LeaseCheck:
        """Extend the lease and, if run and link still run, raise its watermark to `last`."""
        raw: Any = connection.connection.driver_connection
        runs = last is not None and raw.execute(_RUNS, (lease.run_id, link.id)).fetchone() is not None
        goes_on = runs and (raw.execute(_LAST_HOME).fetchone() or (_HOME,))[0] in (None, _HOME)
        held = self.hold(connection, lease, lease_ms, last if goes_on else None)
        return LeaseCheck(held, goes_on, clock.now_ms())

    def reserve(self, connection: Connection, link: Link, segments: float) -> float:
        """Reserve the link for `segments`; return the seconds from now until the first may go."""
        now = clock.now_ms() * 1000
        given = (now, segments, link.id, link.pace_id or link.id)
        raw: Any = connection.connection.driver_connection
        starts = int(raw.execute(_RESERVE, given).fetchone()[0])
        return max(0.0, (starts - now) / 1e6)

    def write_outcomes(
        self,
        connection: Connection,
        where: tuple[ChunkLease, int],
        old: DeliveryState,
        rows: Sequence[Recorded],
        side_writes: SideWrites,
    ) -> Written:
        """Update deliveries of (lease, link_id) that are in state `old`; write `side_writes` if all were.

        Queued deliveries count only if this pass has still to answer them, not if they were requeued since.
        """
        if not rows:
            return Written(set(), early=False)
        raw: Any = connection.connection.driver_connection
        lease, link_id = where
        now, own = clock.now_ms(), (lease.campaign_id, lease.batch_id)
        seqs = [row[0] for row in rows]
        span = (*own, min(seqs), max(seqs), int(old))
        there = {seq for (seq,) in raw.execute(_IN_STATE, (*span, lease.pass_no))}.intersection(seqs)
        alike = {row[1:] for row in rows}
        if len(alike) == 1 and len(there) == span[3] - span[2] + 1:  # all of a span become the same
            (new,) = alike
            raw.execute(_OUTCOME.format(which=_SPAN), (*new, link_id, new[0], now, *span))
        else:
            values = [
                (*row[1:], link_id, row.state, now, *own, row.seq, int(old))
                for row in rows
                if row.seq in there
            ]
            raw.executemany(_OUTCOME.format(which="= ?"), values)
        if len(there) == len(rows):
            self.append(connection, tallies, TALLY, side_writes.tallies)
            before = raw.total_changes
            self.add_missing(connection, submissions, SUBMISSION, side_writes.submissions)
            added = raw.total_changes - before
            require(old != DeliveryState.QUEUED or added == len(side_writes.submissions), SENT_BEFORE)
        return Written(there, early=bool(side_writes.references))

    def find(
        self, connection: Connection, queries: Sequence[SubmissionQuery], within: Sequence[int] | None = None
    ) -> list[MatchedDelivery]:
        """Lock and return the deliveries of these submissions in key order, filtered by phone if given.

        within: campaigns to search; None for all.
        """
        raw: Any = connection.connection.driver_connection
        found: list[MatchedDelivery] = []
        for start in range(0, len(queries), _AT_ONCE):
            some = queries[start : start + _AT_ONCE]
            together = _together(raw, some, start)
            found += _one_by_one(raw, some, start) if together is None else together
        return found

    def bearing(
        self, connection: Connection, campaigns: Sequence[int], references: Collection[str]
    ) -> Sequence[int]:
        """Return those campaigns in which one of these references is; all where asking costs as much."""
        return campaigns

    def find_of_phone(
        self, connection: Connection, queries: Sequence[SubmissionQuery], within: Sequence[int]
    ) -> list[MatchedDelivery]:
        """Do `find` by phone, which every query must state, for references that many messages share."""
        raw: Any = connection.connection.driver_connection
        found: list[MatchedDelivery] = []
        for nth, one in enumerate(queries):
            given = (one.reference, one.group_id, one.earliest, one.latest, one.phone)
            for campaign in within:
                found += [
                    MatchedDelivery(nth, *row) for row in raw.execute(_FIND_OF_PHONE, (*given, campaign))
                ]
        return found

    def that_have(
        self, connection: Connection, campaigns: Sequence[int], phones: Collection[int], named: Named
    ) -> Sequence[int]:
        """Return those campaigns with a message to one of `phones`, or to one of `named` that may be meant.

        The receipts of `named` bear references: they mean a message that has none, or one of these.
        """
        values = [
            json.dumps([*each]) for each in (campaigns, [*phones, *named.phones], phones, named.references)
        ]
        raw: Any = connection.connection.driver_connection
        return sorted(row[0] for row in raw.execute(_HAVING, values))

    def snapshot(self, connection: Connection) -> Snapshot:
        """Read the snapshot that a group of receipts starts from."""
        raw: Any = connection.connection.driver_connection
        closed = frozenset(row[0] for row in raw.execute(_CLOSED))
        return Snapshot(self.now_ms(connection), closed, dict(raw.execute(_GROUPS).fetchall()))

    def to_note(self, connection: Connection) -> bool:
        """Return whether a campaign has ended of which the last message is not noted."""
        return False

    def note_last(self, connection: Connection) -> None:
        """Note of an ended campaign when its last message was recorded, where receipts search by campaign."""

    def write_applied(
        self, connection: Connection, statuses: Sequence[Row], changes: Sequence[Row], journal: Sequence[Row]
    ) -> None:
        """Write what a group of receipts changed: deliveries, tallies, and the receipts themselves.

        A standing is (campaign_id, batch_id, seq, state, reason, delivered, relayed, failed, done_at).
        """
        if statuses:
            _set_standings(connection.connection.driver_connection, statuses)
        self.append(connection, tallies, TALLY, changes)
        self.append(connection, receipts, JOURNAL, journal)

    def set_alike(
        self, connection: Connection, which: Sequence[ColumnElement[bool]], values: Mapping[str, object]
    ) -> list[Row]:
        """Update these deliveries under one lock; return (area, segments, n) for each area and segments.

        Count first: with a single writer nothing can change in between.
        """
        d = deliveries.c
        counted = select(d.area, d.segments, func.count()).where(*which).group_by(d.area, d.segments)
        rows = [tuple(row) for row in connection.execute(counted)]
        if rows:
            connection.execute(update(deliveries).where(*which).values(values))
        return rows

    def take_quarantined(
        self, connection: Connection, column: str, values: Sequence[Any], limit: int
    ) -> list[Row]:
        """Lock and return quarantined receipts: due ones (column try_at), or those with these values."""
        if column == "try_at":
            sql = _QUARANTINED.format(column="try_at <= ? ORDER BY try_at")
            return [tuple(row) for row in connection.exec_driver_sql(sql, (values[0], limit))]
        found: list[Row] = []
        for start in range(0, len(values), _VARIABLES):
            some = tuple(values[start : start + _VARIABLES])
            early = clock.now_ms() - EARLY_MS if column == "reference" else 0
            sql = _QUARANTINED.format(
                column=f"{column} IN ({', '.join('?' * len(some))}) AND received_at > ?"
            )
            found += [tuple(row) for row in connection.exec_driver_sql(sql, (*some, early, limit))]
        return found

    def alone(self, connection: Connection) -> bool:
        """Return whether no other process is folding; if so, keep others out. Here there is one writer."""
        return True

    def fold_new(self, connection: Connection) -> None:
        """Add appended tally changes to the single row of each key, and delete them."""
        for statement in folds("tallies"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("DELETE FROM tallies WHERE NOT folded")


def _together(raw: Any, queries: Sequence[SubmissionQuery], first: int) -> list[MatchedDelivery] | None:
    """Find the submissions of all these, numbered from `first`; None where references are of many each."""
    hashes = _filled([reference_hash(one.reference) for one in queries])
    most = len(hashes) + CROWD
    rows = raw.execute(_FIND_ALL.format(marks=_marks(len(hashes)), most=most), hashes).fetchall()
    if len(rows) == most:
        return None
    of: dict[str, list[Row]] = {}
    for row in rows:
        of.setdefault(row[0], []).append(row)
    found: list[MatchedDelivery] = []
    for nth, (group_id, reference, phone, earliest, latest) in enumerate(queries, first):
        same = of.get(reference, ())
        if len(same) == 1:
            _, group, *row = same[0]
            at = row[0]
            if group == group_id and (phone is None or row[_PHONE] == phone) and earliest <= at <= latest:
                found.append(MatchedDelivery._make((nth, *row, 1, True)))
                continue
        fits = [
            row
            for _, group, *row in same
            if group == group_id
            and earliest <= row[0] <= latest + (VALIDITY_MS if row[-1] == _SETTLED else 0)
        ][:CROWD]
        own = [row for row in fits if phone is None or row[_PHONE] == phone]
        found += [MatchedDelivery(*(nth, *row, len(fits))) for row in own]
    return found


def _one_by_one(raw: Any, queries: Sequence[SubmissionQuery], first: int) -> list[MatchedDelivery]:
    found: list[MatchedDelivery] = []
    for nth, one in enumerate(queries, first):
        given = (one.reference, one.group_id, one.earliest, one.latest, reference_hash(one.reference))
        rows = raw.execute(_FIND, given).fetchall()
        own = (row for row in rows if one.phone is None or row[_PHONE] == one.phone)
        found += [MatchedDelivery(*(nth, *row, len(rows))) for row in own]
    return found


def _set_standings(raw: Any, statuses: Sequence[Row]) -> None:
    """Write what receipts have changed, one statement for those of a batch that become the same."""
    alike: dict[Row, list[int]] = {}
    for row in statuses:
        alike.setdefault((*row[3:], row[0], row[1]), []).append(row[2])
    for values, seqs in alike.items():
        for start in range(0, len(seqs), _AT_ONCE):
            some = _filled(seqs[start : start + _AT_ONCE])
            raw.execute(_STANDING.format(marks=_marks(len(some))), (*values, *some))


def _filled(values: list[int]) -> list[int]:
    """Repeat the last value, so that there are few statements of different lengths to prepare."""
    size = next(size for size in _SIZES if size >= len(values))
    return values + values[-1:] * (size - len(values))


@cache
def _marks(count: int) -> str:
    return ", ".join("?" * count)


# Whether link and run still run and the campaign is still approved, as committed.
_RUNS = f"""
    SELECT 1 FROM links l JOIN runs r ON r.id = ? AND r.state = '{RunState.RUNNING}'
      JOIN campaigns g ON g.id = r.campaign_id AND g.state = '{CampaignState.APPROVED}'
     WHERE l.id = ? AND l.state = '{LinkState.RUNNING}'
"""  # noqa: S608 - constants of ours; values are bound
# The ledger's own file, not a copy that no person has confirmed yet, has none or _HOME.
_LAST_HOME = "SELECT home FROM database_identity ORDER BY id DESC LIMIT 1"


def _insert(verb: str, table: Table, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"{verb} INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"
