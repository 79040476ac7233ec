"""Sums of tallies: present counts of deliveries by run, batch, area, state and reason."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, select

from app.database.models import tallies
from app.ledger.contract import TallyCount


def sums(connection: Connection, *where: ColumnElement[bool]) -> list[TallyCount]:
    """Return the non-zero sums in key order; `where` are conditions on the tallies."""
    t = tallies.c
    key = (t.run_id, t.batch_id, t.area, t.state, t.reason)
    query = select(*key, func.sum(t.n), func.sum(t.segments)).where(*where).group_by(*key)
    counts = (TallyCount(*row[:5], int(row[5]), int(row[6])) for row in connection.execute(query).all())
    # The engines order NULL differently.
    return sorted((c for c in counts if c.n or c.segments), key=lambda c: (*c[:2], c.area or "", *c[3:5]))


def of_run(connection: Connection, run_id: int) -> list[TallyCount]:
    return sums(connection, tallies.c.run_id == run_id)


def of_campaign(connection: Connection, campaign_id: int) -> list[TallyCount]:
    return sums(connection, tallies.c.campaign_id == campaign_id)


def totals(connection: Connection, campaign_id: int) -> list[list[int]]:
    """Return [state, reason, messages, segments] of one campaign in order; these outlive its rows."""
    found: dict[tuple[int, int], list[int]] = {}
    for count in of_campaign(connection, campaign_id):
        have = found.setdefault((count.state, count.reason), [0, 0])
        have[0], have[1] = have[0] + count.n, have[1] + count.segments
    return [[*key, *have] for key, have in sorted(found.items())]
