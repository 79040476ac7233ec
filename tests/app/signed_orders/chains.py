"""The documents of one order, and a carrier's Loa that receives them while it sends."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from sqlalchemy import func, insert, select, update

from app.campaigns import approval, optimistic_lock
from app.campaigns.runs import Verb, order
from app.core import clock
from app.core.config import Settings
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import deliveries, links, received_orders, run_batches, runs, subscribers
from app.dispatch import run_sweeps
from app.dispatch.fan_out_job import FanOutJob
from app.dispatch.run_sweeps import close_due
from app.ledger.contract import Link
from app.ledger.ledger import ledger_for
from app.operations import OPERATIONS
from app.security import Caller
from app.signed_orders import loa_carrier, received
from carriers.contract import Reason, ReceiptStatus
from tests.app import world
from tests.app.campaigns.rows import new_batch, new_link
from tests.app.signed_orders import documents
from tests.app.signed_orders.documents import POLICE
from tests.app.signed_orders.scene import at
from tests.app.world import World, accepted

BOSS = Caller("chief of vnpt", "approver")


def chain(order_id: int, *kinds: str) -> list[bytes]:
    """The signed documents of an order, each naming the one before it; a change has the text before it."""
    found, before, text = list[bytes](), None, ""
    for serial, kind in enumerate(kinds, 1):
        if kind in ("order", "repeat"):
            text = f"Canh giac lua dao, ban {serial}."
        said = documents.order(number=f"{order_id}-{serial}", kind=kind, issued_at=at(0), replaces=before)
        said["reason"] = "Thay đổi" if before else ""
        if kind == "withdrawal":
            said["content"] = None
        else:
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            texts = [{"language": "", "text": text, "sha256": sha256, "parts": 1}]
            said["content"] |= {"texts": texts, "begins_at": None, "ends_at": at(9 * 86_400)}
            said["content"] |= {"report_by": at((19 + serial) * 86_400), "valid_until": at(9 * 86_400)}
            letter = {"number": f"{order_id}/CAT-PA05", "issued_on": "2024-02-01", "issuer": "Công an tỉnh"}
            said["content"] |= {"directive": letter, "areas_of": at(0)[:10]}
            said["content"] |= {"day_begins": "07:00", "day_ends": "22:00", "purpose": "tuyen_truyen"}
        signed = loa_carrier.sign(said, POLICE)
        before = {"number": said["number"], "sha256": loa_carrier.read(signed).sha256}
        found.append(signed)
    return found


def people(db: Database, count: int) -> int:
    """A batch of the carrier's own subscribers."""
    batch_id = db.write(lambda c: new_batch(c, lines=count, accepted=count))
    areas = ("03646", "03646", "03985")
    rows = [
        {"batch_id": batch_id, "seq": n + 2, "phone": 84_912_345_600 + n, "area": areas[n % 3]}
        for n in range(count)
    ]
    db.write(lambda c: c.execute(insert(subscribers), rows))
    return int(batch_id)


def going(db: Database) -> list[int]:
    """The runs that are planned or being sent."""
    live = runs.c.state.in_([RunState.PLANNED, RunState.RUNNING])
    return list(db.read(lambda c: c.execute(select(runs.c.id).where(live)).scalars().all()))


def sweep(db: Database) -> None:
    """What a worker does beside sending: queue, close, and move runs on."""
    ledger = ledger_for(db, 4)
    while asyncio.run(FanOutJob(db, ledger, world.aside(db)).next()):
        pass
    while asyncio.run(close_due(db, ledger, world.aside(db))):
        pass
    db.write(run_sweeps.advance, ledger, clock.DAY_MS)


def send(db: Database, run_id: int, chunks: int, prefix: str = "m") -> int:
    """Approve and start the run as far as needed, and send so many chunks of four; how many were sent."""
    run = db.read(optimistic_lock.run, run_id)
    if run.state == RunState.PLANNED:
        db.write(approval.approve, run.campaign_id, BOSS)
        order(db, Verb.START, run_id, "vnpt desk")
    if db.read(lambda c: c.execute(select(links.c.id)).first()) is None:
        db.write(new_link)
    for _ in range(2):  # what a run replaces is stopped first, then it is queued
        sweep(db)
    link_id = db.read(lambda c: c.execute(select(links.c.id)).scalar_one())
    batch = select(run_batches.c.batch_id).where(run_batches.c.run_id == run_id)
    batch_id = db.read(lambda c: c.execute(batch).scalar_one())
    link = Link(link_id, "vnpt-1", "vnpt", 1)
    sends, sent = World(db, ledger_for(db, 4), run.campaign_id, run_id, batch_id, link), 0
    for number in range(chunks):
        lease = sends.claim()
        if lease is None:
            break
        mark = f"{prefix}{run_id}-{number}-"
        db.write(sends.ledger.record, link, lease, accepted(list(lease.items), mark), None, 30.0)
        db.write(sends.ledger.release, lease, 0.0)
        sent += len(lease.items)
        for item in lease.items[:1]:  # written to, and not reached
            status, reason = ReceiptStatus.UNDELIVERED, Reason.EXPIRED
            failed = world.receipt(link, f"{mark}{item.seq}", status, phone=item.phone, reason=reason)
            db.write(sends.ledger.apply, [failed])
    return sent


def written(db: Database, order_id: int) -> dict[int, int]:
    """How many messages of the order each telephone was sent."""
    d, r = deliveries.c, received_orders.c
    own = select(r.run_id).where(r.chain == order_id)
    query = select(d.phone, func.count()).where(d.run_id.in_(own), d.submitted_at.is_not(None))
    return {row[0]: row[1] for row in db.read(lambda c: c.execute(query.group_by(d.phone)).all())}


def held(db: Database, order_id: int) -> list[tuple[Any, ...]]:
    """What the carrier's Loa holds of the order, the newest first."""
    found = [each for each in every(db) if each.number.startswith(f"{order_id}-")]
    return [(each.number, each.kind, str(each.state)) for each in found]


def every(db: Database, carrier: str | None = None) -> list[received.ReceivedOrder]:
    """What the carrier's Loa lists, for its people or those of one carrier."""
    who = (
        Caller("desk", "operator", carrier, person=True) if carrier else Caller("chief", "admin", person=True)
    )
    found: list[received.ReceivedOrder] = OPERATIONS["list_received_orders"].run(db, Settings(), who)
    return found


def sent_meanwhile(db: Database, run_id: int) -> None:
    """The run is at its end, as the sweeps leave it once everything was handed over."""
    sweep(db)
    moved = {"state": "sent", "ended_at": func.coalesce(runs.c.ended_at, runs.c.started_at)}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == run_id).values(moved)))
