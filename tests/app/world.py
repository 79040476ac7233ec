"""A small world in the tables: batch, campaign, run and link, as the stages would have left them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from app.campaigns import approval
from app.core import clock
from app.core.states import BatchState, CampaignState, LinkState, RunState
from app.database.connection import Database
from app.database.models import (
    batches,
    campaigns,
    deliveries,
    link_pace,
    links,
    run_batches,
    runs,
    subscribers,
    tallies,
)
from app.ledger import approval_digest
from app.ledger.contract import Arrival, ChunkLease, DeliveryToSend, Link, SubmitOutcome
from app.ledger.ledger import Ledger, ledger_for
from app.observability.faults import Aside, Faults
from app.observability.metrics import Metrics
from carriers.contract import Accepted, Reason, Receipt, ReceiptLevel, ReceiptStatus

FIRST_PHONE = 84_912_000_000


@dataclass(slots=True)
class World:
    """One run, ready to send."""

    db: Database
    ledger: Ledger
    campaign: int
    run: int
    batch: int
    link: Link

    def fan_out(self, limit: int = 10_000) -> int:
        """Queue every subscriber of the batch; how many deliveries there are."""
        self.db.write(self.ledger.open_campaign, self.campaign)
        queued, more = 0, True
        while more:
            slice_ = self.db.write(self.ledger.fan_out, self.run, self.batch, 1, limit)
            queued, more = queued + slice_.queued, slice_.more
        return queued

    def claim(self, owner: str = "link-1", lease_s: float = 30.0) -> ChunkLease | None:
        return self.db.write(self.ledger.claim, self.link, [self.run], owner, lease_s)

    def states(self) -> dict[int, int]:
        """How many deliveries are in each state, counted in the rows."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        return dict(self.db.read(lambda c: [tuple(row) for row in c.execute(query)]))

    def tallied(self) -> dict[int, int]:
        """How many deliveries are in each state, as the tallies say."""
        query = select(tallies.c.state, func.sum(tallies.c.n)).group_by(tallies.c.state)
        rows = self.db.read(lambda c: [tuple(row) for row in c.execute(query)])
        return {state: int(n) for state, n in rows if n}

    def rewrite(self, **values: object) -> None:
        """Another campaign from now on, approved like the one before."""

        def work(c: Connection) -> None:
            c.execute(update(campaigns).where(campaigns.c.id == self.campaign).values(values))
            approve(c, self.campaign)

        self.db.write(work)

    def delivery(self, seq: int) -> dict[str, object]:
        query = select(deliveries).where(deliveries.c.seq == seq)
        return dict(self.db.read(lambda c: c.execute(query).one())._mapping)

    def check(self) -> None:
        """The tallies and the rows agree, key by key."""
        t = tallies.c
        keys = (t.run_id, t.batch_id, t.area, t.state, t.reason)
        query = select(*keys, func.sum(t.n), func.sum(t.segments)).group_by(*keys)
        sums = {
            tuple(row[:5]): (int(row[5]), int(row[6]))
            for row in self.db.read(lambda c: c.execute(query).all())
        }
        sums = {key: value for key, value in sums.items() if value != (0, 0)}
        counts = {tuple(c[:5]): (c.n, c.segments) for c in self.db.read(self.ledger.recount, self.campaign)}
        assert sums == counts


def aside(db: Database) -> Aside:
    """Where a sweep puts the rows that it can't handle."""
    return Aside(Faults(db, Metrics()), "test")


def build(db: Database, subscribers_: int, *, chunk: int = 100, phones: list[int] | None = None) -> World:
    """A running run with one READY batch of so many subscribers, and a link of 100 segments/s."""
    ids = db.write(_insert, subscribers_, phones)
    link = Link(ids[3], "viettel-1", "viettel", ids[3])
    return World(db, ledger_for(db, chunk), *ids[:3], link)


def _insert(c: Connection, count: int, phones: list[int] | None) -> tuple[int, int, int, int]:
    now = clock.now_ms()
    made = {"created_at": now, "created_by": "test"}
    campaign = {
        "name": "Tet",
        "purpose": "tuyen_truyen",
        "sender": "CA SONLA",
        "texts": {"": "Canh giac lua dao"},
    }
    campaign |= {"day_starts": "00:00", "day_ends": "24:00", "state": CampaignState.APPROVED.value}
    campaign_id = c.execute(insert(campaigns).values(campaign | made)).inserted_primary_key[0]
    run = {
        "campaign_id": campaign_id,
        "carrier": "viettel",
        "state": RunState.RUNNING.value,
        "created_at": now,
    }
    run_id = c.execute(insert(runs).values(run)).inserted_primary_key[0]
    batch_id = add_batch(c, campaign_id, run_id, phones or [FIRST_PHONE + n for n in range(count)])
    link = {"name": "viettel-1", "carrier": "viettel", "receipt_group": "viettel-1", "group_id": 1}
    link |= {
        "segments_per_second": 100.0,
        "receipt_level": 2,
        "state": LinkState.RUNNING.value,
        "changed_at": now,
    }
    link_id = c.execute(insert(links).values(link)).inserted_primary_key[0]
    c.execute(insert(link_pace).values(link_id=link_id))
    return campaign_id, run_id, batch_id, link_id


def add_batch(c: Connection, campaign_id: int, run_id: int, phones: list[int]) -> int:
    """One more READY batch of the run; seq is the line in a file with a header."""
    batch = {"carrier": "viettel", "name": "a.csv", "sha256": f"{phones[0]}-{len(phones)}", "bytes": 0}
    batch |= {"state": BatchState.READY.value, "lines": len(phones), "accepted": len(phones)}
    batch |= {"created_at": clock.now_ms(), "created_by": "test"}
    batch_id = c.execute(insert(batches).values(batch)).inserted_primary_key[0]
    areas = ("03646", "03664", None)
    rows = [
        {"batch_id": batch_id, "seq": n + 2, "phone": phone, "area": areas[n % 3]}
        for n, phone in enumerate(phones)
    ]
    if rows:
        c.execute(insert(subscribers), rows)
    link = {"campaign_id": campaign_id, "batch_id": batch_id, "run_id": run_id}
    c.execute(insert(run_batches).values(link))
    approve(c, campaign_id)
    return int(batch_id)


def approve(c: Connection, campaign_id: int) -> None:
    """Approve the campaign as it stands."""
    row = c.execute(select(campaigns).where(campaigns.c.id == campaign_id)).one()
    approval.write(c, campaign_id, "test", digest=approval_digest.digest(c, row), decision="approved")


def accepted(items: list[DeliveryToSend], prefix: str = "m") -> list[SubmitOutcome]:
    """Every item taken, with one reference each."""
    return [SubmitOutcome(item, Accepted((f"{prefix}{item.seq}",))) for item in items]


def receipt(
    link: Link,
    reference: str | None,
    status: ReceiptStatus = ReceiptStatus.DELIVERED,
    *,
    phone: int | None = None,
    level: ReceiptLevel = ReceiptLevel.HANDSET,
    reason: Reason = Reason.NONE,
) -> Arrival:
    said = Receipt(reference, str(phone) if phone else None, status, level, reason, "000", clock.now(), "raw")
    return Arrival(link, said)
