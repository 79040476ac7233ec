"""A receipt that comes late."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import deliveries, receipts, tallies


def receive(db: Database) -> None:
    """A receipt comes for a message of run 1 that had none."""
    d, now = deliveries.c, clock.now_ms()

    def come(c: Connection) -> None:
        waiting = (d.run_id == 1, d.state == DeliveryState.SUBMITTED, d.parts == 1)
        row = c.execute(select(deliveries).where(*waiting)).first()
        assert row is not None
        own = {name: getattr(row, name) for name in ("campaign_id", "batch_id", "seq")}
        done = {"state": int(DeliveryState.DELIVERED), "delivered": 1, "done_at": now}
        c.execute(update(deliveries).where(*(d[key] == n for key, n in own.items())).values(done))
        said = {"part": 0, "changed": True, "link_id": row.link_id, "group_id": 1, "level": 2, "reason": 0}
        c.execute(insert(receipts).values(own | said | {"status": "delivered", "received_at": now}))
        for state, n in ((row.state, -1), (DeliveryState.DELIVERED, 1)):
            key = {"campaign_id": row.campaign_id, "run_id": 1, "batch_id": row.batch_id, "area": row.area}
            counts = {"state": int(state), "reason": 0, "n": n, "segments": n * row.segments}
            c.execute(insert(tallies).values(key | counts))

    db.write(come)
