"""The whole year on one engine, with what it costs: `python -m tests.year --engine sqlite --out FILE`.

PostgreSQL is a server of its own, whose log is archived and which is put back from backups. Exit status 1
where a round fails, or a message, a receipt or a sweep of the last round costs more than 1.2 times as much
processor time as in the first one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.database import schema
from app.database.connection import Database
from tests.faults.processes import LAUNCHER, Home
from tests.faults.server import own_server
from tests.year.carriers import Carriers
from tests.year.costs import Costs
from tests.year.life import Plan, Year
from tests.year.rounds import live
from tests.year.stores import Store

MOST = 1.2  # of what it cost in the first round


@contextmanager
def place(engine: str, folder: Path) -> Iterator[Store]:
    """An empty ledger in a folder or on a server of its own; what is left running is ended."""
    if engine == "sqlite":
        store = Store(Home(folder, f"sqlite:///{folder / 'loa.sqlite3'}", measured=False))
        yield from _made(store)
        return
    with own_server(archived=True) as server:
        yield from _made(Store(Home(folder, server.url, measured=False), server))


def _made(store: Store) -> Iterator[Store]:
    db = Database(store.home.url)
    schema.upgrade(db)
    db.close()
    try:
        yield store
    finally:
        store.home.end()


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="loa-year-") as folder:
        yield Path(folder)


async def lived(store: Store, plan: Plan) -> dict[str, Any]:
    """All rounds; the figures, with the failure where there is one."""
    began = time.monotonic()
    async with Carriers(store.home, plan.rate) as carriers:
        year = Year(store.home, carriers, plan)
        costs = Costs(year, store.server)
        found: dict[str, Any] = {"rounds": plan.rounds, "failure": ""}
        try:
            await live(year, store, costs)
        except AssertionError:
            found["failure"] = traceback.format_exc()
        copies = carriers.copies()
    found |= {"seconds": round(time.monotonic() - began), "messages": sum(copies.values())}
    found |= {"campaigns": len(year.marks), "copies_max": max(copies.values())}
    rounded = {n: {name: round(us, 1) for name, us in own.items()} for n, own in costs.by_round.items()}
    return found | {"microseconds_by_round": rounded, "last_to_first": costs.ratios()}


def main() -> int:
    """Live it, and say what came of it."""
    asked = argparse.ArgumentParser(prog="python -m tests.year", description=__doc__)
    asked.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    asked.add_argument("--rounds", type=int, default=24)
    asked.add_argument("--size", type=int, default=120, help="messages of each carrier in a round")
    asked.add_argument("--measured", type=int, default=1500, help="messages of a campaign that is measured")
    asked.add_argument("--keep", type=Path, help="a folder, new, for all that Loa writes; it stays there")
    asked.add_argument("--out", type=Path, default=Path("build/prove-year.json"))
    given = asked.parse_args()
    plan = Plan(rounds=given.rounds, size=given.size, measured=given.measured)
    with _folder(given.keep) as folder, place(given.engine, folder) as store:
        found = asyncio.run(lived(store, plan))
    LAUNCHER.close()
    dear = {name: ratio for name, ratio in found["last_to_first"].items() if ratio > MOST}
    found |= {"engine": given.engine, "dear": dear}
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return int(bool(found["failure"] or dear))


if __name__ == "__main__":
    sys.exit(main())
