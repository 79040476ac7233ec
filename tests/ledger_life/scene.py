"""What a history begins with: links, a letter, approved campaigns; beside it, what was over long before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, insert

from app.campaigns import approval, lifecycle
from app.campaigns.drafts import Draft
from app.campaigns.quiet_hours import DayHours
from app.core import clock
from app.core.clock import DAY_MS
from app.database.connection import Database
from app.database.models import (
    batches,
    campaigns,
    chunks,
    deliveries,
    directives,
    link_pace,
    links,
    receipts,
    run_batches,
    runs,
    submissions,
    subscribers,
)
from app.ledger.ledger import ledger_for
from app.security import Caller, kept_rows

FIRST = 84_912_000_000
HOURS = DayHours("00:00", "24:00")
CHUNK = 3
TEXT, LONG = "Canh giac lua dao.", "Cong an khong goi dien yeu cau chuyen tien. " * 5
AREAS = ("116", "119", None)
# name, carrier, group, what its receipts prove
LINKS = (("viettel-1", "viettel", 1, 2), ("viettel-2", "viettel", 1, 2), ("vnpt-1", "vnpt", 3, 1))
# text, letter, budget in parts, window in days, lists: carrier and persons
PLAN: tuple[tuple[str, int | None, int | None, int | None, tuple[tuple[str, tuple[int, ...]], ...]], ...] = (
    (TEXT, 1, None, None, (("viettel", (0, 1, 2, 3)), ("viettel", (2, 3, 4)))),
    (LONG, 1, 9, None, (("viettel", (1, 4, 5, 6)),)),
    (TEXT, None, 6, 20, (("viettel", (0, 5)), ("vnpt", (20, 21, 22)))),
)
PAST, FROM = 24, 1000  # campaigns that were over 40 days ago, and their first number


def fill(db: Database) -> None:
    db.write(_links)
    db.write(_letter)
    for number, plan in enumerate(PLAN, 1):
        db.write(_campaign, number, *plan)


def _links(c: Connection) -> None:
    for name, carrier, group, level in LINKS:
        row = {"name": name, "carrier": carrier, "receipt_group": str(group), "group_id": group}
        row |= {"segments_per_second": 100.0, "receipt_level": level, "state": "running", "changed_at": 0}
        found = c.execute(insert(links).values(row)).inserted_primary_key
        c.execute(insert(link_pace).values(link_id=found[0]))


def _letter(c: Connection) -> None:
    row: dict[str, Any] = {"number": "1/CAT", "issued_on": "2020-01-01", "issuer": "Cong an tinh"}
    row |= {"subject": "Tuyen truyen", "addressees": [], "created_at": 1, "created_by": "lan"}
    c.execute(insert(directives).values(row))
    kept_rows.adopt(c)


def _campaign(
    c: Connection,
    number: int,
    text: str,
    letter: int | None,
    budget: int | None,
    days: int | None,
    lists: Any,
) -> None:
    end = None if days is None else clock.now() + timedelta(days=days)
    draft = Draft(name=f"C{number}", purpose="tuyen_truyen", sender="CA SON LA", text=text, window_end=end)
    made = lifecycle.create(c, _whole(draft, letter, budget), HOURS, "lan")
    assert made == number
    for carrier in dict.fromkeys(carrier for carrier, _ in lists):
        ids = [
            _list(c, carrier, persons, f"{number}-{nth}")
            for nth, (by, persons) in enumerate(lists)
            if by == carrier
        ]
        lifecycle.insert_run(c, made, carrier, ids, "lan")
    lifecycle.submit(c, made, "lan")
    approval.approve(c, made, Caller("boss", "approver"), reason="a test", acknowledged=True)


def _whole(draft: Draft, letter: int | None, budget: int | None) -> Draft:
    from dataclasses import replace

    return replace(draft, directive_id=letter, budget_segments=budget)


def _list(c: Connection, carrier: str, persons: tuple[int, ...], name: str) -> int:
    row: dict[str, Any] = {"carrier": carrier, "name": name, "sha256": name.ljust(64, "0"), "state": "ready"}
    row |= {
        "lines": len(persons),
        "accepted": len(persons),
        "created_at": clock.now_ms(),
        "created_by": "supplier",
    }
    made = int(c.execute(insert(batches).values(row).returning(batches.c.id)).scalar_one())
    rows = [
        {"batch_id": made, "seq": at + 2, "phone": FIRST + n, "area": AREAS[n % 3]}
        for at, n in enumerate(persons)
    ]
    c.execute(insert(subscribers), rows)
    return made


def past(db: Database) -> None:
    """Campaigns to the same persons, sent and over 40 days ago, as the stages would have left them."""
    ledger, at = ledger_for(db, CHUNK), clock.now_ms() - 40 * DAY_MS

    def one(c: Connection, number: int) -> None:
        ledger.open_campaign(c, number)
        row: dict[str, Any] = {
            "id": number,
            "name": f"P{number}",
            "purpose": "tuyen_truyen",
            "sender": "CA SON LA",
        }
        row |= {"texts": {"": TEXT}, "day_starts": "00:00", "day_ends": "24:00", "state": "approved"}
        c.execute(insert(campaigns).values(row | {"created_at": at, "created_by": "lan"}))
        run = {"id": number, "campaign_id": number, "carrier": "viettel", "state": "finished"}
        c.execute(insert(runs).values(run | {"created_at": at, "started_at": at, "ended_at": at}))
        batch = _list(c, "viettel", tuple(range(6)), f"P{number}")
        listed = {
            "campaign_id": number,
            "run_id": number,
            "batch_id": batch,
            "fanned_upto": 7,
            "fanned_all": True,
        }
        c.execute(insert(run_batches).values(listed))
        chunk = {"campaign_id": number, "batch_id": batch, "first_seq": 2, "last_seq": 7, "run_id": number}
        c.execute(insert(chunks).values(chunk | {"watermark": 7, "state": 2, "link_id": 1}))
        for n in range(6):
            own = {"campaign_id": number, "batch_id": batch, "seq": n + 2}
            what = {"phone": FIRST + n, "run_id": number, "area": AREAS[n % 3], "segments": 1, "parts": 1}
            done = {"state": 7, "delivered": 1, "submitted_at": at, "done_at": at, "link_id": 1}
            c.execute(insert(deliveries).values(own | what | done))
            sent = {"attempt": 1, "part": 0, "at": at, "link_id": 1, "group_id": 1, "result": 1}
            names = ("campaign_id", "batch_id", "seq", *sent, "reference", "code", "network")
            values = (*own.values(), *sent.values(), f"p{number}-{n}", None, None)
            ledger.engine.append(c, submissions, names, [values])
            told = {
                "part": 0,
                "changed": True,
                "received_at": at,
                "phone": FIRST + n,
                "link_id": 1,
                "group_id": 1,
            }
            told |= {
                "level": 2,
                "reason": 0,
                "status": "delivered",
                "reference": f"p{number}-{n}",
                "code": "",
                "raw": "",
            }
            c.execute(insert(receipts).values(own | told))
        ledger.correct(c, number, list(ledger.recount(c, number)))

    for number in range(FROM, FROM + PAST):
        db.write(one, number)
    db.write(ledger.fold_tallies)
    while db.read(ledger.to_note):
        db.write(ledger.note_last)
