"""A process that makes an audience is killed again and again: the one after it makes it whole, each once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import func, select

from app.campaigns import follow_ups, queries
from app.campaigns.follow_ups import FollowUpRequest
from app.database.connection import Database
from app.database.models import deliveries, subscribers
from tests.app.campaigns import past
from tests.app.campaigns.past import D, sent
from tests.app.campaigns.rows import HOURS
from tests.app.held import expire

# Processes take seconds to begin and be killed; tests/app/campaigns has an audience that was broken off.
pytestmark = pytest.mark.prove

KILLS = 4
# Ten lines at a time and a pause after each, so that a kill finds it in the middle.
_PROGRAM = """
import sys, time
from app.batches import follow_up_job as job
from app.database.connection import Database
from app.ledger import unreached
job.LINES, add = 10, unreached.add_unreached
def slowly(*given):
    found = add(*given)
    time.sleep(0.02)
    return found
unreached.add_unreached = slowly
db = Database(sys.argv[1], beside=True)
print("begun", flush=True)
job.make_here(db, int(sys.argv[2]))
"""


def test_an_audience_is_whole_after_kills(db: Database, database_url: str) -> None:
    one = sent(db, {n: D.UNDELIVERED if n % 2 else D.DELIVERED for n in range(200)})
    made = db.write(follow_ups.create, FollowUpRequest((one,)), HOURS, "lan")
    batch = db.read(queries.dossier, made).runs[0].batch_ids[0]
    halves = 0
    for _ in range(KILLS):
        command = [sys.executable, "-c", _PROGRAM, database_url, str(batch)]
        maker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert maker.stdout is not None
        assert maker.stdout.readline() == "begun\n"
        ends = time.monotonic() + 20
        while not 0 < _made(db, batch) < 100 and time.monotonic() < ends:
            time.sleep(0.005)
        os.kill(maker.pid, signal.SIGKILL)
        maker.wait()
        halves += 0 < _made(db, batch) < 100
        expire(db)
    assert halves == KILLS
    past.fill(db)
    assert past.audience(db, made) == list(range(1, 200, 2))
    past.begin(db, made)
    d = deliveries.c
    twice = select(d.phone).where(d.campaign_id == made).group_by(d.phone).having(func.count() > 1)
    assert db.read(lambda c: c.execute(twice).all()) == []


def _made(db: Database, batch: int) -> int:
    own = select(func.count()).select_from(subscribers).where(subscribers.c.batch_id == batch)
    return int(db.read(lambda c: c.execute(own).scalar_one()))
