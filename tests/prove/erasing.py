"""A process that erases and takes receipts meanwhile, until it kills itself between two statements."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import time
from pathlib import Path

from sqlalchemy import event

from app.database.connection import Database
from app.ledger.contract import Link
from app.ledger.ledger import ledger_for
from tests.app.world import receipt
from tests.long.app.privacy.past import eraser

_OF_ERASURE = re.compile(
    r"\s*(DELETE|ALTER|DROP|TRUNCATE)|\s*(INSERT|UPDATE).*(erasures|jobs|snapshots)", re.S
)
_PAUSE_S = 0.002


def erase_and_die(url: str, link: Link, statement: int, number: int, told: Path) -> None:
    """Kill -9 before the nth statement of the erasure. number: of the first receipt; told: a file of them."""
    db, over = Database(url), threading.Event()
    _arm(db, statement)
    receipts = threading.Thread(target=_take_receipts, args=(db, link, number, told, over))
    receipts.start()
    asyncio.run(eraser(db).run(asyncio.Event()))
    over.set()
    receipts.join()
    db.close()


def _arm(db: Database, statement: int) -> None:
    left = [statement]

    def before(*call: object) -> None:
        left[0] -= _OF_ERASURE.match(str(call[2])) is not None
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # a signal to oneself may reach another thread first

    for engine in {id(engine): engine for engine in (db.engine, db._hot)}.values():
        event.listen(engine, "before_cursor_execute", before)


def _take_receipts(db: Database, link: Link, number: int, told: Path, over: threading.Event) -> None:
    """For messages of today and for nobody; each is noted once committed, as it would be acknowledged."""
    ledger, file = ledger_for(db), os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while not over.is_set():
        own, strange = receipt(link, f"x{2 + number % 100}"), receipt(link, f"strange{number}")
        db.write(ledger.apply, [own, strange])
        os.write(file, f"{number}\n".encode())
        number += 1
        time.sleep(_PAUSE_S)
