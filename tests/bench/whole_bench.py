"""One campaign from the uploaded file to the report in all forms, by real processes, and what each took."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.accounts.service import NewKey, add_key
from app.database.connection import Database
from app.security.principal import at_keyboard
from tests.bench.import_bench import CARRIER, write_messy
from tests.bench.machinery import (
    RECEIPT_FLAGS,
    Simulator,
    cpu_of,
    fresh_home,
    log_bytes,
    peak_mb,
    server_cpu_s,
    simulator,
)
from tests.bench.path_bench import GROUP, WINDOW
from tests.drill.drill_client import DrillClient
from tests.drill.ledger_probe import LedgerProbe
from tests.faults.processes import Home, Program, smpp_link

_GOOD = 0.96  # of the lines of such a file
_LOOK_S = 0.5
_STUCK_S = 120.0
_NO_LIMIT = 1_000_000.0  # segments/s
_WHO = at_keyboard("root")


@dataclass(slots=True)
class Whole:
    """What the campaign took: CPU seconds and peak megabytes by process, of the server, of the simulator.

    written: bytes of PostgreSQL's log, or what SQLite's process gave to the disk.
    """

    subscribers: int = 0
    written: int = 0
    server_s: float = 0.0
    simulator_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)

    @property
    def loa_s(self) -> float:
        """All of Loa's processes together."""
        return sum(self.cpu_s.values())

    def per_subscriber_ms(self, seconds: float) -> float:
        """Milliseconds for each subscriber."""
        return 1000 * seconds / self.subscribers

    def took(self, name: str, cpu_s: float, peak: float) -> None:
        """Note what a process has taken."""
        self.cpu_s[name], self.peak_mb[name] = cpu_s, peak


def whole(engine: str, subscribers: int) -> Whole:
    """About so many subscribers: import, approval, fan-out, dispatch, receipts, tallies, report."""
    found = Whole()
    with fresh_home(engine) as home, simulator(*RECEIPT_FLAGS) as smsc:
        keys = _keys(home.url)
        link = smpp_link(CARRIER, smsc.port, segments_per_second=_NO_LIMIT, window=WINDOW)
        home.configure({f"{CARRIER}-1": link}, receipts_group=GROUP, requests_per_minute=1_000_000)
        server, log = server_cpu_s(), log_bytes(home)
        run = asyncio.run(_sent(home, keys, subscribers, found))
        found.written = log_bytes(home) - log
        _end(home, found)
        found.took("report", *_report(home, run))
        found.server_s = 0.0 if home.sqlite else server_cpu_s() - server
        found.simulator_s = smsc.cpu_s()
        _seen(smsc, found.subscribers)
        asyncio.run(home.command("verify"))
    return found


def _keys(url: str) -> tuple[str, str]:
    """Of an author and of an approver."""
    db = Database(url)
    try:
        return db.write(add_key, NewKey("bench"), _WHO), db.write(add_key, NewKey("chief", "approver"), _WHO)
    finally:
        db.close()


async def _sent(home: Home, keys: tuple[str, str], subscribers: int, found: Whole) -> int:
    """Upload, approve, start, and wait until every subscriber's receipt is tallied; the run."""
    home.all()
    async with httpx.AsyncClient(base_url=home.base, timeout=300) as http:
        client = DrillClient(http, *keys)
        await home.until(lambda: "listening" in home.programs[0].words(), "the API listens")
        batch = await client.upload("messy.csv", _messy(round(subscribers / _GOOD)), CARRIER)
        found.subscribers = batch["accepted"]
        run = await client.approved("bench", batch["id"], CARRIER)
        await client.start(run)
        await _delivered(home, found.subscribers)
    return run


def _messy(lines: int) -> bytes:
    with tempfile.TemporaryDirectory(prefix="loa-bench-") as folder:
        file = Path(folder) / "messy.csv"
        write_messy(file, lines, seed=1)
        return file.read_bytes()


async def _delivered(home: Home, count: int) -> None:
    """Look twice a second: this process's looks are no part of Loa."""
    look, loop, before = LedgerProbe(home.url), asyncio.get_running_loop(), -1
    changed = loop.time()
    while (delivered := look.delivered()) < count:
        changed = loop.time() if delivered != before else changed
        before = delivered
        if loop.time() - changed > _STUCK_S:
            raise SystemExit(f"The campaign stopped at {delivered}: {home.programs[-1].words()}")
        await asyncio.sleep(_LOOK_S)


def _end(home: Home, found: Whole) -> None:
    """Note what each process has taken, and stop it."""
    for name, program in _named(home):
        pid = program.process.pid
        found.took(name, cpu_of(pid), peak_mb(pid))
        if asyncio.run(program.stop()):
            raise SystemExit(f"A process ended badly: {program.words()}")


def _named(home: Home) -> Iterator[tuple[str, Program]]:
    """On SQLite one process is both."""
    return zip(("all",) if home.sqlite else ("api", "worker"), home.programs, strict=True)


def _report(home: Home, run: int) -> tuple[float, float]:
    """Build the run's report in every form, in a process of its own; its CPU seconds and peak megabytes."""
    program = home.start("report", "build", "--run", str(run), "--folder", str(home.folder / "reports"))
    _, status, used = os.wait4(program.process.pid, 0)
    program.process.returncode = os.waitstatus_to_exitcode(status)
    if program.process.returncode or len(list((home.folder / "reports").iterdir())) < 6:
        raise SystemExit(f"The report was not written: {program.words()}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _seen(smsc: Simulator, count: int) -> None:
    seen = smsc.stop()
    if seen["distinct_numbers"] != count or seen["copies_max"] != 1:
        raise SystemExit(f"The simulator saw {seen['distinct_numbers']} numbers of {count}.")
