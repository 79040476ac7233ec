"""The ledger on PostgreSQL: COPY, unnest, SKIP LOCKED and a partition for each campaign."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql

from app.ledger.contract import Lease, Slice
from app.ledger.queue import Queue
from app.ledger.results import Results
from app.ledger.store import Claim, Hit, OpenChunk, Recorded, Row
from app.ledger.tallies import Tallies
from app.models import metadata, run_batches
from app.states import DeliveryState

_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
# Half-full pages keep both updates of a delivery on its own page (HOT).
_PARTITIONED = {"deliveries": "WITH (fillfactor = 50)", "submissions": "", "receipts": ""}
_TAKE = f"""
    WITH due AS (
      SELECT campaign_id, batch_id, first_seq, state AS was, lane_id AS by FROM chunks
       WHERE run_id = %(run)s AND state < 2 AND (not_before <= {_NOW} OR %(early)s)
         AND (state = 0 OR lease_until < {_NOW})
       ORDER BY not_before, batch_id, first_seq LIMIT 1 FOR UPDATE SKIP LOCKED)
    UPDATE chunks c SET state = 1, owner = %(owner)s, lane_id = coalesce(%(lane)s, c.lane_id),
           lease_until = {_NOW} + %(lease)s, attempt = attempt + 1
      FROM due
     WHERE c.campaign_id = due.campaign_id AND c.batch_id = due.batch_id AND c.first_seq = due.first_seq
    RETURNING c.campaign_id, c.batch_id, c.run_id, c.first_seq, c.last_seq, c.watermark, c.pass_no, c.attempt,
              due.by, due.was = 1
"""
_HOLD = f"""
    UPDATE chunks SET lease_until = {_NOW} + %(lease)s, watermark = greatest(watermark, %(watermark)s::int)
     WHERE campaign_id = %(c)s AND batch_id = %(b)s AND first_seq = %(f)s AND attempt = %(a)s AND state = 1
"""
_COST = "(%(n)s * 1e6 / segments_per_second)::bigint"
_RESERVE = f"""
    WITH now AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us)
    UPDATE lanes SET next_free_us = greatest(next_free_us, now.us) + {_COST}
      FROM now WHERE id = %(lane)s
    RETURNING (next_free_us - {_COST} - now.us) / 1e6
"""
_OUTCOME = f"""
    UPDATE deliveries d
       SET state = v.state, reason = v.reason, parts = v.parts, failed = v.failed, attempts = v.attempts,
           faults = v.faults, lane_id = %(lane)s,
           submitted_at = CASE WHEN v.state = 0 THEN d.submitted_at ELSE {_NOW} END
      FROM unnest(%(v0)s::int[], %(v1)s::smallint[], %(v2)s::smallint[], %(v3)s::smallint[],
                  %(v4)s::smallint[], %(v5)s::smallint[], %(v6)s::smallint[])
           AS v(seq, state, reason, parts, failed, attempts, faults)
     WHERE d.campaign_id = %(c)s AND d.batch_id = %(b)s AND d.seq = v.seq
       AND d.seq BETWEEN %(low)s AND %(high)s -- bounds the work whatever plan is chosen without statistics
       AND d.state = %(old)s AND d.reason = 0
    RETURNING d.seq
"""
_FIND = """
    SELECT v.nth, s.at, s.part, d.campaign_id, d.batch_id, d.seq, d.run_id, d.phone, d.area, d.segments,
           d.submitted_at, d.done_at, d.state, d.reason, d.parts, d.delivered, d.relayed, d.failed
      FROM unnest(%(i)s::int[], %(g)s::smallint[], %(r)s::text[]) AS v(nth, group_id, reference)
      JOIN submissions s ON s.reference = v.reference AND s.group_id = v.group_id
      JOIN deliveries d ON d.campaign_id = s.campaign_id AND d.batch_id = s.batch_id AND d.seq = s.seq
     ORDER BY d.campaign_id, d.batch_id, d.seq FOR NO KEY UPDATE OF d
"""
_STANDING = """
    UPDATE deliveries d
       SET state = v.state, reason = v.reason, done_at = v.done_at,
           delivered = v.delivered, relayed = v.relayed, failed = v.failed
      FROM unnest(%(v0)s::int[], %(v1)s::int[], %(v2)s::int[], %(v3)s::smallint[], %(v4)s::smallint[],
                  %(v5)s::smallint[], %(v6)s::smallint[], %(v7)s::smallint[], %(v8)s::bigint[])
           AS v(campaign_id, batch_id, seq, state, reason, delivered, relayed, failed, done_at)
     WHERE d.campaign_id = v.campaign_id AND d.batch_id = v.batch_id AND d.seq = v.seq
"""
_QUARANTINED = """
    SELECT id, tries, received_at, done_at, phone, lane_id, group_id, level, reason, status, reference, code,
           raw
      FROM quarantine WHERE {which} LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_WHICH = {"try_at": "try_at <= %(one)s", "reference": "reference = ANY(%(all)s)"}
_FOLD = """
    WITH gone AS (DELETE FROM tallies RETURNING *)
    INSERT INTO tallies (campaign_id, run_id, batch_id, area, state, reason, n, segments)
    SELECT campaign_id, run_id, batch_id, area, state, reason, sum(n), sum(segments) FROM gone
     GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0 OR sum(segments) <> 0
"""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
# Fewer changes than this are summed by the reader sooner than folded by us.
FOLD_FROM = 20_000


class PostgresqlLedger(Queue, Results, Tallies):
    """The primitives on PostgreSQL; its clock is the one that all processes share."""

    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """A partition of each large table; ATTACH does not stop those who read and write the others."""
        found = connection.exec_driver_sql(f"SELECT to_regclass('receipts_c{campaign_id:d}')").scalar()
        if found is not None:
            return
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4916)")
        for table, options in _PARTITIONED.items():
            name = f"{table}_c{campaign_id:d}"
            make = f"CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL) {options}"
            attached = f"SELECT 1 FROM pg_inherits WHERE inhrelid = '{name}'::regclass"
            connection.exec_driver_sql(make)
            if connection.exec_driver_sql(attached).first() is None:
                attach = f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES IN ({campaign_id:d})"
                connection.exec_driver_sql(attach)

    def now_ms(self, connection: Connection) -> int:
        """The server's clock."""
        return int(connection.exec_driver_sql(f"SELECT {_NOW}").scalar_one())

    def append(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        """Add many rows by COPY."""
        raw: Any = connection.connection.driver_connection
        with (
            raw.cursor() as cursor,
            cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def add_missing(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Add many rows, and pass over those whose primary key is there already."""
        if rows:
            connection.exec_driver_sql(_insert_missing(table.name, tuple(columns)), _arrays(rows))

    def lock_fan_out(self, connection: Connection, run_id: int, batch_id: int) -> Row | None:
        """(campaign_id, fanned_upto, fanned_all) of the run's batch, locked."""
        sql = (
            "SELECT campaign_id, fanned_upto, fanned_all FROM run_batches "
            "WHERE run_id = %(run)s AND batch_id = %(batch)s FOR UPDATE"
        )
        row = connection.exec_driver_sql(sql, {"run": run_id, "batch": batch_id}).first()
        return None if row is None else tuple(row)

    def fan_out(
        self, connection: Connection, run_id: int, batch_id: int, segments: dict[str, int], limit: int
    ) -> Slice:
        """The same as everywhere; a partition's first rows and its last give the planner its statistics."""
        done = super().fan_out(connection, run_id, batch_id, segments, limit)
        campaign = select(run_batches.c.campaign_id, run_batches.c.fanned_upto).where(
            run_batches.c.run_id == run_id, run_batches.c.batch_id == batch_id
        )
        row = connection.execute(campaign).first()
        if row is not None and (not done.more or row.fanned_upto <= 2 * limit):
            connection.exec_driver_sql(f"ANALYZE deliveries_c{row.campaign_id:d}")
        return done

    def take_chunk(self, connection: Connection, run_id: int, claim: Claim) -> OpenChunk | None:
        """Lease the first chunk of the run that is due; on to the next where another is taking it."""
        values = {"run": run_id, "owner": claim.owner, "lane": claim.lane_id}
        values |= {"lease": claim.lease_ms, "early": claim.early}
        row = connection.exec_driver_sql(_TAKE, values).first()
        return None if row is None else OpenChunk(*row)

    def hold(self, connection: Connection, lease: Lease, lease_ms: int, watermark: int | None) -> bool:
        """Prolong a lease that stands, and raise its watermark; False where it is lost."""
        values = {"lease": lease_ms, "watermark": watermark, "c": lease.campaign_id, "b": lease.batch_id}
        values |= {"f": lease.first_seq, "a": lease.attempt}
        return connection.exec_driver_sql(_HOLD, values).rowcount == 1

    def reserve(self, connection: Connection, lane_id: int, segments: float) -> float:
        """Reserve time on the link; seconds from now until the first segment may go."""
        values = {"n": segments, "lane": lane_id}
        return max(0.0, float(connection.exec_driver_sql(_RESERVE, values).scalar_one()))

    def write_outcomes(
        self, connection: Connection, lease: Lease, lane_id: int, old: DeliveryState, rows: Sequence[Recorded]
    ) -> set[int]:
        """Set the deliveries that are in state `old`; which they were."""
        if not rows:
            return set()
        values: dict[str, object] = {"c": lease.campaign_id, "b": lease.batch_id, "lane": lane_id}
        seqs = [row.seq for row in rows]
        values |= {"old": int(old), "low": min(seqs), "high": max(seqs)}
        found = connection.exec_driver_sql(_OUTCOME, values | _arrays(rows))
        return {row[0] for row in found}

    def find(self, connection: Connection, references: Sequence[tuple[int, str]]) -> list[Hit]:
        """Lock and read the deliveries of these (group_id, reference), in key order."""
        groups, names = zip(*references, strict=True)
        values = {"i": _array(range(len(references))), "g": _array(groups), "r": list(names)}
        return [Hit(*row) for row in connection.exec_driver_sql(_FIND, values)]

    def write_standings(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Set (campaign_id, batch_id, seq, state, reason, delivered, relayed, failed, done_at) by key."""
        connection.exec_driver_sql(_STANDING, _arrays(rows))

    def take_quarantined(
        self, connection: Connection, column: str, values: Sequence[Any], limit: int
    ) -> list[Row]:
        """Lock and read quarantined receipts: those due (column try_at, one value) or of these references."""
        sql = _QUARANTINED.format(which=_WHICH[column])
        given = {"one": values[0], "all": list(values), "limit": limit}
        return [tuple(row) for row in connection.exec_driver_sql(sql, given)]

    def fold_tallies(self, connection: Connection) -> None:
        """Sum tally changes into one row for each key, once there are many."""
        rows = connection.exec_driver_sql("SELECT count(*) FROM tallies").scalar_one()
        if rows >= FOLD_FROM:
            connection.exec_driver_sql(_FOLD)


def _arrays(rows: Sequence[Row]) -> dict[str, object]:
    """Columns of the rows as v0, v1 ...: one array each."""
    return {f"v{number}": _array(column) for number, column in enumerate(zip(*rows, strict=True))}


def _array(column: Sequence[Any]) -> object:
    """One parameter.

    psycopg writes an array value by value in Python, which was 8% of a worker's CPU. Whole numbers are
    written at once: between its brackets a JSON list of them is what PostgreSQL reads. Texts are left to it.
    """
    if any(isinstance(value, str) for value in column):
        return list(column)
    return "{" + json.dumps(list(column))[1:-1] + "}"


@cache
def _insert_missing(table: str, columns: tuple[str, ...]) -> str:
    types = [metadata.tables[table].c[name].type.compile(_DIALECT) for name in columns]
    plain = [kind.split(" COLLATE")[0].split("(")[0] for kind in types]
    arrays = ", ".join(f"%(v{number})s::{kind}[]" for number, kind in enumerate(plain))
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
