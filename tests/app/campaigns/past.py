"""Campaigns of the past: what was sent, and what came of it, as the stages would have left it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, insert, select, update

from app.batches.follow_up_job import make_here
from app.campaigns import approval, follow_ups, lifecycle, queries
from app.campaigns import runs as orders
from app.campaigns.drafts import Draft
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.runs import Verb
from app.core.states import DeliveryState, NotSent
from app.database import jobs
from app.database.connection import Database
from app.database.models import (
    campaigns,
    deliveries,
    links,
    run_batches,
    runs,
    subscribers,
    tallies,
)
from app.dispatch.fan_out_job import FanOutJob
from app.file_import.leased_import import FOLLOW_UP
from app.ledger.contract import Link
from app.ledger.ledger import ledger_for
from app.security import Caller
from tests.app.campaigns.rows import DRAFT, HOURS, new_batch, new_link
from tests.app.world import approve, aside

D = DeliveryState
FIRST = 84_912_000_000
Sent = Mapping[int, DeliveryState | tuple[DeliveryState, NotSent]]


def number(n: int) -> int:
    return FIRST + n


def link(db: Database, carrier: str = "vnpt") -> Link:
    """The carrier's link, whose receipts prove the handset."""
    row = db.read(lambda c: c.execute(select(links).where(links.c.carrier == carrier)).first())
    if row is None:
        db.write(new_link, f"{carrier}-1", carrier=carrier)
        row = db.read(lambda c: c.execute(select(links).where(links.c.carrier == carrier)).one())
    return Link(row.id, row.name, carrier, row.group_id)


def sent(
    db: Database,
    outcome: Sent,
    carrier: str = "vnpt",
    *,
    draft: Draft = DRAFT,
    areas: Sequence[str | None] = ("116", "119", None),
    state: str = "finished",
    into: int | None = None,
) -> int:
    """A campaign (or one more run of it) whose nth number has this outcome; its id."""
    by, ledger = link(db, carrier), ledger_for(db)

    def work(c: Any) -> int:
        campaign = lifecycle.create(c, draft, HOURS, "author") if into is None else into
        ledger.open_campaign(c, campaign)
        size = {"lines": len(outcome), "accepted": len(outcome)}
        batch = new_batch(c, carrier, sha256=f"{carrier} {campaign}", created_by="supplier", **size)
        run = lifecycle.insert_run(c, campaign, carrier, [batch], "author")
        rows = [
            {"batch_id": batch, "seq": at + 2, "phone": number(n), "area": areas[n % len(areas)]}
            for at, n in enumerate(outcome)
        ]
        c.execute(insert(subscribers), rows)
        for row, what in zip(rows, outcome.values(), strict=True):
            how, why = what if isinstance(what, tuple) else (what, 0)
            own = {"campaign_id": campaign, "run_id": run, "state": int(how), "reason": int(why)}
            c.execute(insert(deliveries).values(**row, **own, link_id=by.id, submitted_at=1))
        fanned = update(run_batches).where(run_batches.c.batch_id == batch)
        c.execute(fanned.values(fanned_upto=rows[-1]["seq"], fanned_all=True))
        ended = {"state": state, "started_at": 1, "ended_at": 2}
        c.execute(update(runs).where(runs.c.id == run).values(ended))
        ledger.correct(c, campaign, list(ledger.recount(c, campaign, batch)))
        c.execute(update(campaigns).where(campaigns.c.id == campaign).values(state="approved"))
        approve(c, campaign)
        return campaign

    return db.write(work)


def follow(db: Database, *sources: int, who: str = "lan", **wanted: Any) -> int:
    """A follow-up whose batches are made; its id."""
    made = db.write(follow_ups.create, FollowUpRequest(sources, **wanted), HOURS, who)
    fill(db)
    return made


def fill(db: Database) -> None:
    for job in db.read(jobs.due, [FOLLOW_UP]):
        make_here(db, int(job.subject.removeprefix("batch ")))


def approved(db: Database, campaign: int, approver: str = "boss") -> None:
    db.write(lifecycle.submit, campaign, "lan")
    db.write(approval.approve, campaign, Caller(approver, "approver"))


def begin(db: Database, campaign: int) -> None:
    """Approve it, start its runs and queue them."""
    approved(db, campaign)
    start(db, campaign)


def start(db: Database, campaign: int) -> None:
    for run in db.read(queries.dossier, campaign).runs:
        orders.order(db, Verb.START, run.id, "operator")
    queue(db)


def queue(db: Database) -> None:
    async def work() -> None:
        while await FanOutJob(db, ledger_for(db), aside(db)).next():
            pass

    asyncio.run(work())


def audience(db: Database, campaign: int) -> list[int]:
    """Whom its batches name, counted from FIRST."""
    b = run_batches.c
    query = select(subscribers.c.phone).join(run_batches, b.batch_id == subscribers.c.batch_id)
    return _numbers(db, query.where(b.campaign_id == campaign))


def in_state(db: Database, campaign: int, *states: DeliveryState) -> list[int]:
    d = deliveries.c
    return _numbers(db, select(d.phone).where(d.campaign_id == campaign, d.state.in_(states or list(D))))


def _numbers(db: Database, query: Any) -> list[int]:
    return sorted(phone - FIRST for phone in db.read(lambda c: c.execute(query).scalars().all()))


def left(db: Database, campaign: int) -> dict[NotSent, int]:
    """How many were left out at queueing, and why, as the tallies say."""
    t = tallies.c
    query = select(t.reason, func.sum(t.n)).where(t.campaign_id == campaign, t.state == D.EXCLUDED)
    rows = db.read(lambda c: c.execute(query.group_by(t.reason)).all())
    return {NotSent(reason): int(n) for reason, n in rows}


def change(db: Database, campaign: int, n: int, state: DeliveryState, reason: int = 0) -> None:
    """A receipt that comes late, or a person's order, as far as the delivery's row shows it."""
    d, ledger = deliveries.c, ledger_for(db)

    def work(c: Any) -> None:
        before = ledger.recount(c, campaign)
        own = (d.campaign_id == campaign, d.phone == number(n))
        c.execute(update(deliveries).where(*own).values(state=int(state), reason=reason))
        ledger.correct(c, campaign, [*(_taken_back(each) for each in before), *ledger.recount(c, campaign)])

    db.write(work)


def _taken_back(count: Any) -> Any:
    return count._replace(n=-count.n, segments=-count.segments)
