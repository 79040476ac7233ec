"""Fan-out of a batch into deliveries, chunks and tallies, beside a bare INSERT of the same rows."""

from __future__ import annotations

from sqlalchemy import Connection, text

from app.database.connection import Database
from tests.bench.machinery import fresh_url, now
from tests.bench.path_bench import filled

_BARE = """
    INSERT INTO deliveries (campaign_id, batch_id, seq, phone, run_id, area, segments, parts)
    SELECT campaign_id + 1, batch_id, seq, phone, run_id, area, segments, parts FROM deliveries
     WHERE campaign_id = 1
"""


def fan_out(engine: str, count: int) -> dict[str, float]:
    """Rows/s of the fan-out as the worker does it, and of the same rows written bare in one transaction.

    The bare rows go to a campaign of their own, which has the same indexes.
    """
    with fresh_url(engine) as url:
        db = Database(url)
        try:
            world = filled(db, count)
            started = now()
            if world.fan_out() != count:
                raise SystemExit("Not every subscriber was queued.")
            taken = now() - started
            world.check()
            db.write(world.ledger.open_campaign, world.campaign + 1)
            started = now()
            db.write(_bare, count)
            bare = now() - started
        finally:
            db.close()
    return {"rows_per_second": count / taken, "bare_rows_per_second": count / bare}


def _bare(connection: Connection, count: int) -> None:
    if connection.execute(text(_BARE)).rowcount != count:
        raise SystemExit("Not every row was written bare.")
