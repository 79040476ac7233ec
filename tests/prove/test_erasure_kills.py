"""Erasure under receipts, its process killed between any two of its statements, again and again."""

from __future__ import annotations

import multiprocessing
import random
import signal
from pathlib import Path

from sqlalchemy import func, select

from app.database import models as m
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.privacy import certificates
from app.privacy.erasable import ErasureKind
from app.reports.counting import snapshots
from app.reports.verification.verify import verify
from tests.app.world import accepted
from tests.engines import each_engine
from tests.long.app.privacy.past import rows
from tests.long.app.privacy.test_beside_sending import two_campaigns
from tests.prove.erasing import erase_and_die

database_url = each_engine

OLD, NEW, PATIENCE_S = 1500, 200, 120
KILLS = 50


def started(*work: object) -> int | None:
    """Start a process for it; its exit status."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.prove.erasing"])
    process = context.Process(target=erase_and_die, args=work)
    process.start()
    process.join(PATIENCE_S)
    status = process.exitcode
    process.kill()
    process.join()
    return status


def test_an_erasure_killed_fifty_times_loses_no_receipt_and_is_certified_whole(
    database_url: str, tmp_path: Path
) -> None:
    db, dice, told = Database(database_url), random.Random(14), tmp_path / "told"
    world = two_campaigns(db, old=OLD, new=NEW)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items, "x"), None, 30.0)
    db.close()
    kills, status = 0, -signal.SIGKILL
    while status != 0:
        # Few at first, so that it is killed in every transaction; a step of it has about a dozen.
        statement = dice.randrange(1, 12 if kills < KILLS else 60)
        status = started(database_url, world.link, statement, 100_000 * kills, told) or 0
        assert status in (0, -signal.SIGKILL), status
        kills += status != 0
        assert kills < 10 * KILLS
    assert kills >= KILLS, kills
    db = Database(database_url)
    try:
        _check(db, [int(line) for line in told.read_text().split()])
    finally:
        db.close()


def _check(db: Database, acknowledged: list[int]) -> None:
    assert len(acknowledged) == len(set(acknowledged)) > 0
    q = m.quarantine.c.reference
    strange = set(db.read(lambda c: c.execute(select(q)).scalars().all()))
    assert {f"strange{number}" for number in acknowledged} <= strange
    of_today = select(func.count()).select_from(m.receipts).where(m.receipts.c.campaign_id == 2)
    assert int(db.read(lambda c: c.execute(of_today).scalar_one())) >= len(acknowledged)
    made = {each.kind: each for each in db.read(certificates.listed, 0, 10).items}[ErasureKind.CAMPAIGN]
    assert made.rows["deliveries"] == made.totals[0][2] == OLD
    assert made.intact
    assert db.read(snapshots.intact, 1)
    assert rows(db, m.deliveries) == NEW
    assert verify(db, ledger_for(db)) == []
