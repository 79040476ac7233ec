"""What every measurement needs: a fresh database, a simulator in a process of its own, and CPU by process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app import schema
from app.config import normal_url
from app.db import Database

TICKS = os.sysconf("SC_CLK_TCK")
SERVER = os.environ.get("LOA_TEST_DATABASE_URL", "")
# Each message is reported after so long, and so many reports may wait for their acknowledgement.
RECEIPT_FLAGS = ("--receipt-delay-s", "0.3", "--receipt-window", "2000")


@contextlib.contextmanager
def fresh_url(engine: str) -> Iterator[str]:
    """The URL of a migrated, empty database, dropped afterwards."""
    with tempfile.TemporaryDirectory(prefix="loa-bench-") as folder:
        name = f"loa_bench_{uuid.uuid4().hex[:10]}"
        url = f"sqlite:///{folder}/loa.sqlite3"
        if engine == "postgresql":
            with psycopg.connect(SERVER, autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {name}")
            url = normal_url(SERVER.rpartition("/")[0] + "/" + name)
        try:
            db = Database(url)
            schema.upgrade(db)
            db.close()
            yield url
        finally:
            if engine == "postgresql":
                with psycopg.connect(SERVER, autocommit=True) as admin:
                    admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@dataclass(slots=True)
class Simulator:
    """A message centre in its own process."""

    process: subprocess.Popen[str]
    port: int

    def cpu_s(self) -> float:
        return cpu_of(self.process.pid)

    def stop(self) -> dict[str, float]:
        """End it; what it saw."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        return dict(json.loads(out.strip().splitlines()[-1]))


@contextlib.contextmanager
def simulator(*flags: str) -> Iterator[Simulator]:
    """Start a message centre; it is ended at the latest when the block is left."""
    command = [sys.executable, "-m", "carriers.simulators.smsc", "--port", "0", "--json", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        first = process.stdout.readline() if process.stdout else ""
        yield Simulator(process, int(first.strip().rpartition(":")[2]))
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def server_cpu_s() -> float:
    """CPU seconds of all PostgreSQL processes on this machine, those that ended included by their parent."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text().strip() == "postgres":
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                total += sum(int(field) for field in fields[11:15]) / TICKS
    return total


def analyze(db: Database) -> None:
    """Give PostgreSQL's planner the statistics that autovacuum would bring within a minute."""
    if not db.sqlite:
        with db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")


def now() -> float:
    """Seconds on a clock for short times."""
    return time.perf_counter()
