"""What a simulated day begins with: approved campaigns whose runs have been started, and the settings."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from app.core.config import Settings
from app.core.states import BatchState, CampaignState, RunState
from app.database import schema
from app.database.connection import Database
from app.database.models import batches, campaigns, do_not_send, run_batches, runs, subscribers
from app.ledger import money
from tests.app import world as tables

CARRIERS = ("viettel", "vnpt")
PORTS = (2775, 2776)
# The second has two parts; the third campaign has a budget that its run can't keep within.
TEXTS = ("Canh giac lua dao", "Cong an khong goi dien yeu cau chuyen tien. " * 5, "Goi 113 khi bi de doa")
# What follow-ups of the first two say, by which their parts are told from those of their sources.
ROUND_TEXTS = ("Nhac lai lan mot", "Nhac lai lan hai", "Nhac lai lan ba")
PARTS = (1, 2, 1, 1, 1, 1)
BUDGET, LIMITED = 3, 4  # SMS parts of the third campaign, and its run
# (campaign, carrier, subscribers): two campaigns have numbers in common, so that a phone tells nothing.
PLAN = ((0, 0, 9), (0, 1, 4), (1, 0, 4), (2, 1, 4))
BEHIND = (84_912_000_100, 84_912_000_101)  # in the second file of the first run alone
LEFT_OUT = BEHIND[0]  # who has asked for no messages
RATE = 4.5
SUB_BATCH = 4
CHUNK = 6  # deliveries: the first run has two


def prepare(file: Path) -> None:
    """Make the ledger that every simulation begins with: approved campaigns whose runs have been started."""
    url = f"sqlite:///{file}"
    db = Database(url)
    try:
        schema.upgrade(db)
        db.write(_fill)
    finally:
        db.close()


def _fill(c: Connection) -> None:
    for number, text in enumerate(TEXTS):
        row = {"name": f"Tet {number}", "purpose": "tuyen_truyen", "sender": "CA SONLA", "texts": {"": text}}
        row |= {"budget_segments": BUDGET} if number == 2 else {}
        row |= {"day_starts": "07:00", "day_ends": "21:00", "state": CampaignState.APPROVED.value}
        c.execute(insert(campaigns).values(row | {"created_at": 0, "created_by": "test"}))
    for campaign, carrier, count in PLAN:
        row = {"campaign_id": campaign + 1, "carrier": CARRIERS[carrier], "state": RunState.RUNNING.value}
        run = c.execute(insert(runs).values(row | {"created_at": 0})).inserted_primary_key[0]
        first = 84_912_000_000 if carrier == 0 else 84_888_000_000
        phones = [first + n for n in range(count)]
        _add_batch(c, campaign + 1, int(run), CARRIERS[carrier], phones)
        if run == 1:  # a second file that repeats some of the first
            _add_batch(c, campaign + 1, int(run), CARRIERS[carrier], [*phones[:3], *BEHIND])
    money.open_budget(c, 3)
    left_out = {"carrier": CARRIERS[0], "phone": LEFT_OUT, "added_at": 0, "added_by": "test"}
    c.execute(insert(do_not_send).values(left_out))


def _add_batch(c: Connection, campaign: int, run: int, carrier: str, phones: list[int]) -> None:
    batch = {
        "carrier": carrier,
        "name": f"{run}.csv",
        "sha256": f"{run} {len(phones)}",
        "bytes": 0,
        "lines": len(phones),
    }
    batch |= {"state": BatchState.READY.value, "accepted": len(phones), "created_at": 0, "created_by": "test"}
    batch_id = c.execute(insert(batches).values(batch)).inserted_primary_key[0]
    rows = [
        {"batch_id": batch_id, "seq": n + 2, "phone": phone, "area": ("03646", None)[n % 2]}
        for n, phone in enumerate(phones)
    ]
    c.execute(insert(subscribers), rows)
    c.execute(insert(run_batches).values({"campaign_id": campaign, "batch_id": batch_id, "run_id": run}))
    tables.approve(c, campaign)


@cache
def settings() -> Settings:
    """Return the settings of every worker, which changes none of them."""

    def link(carrier: str, port: int) -> dict[str, Any]:
        own = {
            "carrier": carrier,
            "kind": "smpp",
            "segments_per_second": RATE,
            "host": "10.0.0.1",
            "port": port,
        }
        times = {
            "response_timeout_s": 3.0,
            "enquire_link_s": 1.0,
            "reconnect_min_s": 0.2,
            "reconnect_max_s": 1.0,
        }
        rest = {"probe_max_s": 3.0, "window": 3, "part_retry_s": 0.2, "poll": "none"}
        return own | times | rest | {"system_id": "loa", "password": "secret", "receipt_level": "handset"}

    known = {f"{carrier}-1": link(carrier, port) for carrier, port in zip(CARRIERS, PORTS, strict=True)}
    off = {f"{what}_percent": 0 for what in ("failed", "refused", "unknown")}
    return Settings.model_validate(
        {
            "environment": "development",
            "links": known,
            "sub_batch": SUB_BATCH,
            "chunk_size": 10,  # the least that is taken; the ledgers here have CHUNK
            "lease_seconds": 4.0,
            "suspend": off,
            "audit_head_minutes": 0,
            "stop_patience_s": 5.0,
        }
    )
