"""Rows to begin with: batches, drafts, runs and links."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, insert, select

from app.campaigns import drafts, lifecycle, optimistic_lock
from app.campaigns.drafts import Draft
from app.campaigns.quiet_hours import DayHours
from app.database.models import batches, link_pace, links, subscribers

HOURS = DayHours("07:00", "21:00")
DRAFT = Draft(name="Before Tet", purpose="tuyen_truyen", sender="CA SON LA", text="Canh giac lua dao.")


def new_batch(connection: Connection, carrier: str = "vnpt", **values: Any) -> int:
    """A batch row that is ready; its id."""
    row: dict[str, Any] = {
        "carrier": carrier,
        "name": "list.csv",
        "sha256": values.pop("sha256", "0" * 64),
        "state": "ready",
        "accepted": 1000,
        "created_at": 0,
        "created_by": "tester",
    }
    made = connection.execute(insert(batches).values(row | values).returning(batches.c.id))
    return int(made.scalar_one())


def new_campaign(connection: Connection, draft: Draft = DRAFT) -> int:
    """A draft; its id."""
    return lifecycle.create(connection, draft, HOURS, "author")


def new_run(connection: Connection, draft: Draft = DRAFT, **batch: Any) -> tuple[int, int]:
    """A draft with one run over one batch: ids of campaign and run."""
    campaign_id = new_campaign(connection, draft)
    batch_id = new_batch(connection, **batch)
    run_id = lifecycle.add_run(connection, campaign_id, batch.get("carrier", "vnpt"), [batch_id], "author")
    return campaign_id, run_id


def whole_run(connection: Connection, carrier: str = "vnpt", phones: int = 3) -> tuple[int, int]:
    """A draft with one run over a batch whose subscribers are there as well; ids of campaign and run."""
    counts = {"lines": phones, "accepted": phones, "sha256": carrier.ljust(64, "0")}
    campaign_id, run_id = new_run(connection, carrier=carrier, **counts)
    batch_id = connection.execute(select(func.max(batches.c.id))).scalar_one()
    rows = [{"batch_id": batch_id, "seq": n + 2, "phone": 84_912_000_000 + n} for n in range(phones)]
    connection.execute(insert(subscribers), rows)
    return campaign_id, run_id


def new_link(connection: Connection, name: str = "vnpt-1", rate: float = 10.0, **values: Any) -> None:
    """A link row."""
    row = {
        "name": name,
        "carrier": "vnpt",
        "receipt_group": name,
        "group_id": 1,
        "segments_per_second": rate,
        "receipt_level": 2,
        "state": "running",
        "changed_at": 0,
    }
    link_id = connection.execute(insert(links).values(row | values)).inserted_primary_key[0]
    connection.execute(insert(link_pace).values(link_id=link_id))


def amend(
    connection: Connection, campaign_id: int, changes: dict[str, Any], hours: DayHours, who: str
) -> None:
    """Change these fields of a campaign and keep the others, as `loa campaign edit` does."""
    row = optimistic_lock.campaign(connection, campaign_id)
    draft = drafts.amended(drafts.of_row(row), changes)
    lifecycle.edit(connection, campaign_id, row.version, draft, hours, who)
