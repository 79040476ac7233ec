"""PostgreSQL statements for receipts: match them, update deliveries, read quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from app.core.clock import DAY_MS
from app.database.models import deliveries
from app.ledger.contract import CROWD, EARLY_MS, EVER, TAKEN, VALIDITY_MS, ResultKind, StateEvent
from app.ledger.engines.pg_unnest import Row, shape, spread

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
def _each(given: str, query: str, campaigns: tuple[int, ...]) -> str:
    looks = (query.format(campaign=f"{campaign:d}") for campaign in campaigns)
    return given + " UNION ALL ".join(looks)
