"""PostgreSQL statements for receipts: match them, update deliveries, read quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from app.core.clock import DAY_MS
from app.database.models import deliveries
from app.ledger.contract import ResultKind
from app.ledger.engine_base import CROWD
from app.ledger.engines.pg_unnest import Row, shape, spread
from app.ledger.receipt_times import EARLY_MS, VALIDITY_MS

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
           d.submitted_at, d.done_at, d.state, d.reason, d.parts, d.delivered, d.relayed, d.failed, d.resends,
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
# No carrier tries a message for longer, so nearly all receipts concern runs that ended since.
_LATELY_MS = VALIDITY_MS + DAY_MS
# MATERIALIZED, so that only recent runs' tables are looked up; the planner would look up those of all runs.
MOMENT = f"""
    WITH closed AS (SELECT subject_id AS id FROM erasures WHERE kind = 'campaign' AND ended_at IS NULL),
         lately AS MATERIALIZED (SELECT DISTINCT campaign_id FROM runs WHERE state <> 'planned'
                    AND (ended_at IS NULL OR ended_at > (SELECT {NOW} - {_LATELY_MS})))
    SELECT {NOW}, ARRAY(SELECT id FROM closed),
           ARRAY(SELECT id::int FROM links ORDER BY id), ARRAY(SELECT group_id::int FROM links ORDER BY id),
           ARRAY(SELECT campaign_id FROM lately
                  WHERE campaign_id NOT IN (SELECT id FROM closed)
                    AND to_regclass('submissions_c' || campaign_id) IS NOT NULL
                    AND to_regclass('deliveries_c' || campaign_id) IS NOT NULL ORDER BY campaign_id)
"""  # noqa: S608 - constants of ours; values are bound
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
