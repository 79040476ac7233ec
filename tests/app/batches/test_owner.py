"""A batch waits when nobody lives who imports it: by its lease, or at once when the process is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app import clock
from app.batches.importer import import_batch
from app.batches.owner import is_waiting, new_owner
from app.db import Database
from app.errors import Conflict
from app.models import batches
from app.states import BatchState
from tests.app.batches.files import MESSY, put, registered

HOST = socket.gethostname()[:40]
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def waiting(db: Database, batch_id: int, owner: str | None, lease_ms: int, state: str = "importing") -> bool:
    """Whether the batch waits, with that owner under a lease that ends in so many milliseconds."""
    values = {"owner": owner, "lease_until": clock.now_ms() + lease_ms, "state": state}
    db.write(lambda c: c.execute(update(batches).values(values)))
    return is_waiting(db.read(lambda c: c.execute(select(batches).where(batches.c.id == batch_id)).one()))


def test_only_a_living_owner_keeps_others_off(db: Database, tmp_path: Path, gone: int) -> None:
    batch = registered(db, put(tmp_path / "messy.csv", MESSY)[1]).id
    mine = new_owner()
    assert waiting(db, batch, None, HOUR_MS)
    assert not waiting(db, batch, mine, HOUR_MS)
    assert waiting(db, batch, mine, -1)
    assert waiting(db, batch, f"{HOST}:{gone}:abcd:ef", HOUR_MS)
    assert waiting(db, batch, f"{HOST}:{os.getpid()}:abcd:ef", HOUR_MS)
    assert not waiting(db, batch, f"{HOST}:{os.getppid()}:abcd:ef", HOUR_MS)
    assert not waiting(db, batch, f"{HOST}:1:abcd:ef", HOUR_MS)
    assert not waiting(db, batch, f"elsewhere:{gone}:abcd:ef", HOUR_MS)
    assert not waiting(db, batch, None, HOUR_MS, BatchState.READY)
    assert waiting(db, batch, None, HOUR_MS, BatchState.FAILED)


def test_the_import_of_a_process_that_is_gone_is_taken_over_at_once(
    db: Database, tmp_path: Path, gone: int
) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file).id
    assert not waiting(db, batch, f"elsewhere:{gone}:abcd:ef", HOUR_MS)
    with pytest.raises(Conflict):
        import_batch(db, batch, path)
    assert waiting(db, batch, f"{HOST}:{gone}:abcd:ef", HOUR_MS)
    assert import_batch(db, batch, path).accepted == 5
