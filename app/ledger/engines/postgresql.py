"""The ledger on PostgreSQL: COPY, unnest, SKIP LOCKED and one partition per campaign."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, ClassVar

import psycopg
from sqlalchemy import ColumnElement, Connection, Table, func, select, update
from sqlalchemy.dialects import postgresql

from app.core.clock import DAY_MS
from app.core.errors import DatabaseUnavailable, require
from app.core.states import DeliveryState
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time
from app.database.models import deliveries, metadata, receipts, run_batches, submissions, tallies
from app.ledger.contract import (
    CROWD,
    EARLY_MS,
    EVER,
    FURTHEST_US,
    JOURNAL,
    SENT_BEFORE,
    SUBMISSION,
    TAKEN,
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
    StateEvent,
    SubmissionQuery,
    Written,
    due_of,
)
from app.ledger.tallies import folds

# ---- Many rows in one statement: an array for each column whose values differ

Shape = tuple[tuple[str, str], ...]  # name and type of each column

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def shape(table: Table, columns: Iterable[str]) -> Shape:
    return _shape(table.name, tuple(columns))


@cache
def _shape(table: str, columns: tuple[str, ...]) -> Shape:
    types = [metadata.tables[table].c[name].type.compile(_DIALECT) for name in columns]
    return tuple(
        (name, kind.split(" COLLATE")[0].split("(")[0]) for name, kind in zip(columns, types, strict=True)
    )


def spread(prefix: str, shape: Shape, rows: Sequence[Row]) -> tuple[str, dict[str, object]]:
    """Return a SELECT that yields these rows, and its parameters, whose names begin with `prefix`.

    Most rows agree in most columns, and a single value costs both sides less than an array of it.
    """
    columns = list(zip(*rows, strict=True)) or [()] * len(shape)
    several = tuple(number == 0 or len(set(column)) > 1 for number, column in enumerate(columns))
    values = {
        f"{prefix}{number}": array(column) if many else next(iter(column), None)
        for number, (column, many) in enumerate(zip(columns, several, strict=True))
    }
    return _select(prefix, shape, several), values


@cache
def _select(prefix: str, shape: Shape, several: tuple[bool, ...]) -> str:
    arrays, names, chosen = [], [], []
    for number, ((name, kind), many) in enumerate(zip(shape, several, strict=True)):
        if many:
            arrays.append(f"%({prefix}{number})s::{kind}[]")
            names.append(name)
        chosen.append(name if many else f"%({prefix}{number})s::{kind} AS {name}")
    rows = f"unnest({', '.join(arrays)}) AS {prefix}({', '.join(names)})"
    # OFFSET hides constants from the planner, which would filter by the shared values before the keys.
    return f"SELECT {', '.join(chosen)} FROM {rows} OFFSET 0"  # noqa: S608 - constants of ours; values are bound


def array(column: Sequence[Any]) -> object:
    """Convert a column to one parameter.

    psycopg writes arrays value by value in Python. Numbers and plain texts go faster: the items of a JSON
    list are valid in an array literal. Texts with control characters are left to psycopg.
    """
    if str in set(map(type, column)):
        texts = [value for value in column if value is not None]
        if not "".join(texts).isprintable():
            return list(column)
    return "{" + json.dumps(column, ensure_ascii=False)[1:-1] + "}"


# ---- Receipts: match them, update deliveries, read quarantine

NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
ASKED = (
    *(("nth", "int"), ("group_id", "smallint"), ("reference", "text"), ("phone", "bigint")),
    *(("earliest", "bigint"), ("latest", "bigint")),
)
# A learnt reference is recorded later than its message was sent.
_LATER = f"CASE s.result WHEN {int(ResultKind.SETTLED)} THEN {VALIDITY_MS} ELSE 0 END"
# Links are read once: each commit of a pace leaves a version of its link's row, and while somebody keeps a
# snapshot open (a report, pg_dump) every look by key would pass all of them.
_HIT = """
    WITH l AS MATERIALIZED (SELECT id, group_id FROM links)
    SELECT v.nth, s.at, s.part, d.campaign_id, d.batch_id, d.seq, d.run_id, d.phone, d.area, d.segments,
           d.submitted_at, d.done_at, d.state, d.reason, d.parts, d.delivered, d.relayed, d.failed,
           s.attempt, s.result, s.crowd
"""
FIND = f"""
    {_HIT}
      FROM ({{asked}}) AS v
      CROSS JOIN LATERAL (SELECT f.*, count(*) OVER ()::int AS crowd FROM (
        SELECT s.campaign_id, s.batch_id, s.seq, s.at, s.part, s.attempt, s.result
          FROM submissions{{own}} s JOIN l ON l.id = s.link_id AND l.group_id = v.group_id
         WHERE s.reference = v.reference AND s.at >= v.earliest AND s.at <= v.latest + {_LATER}
         LIMIT {CROWD}) AS f) AS s
      JOIN deliveries{{own}} d ON d.campaign_id = s.campaign_id AND d.batch_id = s.batch_id AND d.seq = s.seq
           AND d.phone = coalesce(v.phone, d.phone)
     ORDER BY d.campaign_id, d.batch_id, d.seq FOR NO KEY UPDATE OF d
"""  # noqa: S608 - constants of ours; values are bound
# For one campaign's partitions. `|| ''` keeps the planner off the index on references: thousands share one.
FIND_OF_PHONE = f"""
    {_HIT}
      FROM ({{asked}}) AS v
      CROSS JOIN LATERAL (SELECT s.campaign_id, s.batch_id, s.seq, s.at, s.part, s.attempt,
               s.result, 1 AS crowd
          FROM deliveries{{own}} k
          JOIN submissions{{own}} s
            ON s.campaign_id = k.campaign_id AND s.batch_id = k.batch_id AND s.seq = k.seq
          JOIN l ON l.id = s.link_id AND l.group_id = v.group_id
         WHERE k.campaign_id = {{campaign}} AND k.phone = v.phone AND s.reference || '' = v.reference
           AND s.at >= v.earliest AND s.at <= v.latest + {_LATER}
         LIMIT {CROWD}) AS s
      JOIN deliveries{{own}} d
        ON d.campaign_id = s.campaign_id AND d.batch_id = s.batch_id AND d.seq = s.seq
     ORDER BY d.campaign_id, d.batch_id, d.seq FOR NO KEY UPDATE OF d
"""  # noqa: S608 - constants of ours; values are bound
# Name each campaign's partition: with a condition the server would open those of all campaigns ever.
_STANDING = """
    UPDATE deliveries_c{campaign} d
       SET state = v.state, reason = v.reason, done_at = v.done_at,
           delivered = v.delivered, relayed = v.relayed, failed = v.failed
      FROM ({rows}) AS v
     WHERE d.campaign_id = v.campaign_id AND d.batch_id = v.batch_id AND d.seq = v.seq
"""
_SETTLED_MS = 3_600_000
# No carrier tries a message for longer, so nearly all receipts concern runs that ended since.
_LATELY_MS = VALIDITY_MS + DAY_MS
# MATERIALIZED, so that only recent runs' tables are looked up; the planner would look up those of all runs.
MOMENT = f"""
    WITH closed AS (SELECT subject_id AS id FROM erasures WHERE kind = 'campaign' AND ended_at IS NULL),
         began AS MATERIALIZED (
           SELECT campaign_id,
                  bool_or(ended_at IS NULL OR ended_at > (SELECT {NOW} - {_LATELY_MS})) AS lately,
                  CASE WHEN bool_and(ended_at IS NOT NULL) THEN sum(ended_at)::bigint END AS ended
             FROM runs WHERE state <> 'planned' GROUP BY campaign_id),
         lasts AS MATERIALIZED (
           SELECT b.campaign_id, b.lately, coalesce(s.at, {EVER}) AS at, s.all_named
             FROM began b
             LEFT JOIN last_submissions s ON s.campaign_id = b.campaign_id AND s.ended = b.ended),
         lately AS MATERIALIZED (
           SELECT campaign_id, at, all_named FROM lasts
            WHERE lately AND campaign_id NOT IN (SELECT id FROM closed)
              AND to_regclass('deliveries_c' || campaign_id) IS NOT NULL)
    SELECT {NOW}, ARRAY(SELECT id FROM closed),
           ARRAY(SELECT id::int FROM links ORDER BY id), ARRAY(SELECT group_id::int FROM links ORDER BY id),
           ARRAY(SELECT campaign_id FROM lately ORDER BY campaign_id),
           ARRAY(SELECT at FROM lately ORDER BY campaign_id),
           (SELECT coalesce(max(at), 0) FROM lasts WHERE NOT lately),
           ARRAY(SELECT campaign_id FROM lately WHERE all_named)
"""  # noqa: S608 - constants of ours; values are bound
# A campaign that ended an hour ago, so that no lease of it runs any more, whose last message is not noted.
NOT_NOTED = f"""
    SELECT r.campaign_id, r.ended, to_regclass('submissions_c' || r.campaign_id) IS NOT NULL
      FROM (SELECT campaign_id, sum(ended_at)::bigint AS ended FROM runs WHERE state <> 'planned'
             GROUP BY campaign_id
            HAVING bool_and(ended_at IS NOT NULL) AND max(ended_at) < (SELECT {NOW} - {_SETTLED_MS})) AS r
      LEFT JOIN last_submissions s ON s.campaign_id = r.campaign_id AND s.ended = r.ended
     WHERE s.campaign_id IS NULL ORDER BY r.campaign_id LIMIT 1
"""  # noqa: S608 - constants of ours; values are bound
# No lease of it runs any more: what the carrier has, or may have, has an answer or was listed as unknown.
LAST = f"""
    SELECT coalesce(max(at), 0), NOT EXISTS (
      SELECT FROM (
        SELECT batch_id, seq FROM submissions_c{{campaign}}
         WHERE reference IS NULL AND result IN ({", ".join(str(int(kind)) for kind in TAKEN)})
        UNION ALL
        SELECT batch_id, seq FROM state_events
         WHERE campaign_id = {{campaign}} AND kind = {int(StateEvent.LOST)}) AS u
       WHERE NOT EXISTS (
        SELECT FROM submissions_c{{campaign}} s
         WHERE s.campaign_id = {{campaign}} AND s.batch_id = u.batch_id AND s.seq = u.seq
           AND s.reference IS NOT NULL))
      FROM submissions_c{{campaign}}
"""  # noqa: S608 - constants of ours, and a number
NOTE = """
    INSERT INTO last_submissions (campaign_id, ended, at, all_named)
    VALUES (%(campaign)s, %(ended)s, %(at)s, %(all_named)s)
    ON CONFLICT (campaign_id) DO UPDATE
       SET ended = excluded.ended, at = excluded.at, all_named = excluded.all_named
"""
RAISE = """
    UPDATE last_submissions SET at = greatest(at, %(at)s)
     WHERE campaign_id = ANY (%(campaigns)s::int[]) AND at < %(at)s
"""
ATTACHED = """
    SELECT substring(c.relname from '_c([0-9]+)$')::int AS campaign
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'submissions'::regclass ORDER BY campaign
"""
# One of these for each campaign. The rows of `given` are hidden from the planner, so that it keeps its plan:
# planning takes ten times as long as looking. LATERAL and OFFSET make it look for each by the index.
_GIVEN = "WITH given AS MATERIALIZED (SELECT unnest(%(given)s::bigint[]) AS a)"
_REFS = ", refs AS MATERIALIZED (SELECT %(references)s::text[] AS a)"
# Without parameters, the server keeps its plan from the first time on.
ASK = "SELECT set_config('loa.references', %(references)s::text[]::text, true)"
_BEARS = """
    (SELECT {campaign} FROM submissions_c{campaign}
      WHERE reference = ANY (current_setting('loa.references')::text[]) LIMIT 1)
"""
_HAS = """
    (SELECT {campaign} FROM given g CROSS JOIN LATERAL (
       SELECT FROM deliveries_c{campaign} d WHERE d.campaign_id = {campaign} AND d.phone = g.a LIMIT 1) AS d
      LIMIT 1)
"""
_MAY_MEAN = """
    (SELECT {campaign} FROM given g CROSS JOIN LATERAL (
       SELECT d.batch_id, d.seq FROM deliveries_c{campaign} d
        WHERE d.campaign_id = {campaign} AND d.phone = g.a OFFSET 0) AS d
      WHERE coalesce((
        SELECT bool_or(s.reference = ANY ((SELECT a FROM refs)::text[])) FROM submissions_c{campaign} s
         WHERE s.campaign_id = {campaign} AND s.batch_id = d.batch_id AND s.seq = d.seq
           AND s.reference IS NOT NULL), true)
      LIMIT 1)
"""
QUARANTINED = """
    SELECT id, tries, received_at, done_at, phone, link_id, group_id, level, reason, status, reference, code,
           raw
      FROM quarantine WHERE {which} LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
EARLY = f"received_at > {NOW} - {EARLY_MS}"
WHICH = {
    "try_at": "try_at <= %(one)s",
    "reference": f"reference = ANY(%(all)s) AND {EARLY}",
    "id": "id = ANY(%(all)s)",
}
_STATUS_VALUES = (
    "campaign_id",
    "batch_id",
    "seq",
    "state",
    "reason",
    "delivered",
    "relayed",
    "failed",
    "done_at",
)


def moved(rows: Sequence[Row]) -> list[tuple[str, dict[str, object]]]:
    """Return one UPDATE with its parameters for each campaign among these rows."""
    of: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        of[row[0]].append(row)
    made = []
    for campaign, some in sorted(of.items()):
        sql, values = spread(f"v{campaign:d}_", shape(deliveries, _STATUS_VALUES), some)
        made.append((_STANDING.format(campaign=f"{campaign:d}", rows=sql), values))
    return made


THERE = """
    SELECT id FROM unnest(%(ids)s::int[]) AS id
     WHERE to_regclass('deliveries_c' || id) IS NOT NULL ORDER BY id
"""


def bearing(campaigns: Sequence[int]) -> str:
    """Return the query for those of these campaigns in which one of the given references is."""
    return _each("", _BEARS, tuple(campaigns))


def having(campaigns: Sequence[int]) -> str:
    """Return the query for those of these campaigns with a message to one of the given numbers."""
    return _each(_GIVEN, _HAS, tuple(campaigns))


def meant(campaigns: Sequence[int]) -> str:
    """Return the same for messages that bear one of the references, or none at all."""
    return _each(_GIVEN + _REFS, _MAY_MEAN, tuple(campaigns))


@lru_cache(maxsize=32)
def _each(head: str, query: str, campaigns: tuple[int, ...]) -> str:
    looks = (query.format(campaign=f"{campaign:d}") for campaign in campaigns)
    return head + " UNION ALL ".join(looks)


# ---- Chunks, leases, outcomes, tallies

# A session waiting for a lock on a whole table blocks all sessions that come after it.
_SHORTLY = "SET LOCAL lock_timeout = '200ms'"
_AT, _REFERENCE = SUBMISSION.index("at"), SUBMISSION.index("reference")
# Sessions that hold the tables longer than a send loop does; start times of other accounts are not visible.
_HELD_LONG = """
    SELECT 1 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid AND a.pid <> pg_backend_pid()
     WHERE l.locktype = 'relation' AND l.granted
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND l.relation IN ('submissions'::regclass, 'deliveries'::regclass, 'receipts'::regclass)
       AND coalesce(a.xact_start < clock_timestamp() - interval '200 ms', true) LIMIT 1
"""
_IS_ATTACHED = "SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass(%(name)s)"
_HOME = """
    SELECT system_identifier || '/' || CASE WHEN pg_is_in_recovery() THEN 'standby'
           ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END FROM pg_control_system()
"""
# A page has room for its deliveries' three versions: waiting, sent, received (HOT updates). While somebody
# keeps a snapshot open (a report, pg_dump) none is removed; elsewhere one would need new index entries.
_PARTITIONED = {"deliveries": "WITH (fillfactor = 33)", "submissions": "", "receipts": ""}
_TAKE = f"""
    WITH due AS (
      SELECT campaign_id, batch_id, first_seq, state AS was, link_id AS by FROM chunks
       WHERE run_id = %(run)s AND state < 2 AND (not_before <= {NOW} OR %(early)s)
         AND (state = 0 OR lease_until < {NOW})
       ORDER BY not_before, batch_id, first_seq LIMIT %(most)s FOR UPDATE SKIP LOCKED)
    UPDATE chunks c SET state = 1, owner = %(owner)s, link_id = coalesce(%(link)s, c.link_id),
           lease_until = {NOW} + %(lease)s, attempt = attempt + 1,
           taken_at = CASE WHEN %(link)s::int IS NULL THEN taken_at ELSE coalesce(taken_at, {NOW}) END
      FROM due
     WHERE c.campaign_id = due.campaign_id AND c.batch_id = due.batch_id AND c.first_seq = due.first_seq
    RETURNING c.campaign_id, c.batch_id, c.run_id, c.first_seq, c.last_seq, c.watermark, c.pass_no, c.attempt,
              due.by, due.was = 1
"""  # noqa: S608 - constants of ours; values are bound
_TO_SEND = TO_SEND.format("%s")
_HOLD = f"""
    UPDATE chunks SET lease_until = {NOW} + %(lease)s, watermark = greatest(watermark, %(watermark)s::int)
     WHERE campaign_id = %(c)s AND batch_id = %(b)s AND first_seq = %(f)s AND attempt = %(a)s AND state = 1
       AND owner = %(owner)s
"""  # noqa: S608 - constants of ours; values are bound
_COST = "(%(n)s * 1e6 / segments_per_second)::bigint"
_FURTHEST = f"(16 * {FURTHEST_US})::bigint"  # up to 16 processes may share a link
# The wait counts from the moment we got the row's lock: others may have held it for a commit.
_RESERVE = f"""
    WITH now AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us)
    UPDATE link_pace SET next_free_us = {_COST} + CASE
           WHEN next_free_us > now.us + {_FURTHEST} THEN now.us + {_FURTHEST} / 2
           ELSE greatest(next_free_us, now.us) END
      FROM now, links WHERE link_id = %(pace)s AND links.id = %(link)s
    RETURNING (next_free_us - {_COST}) / 1e6 - extract(epoch FROM clock_timestamp())
"""  # noqa: S608 - constants of ours; values are bound
_GRIP = f"""
    WITH going AS (
      SELECT 1 FROM links l JOIN runs r ON r.id = %(run)s AND r.state = 'running'
        JOIN campaigns g ON g.id = r.campaign_id AND g.state = 'approved'
       WHERE l.id = %(link)s AND l.state = 'running'
         AND coalesce((SELECT home FROM database_identity ORDER BY id DESC LIMIT 1) = ({_HOME}), true)),
    held AS (
      UPDATE chunks SET lease_until = {NOW} + %(lease)s,
             watermark = CASE WHEN EXISTS (SELECT 1 FROM going) THEN greatest(watermark, %(upto)s::int)
                              ELSE watermark END
       WHERE campaign_id = %(c)s AND batch_id = %(b)s AND first_seq = %(f)s AND attempt = %(a)s AND state = 1
       AND owner = %(owner)s
      RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM held), EXISTS (SELECT 1 FROM going), {NOW}
"""  # noqa: S608 - constants of ours; values are bound
# low and high bound the work, whatever plan is chosen without statistics.
_OUTCOME = f"""
    WITH written AS (
      UPDATE deliveries d
         SET state = v.state, reason = v.reason, parts = v.parts, failed = v.failed, attempts = v.attempts,
             faults = v.faults, link_id = %(link)s,
             submitted_at = CASE WHEN v.state = 0 THEN d.submitted_at ELSE {NOW} END
        FROM ({{outcomes}}) AS v
       WHERE d.campaign_id = %(c)s AND d.batch_id = %(b)s AND d.seq = v.seq
         AND d.seq BETWEEN %(low)s AND %(high)s AND d.state = %(old)s AND d.reason = 0
         AND (d.state <> 0 OR d.attempts < %(pass)s)
      RETURNING d.seq),
    whole AS (SELECT 1 FROM written HAVING count(*) = %(n)s),
    submitted AS (
      INSERT INTO submissions ({", ".join(SUBMISSION)})
      SELECT new.* FROM whole, ({{submissions}}) AS new ON CONFLICT DO NOTHING RETURNING 1),
    tallied AS (
      INSERT INTO tallies ({", ".join(TALLY)}) SELECT new.* FROM whole, ({{tallies}}) AS new)
    SELECT CASE WHEN EXISTS (SELECT 1 FROM whole) THEN NULL ELSE ARRAY(SELECT seq FROM written) END,
           EXISTS (SELECT 1 FROM quarantine WHERE reference = ANY(%(references)s::text[]) AND {EARLY}),
           (SELECT count(*) FROM submitted)
"""  # noqa: S608 - constants of ours; values are bound
_WITH_AREA, _WITHOUT_AREA = folds("came")
_FOLD = f"""
    WITH came AS (DELETE FROM tallies WHERE NOT folded RETURNING *), nowhere AS ({_WITHOUT_AREA})
    {_WITH_AREA}
"""  # noqa: S608 - constants of ours
# From this many campaigns on, it is asked first which of them can matter.
_AT_ONCE = 4
_TRY_FOLD = f"SELECT pg_try_advisory_xact_lock({AdvisoryLock.TALLY_FOLD:d})"
# Names of types as psycopg has them.
_TYPES = {"BIGINT": "int8", "INTEGER": "int4", "SMALLINT": "int2", "BOOLEAN": "bool"}
# From this many receipts COPY is used: one more round trip, but a smaller log.
_COPY_FROM = 100


class PostgresqlEngine:
    """The primitives on PostgreSQL, with the server's clock as the shared one."""

    sliced: ClassVar[Sequence[Table]] = ()
    ranges_at_once = 4

    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """Create one partition per large table; ATTACH does not block use of the other partitions."""
        found = connection.exec_driver_sql(f"SELECT to_regclass('receipts_c{campaign_id:d}')").scalar()
        if found is not None:
            return
        one_at_a_time(connection, AdvisoryLock.PARTITIONS)
        for table, options in _PARTITIONED.items():
            name = f"{table}_c{campaign_id:d}"
            make = f"CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL) {options}"
            attached = "SELECT 1 FROM pg_inherits WHERE inhrelid = %(name)s::regclass"
            connection.exec_driver_sql(make)
            if connection.exec_driver_sql(attached, {"name": name}).first() is None:
                attach = f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES IN ({campaign_id:d})"
                connection.exec_driver_sql(attach)

    def detach(self, connection: Connection, campaign_id: int) -> None:
        """Detach all partitions of the campaign, or raise DatabaseUnavailable instead of blocking others.

        The lock is waited for so briefly that no send loop notices, and not at all while a long reader holds
        the tables, because everybody else would queue up behind us. Tables are locked in the order in which
        receipts take them.
        """
        connection.exec_driver_sql(_SHORTLY)
        if connection.exec_driver_sql(_HELD_LONG).first() is not None:
            raise DatabaseUnavailable(
                "Erasure is waiting for a long-running read to finish and will resume afterwards."
            )
        connection.exec_driver_sql("LOCK TABLE ONLY submissions, ONLY deliveries, ONLY receipts")
        for table in _PARTITIONED:
            if connection.exec_driver_sql(_IS_ATTACHED, {"name": f"{table}_c{campaign_id:d}"}).first():
                connection.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {table}_c{campaign_id:d}")

    def drop_detached(self, connection: Connection, campaign_id: int) -> dict[str, int]:
        """Count and drop the detached tables together; this removes files and deletes no rows.

        All or none: otherwise receipts could meet a campaign that has submissions but no deliveries.
        """
        counts: dict[str, int] = {}
        for table in _PARTITIONED:
            name = f"{table}_c{campaign_id:d}"
            there = connection.exec_driver_sql("SELECT to_regclass(%(name)s)", {"name": name}).scalar()
            if there and not connection.exec_driver_sql(_IS_ATTACHED, {"name": name}).first():
                # The name consists of constants and a number.
                counts[table] = connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()  # noqa: S608
        if counts:
            gone = ", ".join(f"{table}_c{campaign_id:d}" for table in counts)
            connection.exec_driver_sql(f"DROP TABLE {gone}")
            counts["partitions"] = len(counts)
        return counts

    def forget_for_good(self, connection: Connection) -> None:
        """Do nothing: the server frees deleted rows by itself."""

    def now_ms(self, connection: Connection) -> int:
        return int(connection.exec_driver_sql(f"SELECT {NOW}").scalar_one())

    def home(self, connection: Connection) -> str:
        """Return cluster id and WAL timeline: a recovery from an archive or a promotion begins one."""
        return str(connection.exec_driver_sql(_HOME).scalar_one())

    def append(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        raw: Any = connection.connection.driver_connection
        types = [kind for _, kind in shape(table, columns)] if table is receipts else []
        form = " (FORMAT BINARY)" if types else ""  # whose values are of the columns' own types
        with (
            raw.cursor() as cursor,
            cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN{form}") as copy,
        ):
            if types:
                copy.set_types([_TYPES.get(kind, kind.lower()) for kind in types])
            for row in rows:
                copy.write_row(row)

    def add_missing(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        if rows:
            sql, values = _insert(table, columns, rows, "m")
            _execute(connection, f"{sql} ON CONFLICT DO NOTHING", values, rows=False)
        if table is submissions:
            _raise_last(connection, rows)

    def lock_fan_out(self, connection: Connection, run_id: int, batch_id: int) -> Row | None:
        sql = (
            "SELECT campaign_id, fanned_upto, fanned_all FROM run_batches "
            "WHERE run_id = %(run)s AND batch_id = %(batch)s FOR UPDATE"
        )
        row = connection.exec_driver_sql(sql, {"run": run_id, "batch": batch_id}).first()
        return None if row is None else tuple(row)

    def after_fan_out(
        self, connection: Connection, run_id: int, batch_id: int, limit: int, more: bool
    ) -> None:
        """ANALYZE the partition after its first and last rows, for the planner."""
        campaign = select(run_batches.c.campaign_id, run_batches.c.fanned_upto).where(
            run_batches.c.run_id == run_id, run_batches.c.batch_id == batch_id
        )
        row = connection.execute(campaign).first()
        if row is not None and (not more or row.fanned_upto <= 2 * limit):
            connection.exec_driver_sql(f"ANALYZE deliveries_c{row.campaign_id:d}")

    def take_chunks(
        self, connection: Connection, run_id: int, claim: ChunkClaim, limit: int
    ) -> list[OpenChunk]:
        values = {"run": run_id, "owner": claim.owner, "link": claim.link_id}
        values |= {"lease": claim.lease_ms, "early": claim.early, "most": limit}
        return sorted(OpenChunk(*row) for row in connection.exec_driver_sql(_TAKE, values).all())

    def to_send(self, connection: Connection, chunk: OpenChunk) -> list[DeliveryToSend]:
        return [*map(DeliveryToSend._make, _execute(connection, _TO_SEND, due_of(chunk)))]

    def hold(self, connection: Connection, lease: ChunkLease, lease_ms: int, watermark: int | None) -> bool:
        values: dict[str, object] = {
            "lease": lease_ms,
            "watermark": watermark,
            "c": lease.campaign_id,
            "b": lease.batch_id,
        }
        values |= {"f": lease.first_seq, "a": lease.attempt, "owner": lease.owner}
        return connection.exec_driver_sql(_HOLD, values).rowcount == 1

    def check_lease(
        self, connection: Connection, link: Link, lease: ChunkLease, lease_ms: int, last: int | None
    ) -> LeaseCheck:
        values: dict[str, object] = {"run": lease.run_id, "link": link.id, "lease": lease_ms, "upto": last}
        values |= {"c": lease.campaign_id, "b": lease.batch_id, "f": lease.first_seq, "a": lease.attempt}
        values |= {"owner": lease.owner}
        return LeaseCheck(*_execute(connection, _GRIP, values)[0])

    def reserve(self, connection: Connection, link: Link, segments: float) -> float:
        values = {"n": segments, "link": link.id, "pace": link.pace_id or link.id}
        return max(0.0, float(_execute(connection, _RESERVE, values)[0][0]))

    def write_outcomes(
        self,
        connection: Connection,
        where: tuple[ChunkLease, int],
        old: DeliveryState,
        rows: Sequence[Recorded],
        side_writes: SideWrites,
    ) -> Written:
        if not rows:
            return Written(set(), early=False)
        lease, link_id = where
        seqs = [row.seq for row in rows]
        values: dict[str, object] = {"c": lease.campaign_id, "b": lease.batch_id, "link": link_id}
        values |= {
            "old": int(old),
            "low": min(seqs),
            "high": max(seqs),
            "n": len(rows),
            "pass": lease.pass_no,
        }
        values |= {"references": array(side_writes.references)}
        outcomes, more = spread("v", shape(deliveries, Recorded._fields), rows)
        submitted, names = spread("s", shape(submissions, SUBMISSION), side_writes.submissions)
        tallied, counts = spread("t", shape(tallies, TALLY), side_writes.tallies)
        sql = _OUTCOME.format(outcomes=outcomes, submissions=submitted, tallies=tallied)
        written, early, added = _execute(connection, sql, values | more | names | counts)[0]
        fresh = added == len(side_writes.submissions)
        require(old != DeliveryState.QUEUED or written is not None or fresh, SENT_BEFORE)
        if old != DeliveryState.QUEUED:
            _raise_last(connection, side_writes.submissions)
        return Written(set(seqs if written is None else written), early)

    def find(
        self, connection: Connection, queries: Sequence[SubmissionQuery], within: Sequence[int] | None = None
    ) -> list[MatchedDelivery]:
        if within is None:
            within = [row[0] for row in _execute(connection, ATTACHED, {})]
            within = self.bearing(connection, within, {one.reference for one in queries})
        # Name the partitions: with a condition the planner could scan a whole campaign.
        return _hits(connection, FIND, [f"_c{campaign:d}" for campaign in within], queries)

    def bearing(
        self, connection: Connection, campaigns: Sequence[int], references: Collection[str]
    ) -> Sequence[int]:
        if len(campaigns) <= _AT_ONCE:
            return campaigns
        _execute(connection, ASK, {"references": array([*references])})
        return sorted(row[0] for row in _looked(connection, bearing(campaigns), None))

    def that_have(
        self, connection: Connection, campaigns: Sequence[int], phones: Collection[int], named: Named
    ) -> Sequence[int]:
        if not phones:
            campaigns = [campaign for campaign in campaigns if campaign not in named.ruled_out]
        there = [row[0] for row in _execute(connection, THERE, {"ids": array([*campaigns])})]
        found = set(_of(connection, there, phones))
        may_mean = [campaign for campaign in there if campaign not in named.ruled_out]
        some = _of(connection, may_mean, named.phones)
        if some:
            references = array([*named.references])
            found.update(_which(connection, meant(some), array([*named.phones]), references))
        return sorted(found)

    def find_of_phone(
        self, connection: Connection, queries: Sequence[SubmissionQuery], within: Sequence[int]
    ) -> list[MatchedDelivery]:
        return _hits(connection, FIND_OF_PHONE, [f"_c{campaign:d}" for campaign in within], queries)

    def snapshot(self, connection: Connection) -> Snapshot:
        now, closed, links, groups, lately, lasts, past, named = _execute(connection, MOMENT, {})[0]
        groups_of = dict(zip(links, groups, strict=True))
        last = (tuple(lately), tuple(lasts), past)
        return Snapshot(now, frozenset(closed), groups_of, *last, frozenset(named))

    def to_note(self, connection: Connection) -> bool:
        return connection.exec_driver_sql(NOT_NOTED).first() is not None

    def note_last(self, connection: Connection) -> None:
        """Wait for whoever is recording something of it; whoever comes later finds the row and raises it."""
        found = connection.exec_driver_sql(NOT_NOTED).first()
        if found is None:
            return
        campaign, ended, there = found
        at, all_named = 0, False
        if there:
            connection.exec_driver_sql(_SHORTLY)
            connection.exec_driver_sql(f"LOCK TABLE submissions_c{campaign:d} IN SHARE MODE")
            at, all_named = connection.exec_driver_sql(LAST.format(campaign=f"{campaign:d}")).one()
        values = {"campaign": campaign, "ended": ended, "at": at, "all_named": all_named}
        connection.exec_driver_sql(NOTE, values)

    def write_applied(
        self, connection: Connection, statuses: Sequence[Row], changes: Sequence[Row], journal: Sequence[Row]
    ) -> None:
        """Write deliveries, tallies and receipts in one statement."""
        parts: list[tuple[str, dict[str, object]]] = []
        parts += moved(statuses)
        if changes:
            parts.append(_insert(tallies, TALLY, changes, "t"))
        if len(journal) >= _COPY_FROM:
            self.append(connection, receipts, JOURNAL, journal)
        elif journal:
            parts.append(_insert(receipts, JOURNAL, journal, "r"))
        if parts:
            first = ", ".join(f"w{number} AS ({sql})" for number, (sql, _) in enumerate(parts[:-1]))
            values = {name: value for _, some in parts for name, value in some.items()}
            _execute(connection, (f"WITH {first} " if first else "") + parts[-1][0], values, rows=False)

    def set_alike(
        self, connection: Connection, which: Sequence[ColumnElement[bool]], values: Mapping[str, object]
    ) -> list[Row]:
        own = update(deliveries).where(*which).values(values)
        done = own.returning(deliveries.c.area, deliveries.c.segments).cte("done")
        counted = select(done.c.area, done.c.segments, func.count()).group_by(done.c.area, done.c.segments)
        return [tuple(row) for row in connection.execute(counted)]

    def take_quarantined(
        self, connection: Connection, column: str, values: Sequence[Any], limit: int
    ) -> list[Row]:
        sql = QUARANTINED.format(which=WHICH[column])
        given = {"one": values[0], "all": list(values), "limit": limit}
        return [tuple(row) for row in connection.exec_driver_sql(sql, given)]

    def alone(self, connection: Connection) -> bool:
        """Take the fold lock, without waiting for another process that has it."""
        return bool(connection.exec_driver_sql(_TRY_FOLD).scalar())

    def fold_new(self, connection: Connection) -> None:
        connection.exec_driver_sql(_FOLD)


def _execute(
    connection: Connection,
    sql: str,
    values: Mapping[str, object] | Sequence[int] | None,
    rows: bool = True,
    prepare: bool | None = None,
) -> list[Row]:
    """Run a hot statement through the driver: SQLAlchemy would take as long as the server does."""
    raw: Any = connection.connection.driver_connection
    cursor = raw.execute(sql, values, binary=rows, prepare=prepare)
    return list(cursor.fetchall()) if rows else []


def _hits(
    connection: Connection, sql: str, tables: Sequence[str], queries: Sequence[SubmissionQuery]
) -> list[MatchedDelivery]:
    """Run the query on the partitions with these name suffixes, in one statement."""
    if not tables:
        return []
    rows, values = spread("v", ASKED, [(nth, *each) for nth, each in enumerate(queries)])
    each = [sql.format(asked=rows, own=own, campaign=own.removeprefix("_c")) for own in tables]
    names = [f"f{number}" for number in range(len(each))]
    found = ", ".join(f"{name} AS ({query})" for name, query in zip(names, each, strict=True))
    sql = (
        each[0] if len(each) == 1 else f"WITH {found} {' UNION ALL '.join(f'TABLE {name}' for name in names)}"
    )
    return [MatchedDelivery._make((*row, True)) for row in _looked(connection, sql, values)]


def _looked(connection: Connection, sql: str, values: Mapping[str, object] | None) -> list[Row]:
    """Run a query by the names of partitions; without values it is prepared at once."""
    try:
        return _execute(connection, sql, values, prepare=values is None or None)
    except psycopg.errors.UndefinedTable as error:
        # Erased after this transaction read the list of campaigns; the next one won't look there.
        raise DatabaseUnavailable(
            "A campaign was erased in the meantime. Nothing was changed. Try again."
        ) from error


def _which(connection: Connection, sql: str, values: object, references: object = "{}") -> list[int]:
    """Return the campaigns for which the query finds something."""
    return sorted(row[0] for row in _looked(connection, sql, {"given": values, "references": references}))


def _of(connection: Connection, campaigns: Sequence[int], phones: Collection[int]) -> Sequence[int]:
    """Return those campaigns with a message to one of these numbers; all of a few, which cost no more."""
    if not phones or len(campaigns) <= _AT_ONCE:
        return campaigns if phones else ()
    return _which(connection, having(campaigns), array([*phones]))


def _raise_last(connection: Connection, rows: Sequence[Row]) -> None:
    """Raise what `note_last` has noted of campaigns to the time of these messages with references."""
    if named := [row for row in rows if row[_REFERENCE] is not None]:
        campaigns = sorted({row[0] for row in named})
        values = {"campaigns": campaigns, "at": max(row[_AT] for row in named)}
        _execute(connection, RAISE, values, rows=False)


def _insert(
    table: Table, columns: Sequence[str], rows: Sequence[Row], prefix: str
) -> tuple[str, dict[str, object]]:
    select_, values = spread(prefix, shape(table, columns), rows)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) {select_}", values
