"""A ledger whose campaign of 2024 is long over, with every kind of row that speaks of a number."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Table, func, insert, select

from app.core.states import NotSent
from app.database import models as m
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.privacy.erasable import RetentionTerms
from app.privacy.eraser import Eraser
from tests.long.app.reports.scene import DAY, T0, S, Scene

DAYS = 90
TERMS = RetentionTerms(DAYS, 1200)  # records stay, but for the tests of their own
PERSONAL = (
    *(m.deliveries, m.submissions, m.receipts, m.unknowns, m.status_queries, m.state_events, m.left_out),
    *(m.chunks, m.polled_chunks, m.subscribers, m.bad_lines, m.receipt_lines),
)


def over(db: Database, ended_at: int | None = T0 + 3 * DAY) -> Database:
    """Campaign 1: run 1 (vnpt) is finished, with two batches; a result file speaks of it."""
    scene = Scene("finished")
    scene.rows[m.runs][0]["ended_at"] = ended_at
    scene.batch(2)
    for reason in ("repeated", "fixed_line"):
        scene.bad(reason)
    first = scene.message(S.DELIVERED)
    for state in (S.DELIVERED, S.SUBMITTED, S.UNKNOWN, S.REJECTED, S.UNDELIVERED, S.EXPIRED, S.NOT_SENT):
        scene.message(state, area="03664")
    scene.message(S.DELIVERED, area=None, parts=3, segments=3, submitted_at=T0 + DAY, done_at=T0 + 2 * DAY)
    scene.message(S.UNKNOWN, reason=int(NotSent.WRITTEN_OFF))
    scene.message(S.RELAYED, batch=2)
    scene.repeated(first["phone"], batch=2)
    key = {"campaign_id": 1, "batch_id": 1, "seq": 4}
    scene.add(m.status_queries, **key, link_id=1, since=T0, due_at=T0)
    scene.add(m.polled_chunks, campaign_id=1, batch_id=1, first_seq=3, link_id=1, pass_no=1)
    scene.add(m.state_events, **key, at=T0, kind=1)
    _file(scene, first["phone"])
    scene.save(db)
    return db


def _file(scene: Scene, phone: int) -> None:
    runs = [{"run_id": 1, "campaign_id": 1, "sent": 1, "rejected": 0, "named": 1, "missing": 0, "later": 0}]
    head = {"carrier": "vnpt", "name": "vnpt.csv", "sha256": "f" * 64, "state": "ready", "runs": runs}
    head |= {"lines": 2, "agreed": 1, "unknown": 1, "created_at": T0 + 4 * DAY, "created_by": "an"}
    scene.add(m.receipt_files, id=1, **head, ended_at=T0 + 4 * DAY)
    line = {"file_id": 1, "phone": phone, "status": "delivered", "reason": 0, "said": "OK"}
    scene.add(m.receipt_lines, **line, line=2, verdict="agreed", campaign_id=1, batch_id=1, seq=3)
    scene.add(m.receipt_lines, **line | {"phone": 84_919_999_999}, line=3, verdict="unknown")


def eraser(db: Database, **how: Any) -> Eraser:
    return Eraser(db, ledger_for(db), how.pop("terms", TERMS), **how)


def erase(db: Database, **how: Any) -> int:
    """Erase all that is due; how many certificates that made."""
    return asyncio.run(eraser(db, **how).run(asyncio.Event()))


def rows(db: Database, table: Table) -> int:
    return int(db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))


def counted(db: Database) -> dict[str, int]:
    """How many rows of each table speak of somebody."""
    return {table.name: n for table in PERSONAL if (n := rows(db, table))}


def stray(db: Database, received_at: int, phone: int = 84_912_345_678) -> None:
    """A receipt that belongs to no message."""
    said = {"received_at": received_at, "phone": phone, "link_id": 1, "group_id": 1, "level": 2, "reason": 0}
    said |= {"status": "delivered", "reference": f"r{received_at}", "tries": 9, "try_at": received_at}
    db.write(lambda c: c.execute(insert(m.quarantine).values(said)))
