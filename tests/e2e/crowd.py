"""The province after a year's work: 500 campaigns, 75 communes, long names, a dead link, 10,000 bad lines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from app.core import areas, clock
from app.core.states import DeliveryState as State
from app.database.connection import Database
from app.database.models import (
    bad_lines,
    batches,
    campaigns,
    deliveries,
    link_health,
    links,
    run_batches,
    runs,
    tallies,
)
from tests.e2e import scene

CAMPAIGNS, BAD_LINES, LONG = 500, 10_000, 200
# Of each fifty campaigns: how many are in a state, and that of their run.
STATES = [("approved", "running")] * 2 + [("submitted", "planned")] * 2 + [("draft", "planned")] * 3
STATES += [("rejected", "planned")] * 3 + [("approved", "finished")] * 40
COMMUNES = sorted(each.code for each in areas.every() if each.valid(clock.local(clock.now()).date()))


def crowded(db: Database) -> None:
    """Fill the tables with the scene and all that can be too much for a page."""
    scene.build(db)
    for fill in (many_campaigns, _communes, _bad_lines, _dead_link):
        db.write(fill)


def long_name(n: int) -> str:
    """As long as a name may be, and without a blank where a line could end."""
    return f"Cảnhbáo{n}".ljust(LONG, "x")


def many_campaigns(c: Connection) -> None:
    """Copies of the last campaign, in every state, each with a run over a batch of its own."""
    models = {table: _row(c, table) for table in (campaigns, batches, runs)}
    now = clock.now_ms()
    first = int(c.execute(select(func.max(campaigns.c.id))).scalar_one()) + 1
    told: dict[Table, list[dict[str, Any]]] = {campaigns: [], batches: [], runs: [], run_batches: []}
    for n in range(first, CAMPAIGNS + 1):
        state, begun = STATES[n % len(STATES)]
        name = {"name": long_name(n)}
        told[campaigns].append(models[campaigns] | name | {"id": n, "state": state, "directive_id": 1})
        told[batches].append(models[batches] | name | {"id": 1000 + n, "sha256": f"{n:064}"})
        times = dict.fromkeys(("started_at", "ended_at", "finished_at"), now - 30 * scene.DAY)
        run = {"id": 1000 + n, "campaign_id": n, "state": begun}
        told[runs].append(models[runs] | run | (times if begun == "finished" else {}))
        told[run_batches].append({"campaign_id": n, "batch_id": 1000 + n, "run_id": 1000 + n})
    for table, rows in told.items():
        c.execute(insert(table), rows)
    c.execute(update(campaigns).where(campaigns.c.id < first).values(name=long_name(0)))
    c.execute(update(batches).where(batches.c.id < 1000).values(name=long_name(0)))


def _row(c: Connection, table: Table) -> dict[str, Any]:
    return dict(c.execute(select(table).order_by(table.c.id.desc()).limit(1)).mappings().one())


def _communes(c: Connection) -> None:
    """Messages in each commune, at the handset's level and at that of a carrier's centre alone."""
    c.execute(update(links).where(links.c.carrier == "vnpt").values(receipt_level=1))
    for table in (deliveries, tallies):
        of_vnpt = (table.c.run_id == 2) & (table.c.state == int(State.DELIVERED))
        c.execute(update(table).where(of_vnpt).values(state=int(State.RELAYED)))
    of = {"campaign_id": 1, "reason": 0}
    for run, good in ((1, State.DELIVERED), (2, State.RELAYED)):
        shares = [
            {good: 1207 + n, State.UNDELIVERED: 3 * n, State.SUBMITTED: 31} for n in range(len(COMMUNES))
        ]
        rows = [
            of
            | {"run_id": run, "batch_id": run, "area": area, "state": int(state), "n": n, "segments": 2 * n}
            for area, share in zip(COMMUNES, shares, strict=True)
            for state, n in share.items()
        ]
        c.execute(insert(tallies), rows)
        more = batches.c.accepted + sum(row["n"] for row in rows)
        c.execute(update(batches).where(batches.c.id == run).values(accepted=more))


def _bad_lines(c: Connection) -> None:
    rows = [
        {"batch_id": 2, "line": 1000 + n, "reason": "too_short", "value": "091****"} for n in range(BAD_LINES)
    ]
    c.execute(insert(bad_lines), rows)
    c.execute(update(batches).where(batches.c.id == 2).values(rejected=BAD_LINES + 3))


def _dead_link(c: Connection) -> None:
    """VNPT's link has lost its connection an hour ago."""
    of = link_health.c.link_id.in_(select(links.c.id).where(links.c.carrier == "vnpt"))
    c.execute(delete(link_health).where(of))
    now = clock.now_ms()
    for link_id in c.execute(select(links.c.id).where(links.c.carrier == "vnpt")).scalars():
        lost = {"link_id": link_id, "holder": "w", "seen_at": now + scene.DAY, "lost_since": now - 3_600_000}
        c.execute(insert(link_health).values(lost))
