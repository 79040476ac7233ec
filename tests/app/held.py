"""Jobs that somebody holds, or held."""

from __future__ import annotations

from sqlalchemy import insert, update

from app.core import clock
from app.database.connection import Database
from app.database.models import jobs


def held_by(db: Database, kind: str, subject: str, owner: str | None, lease_ms: int = 60_000) -> None:
    """Let the job be held by that owner alone, under a lease that ends in so many milliseconds."""
    now = clock.now_ms()
    row = {"kind": kind, "subject": subject, "owner": owner, "lease_until": now + lease_ms, "tries": 1}
    db.write(lambda c: c.execute(jobs.delete().where(jobs.c.kind == kind, jobs.c.subject == subject)))
    db.write(lambda c: c.execute(insert(jobs).values(due_at=now - 1000, **row)))


def expire(db: Database, ago_ms: int = 1) -> None:
    """Let the leases of all jobs, and what they wait for, be over since then."""
    ended = clock.now_ms() - ago_ms
    db.write(lambda c: c.execute(update(jobs).values(lease_until=ended, due_at=ended)))
