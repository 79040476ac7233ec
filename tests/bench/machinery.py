"""What every measurement needs: a fresh database, programs in processes of their own, and what each took."""

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
from sqlalchemy import make_url

from app.core.config import normal_url
from app.database import schema
from app.database.connection import Database
from tests.faults.processes import Home

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


@contextlib.contextmanager
def fresh_home(engine: str) -> Iterator[Home]:
    """A folder with settings to be written and a migrated, empty database; its programs are ended."""
    with fresh_url(engine) as url, tempfile.TemporaryDirectory(prefix="loa-bench-") as folder:
        place = Path(str(make_url(url).database)).parent if engine == "sqlite" else Path(folder)
        home = Home(place, url, measured=False)
        try:
            yield home
        finally:
            home.end()


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


def peak_mb(pid: int) -> float:
    """The most memory that a running process has had resident so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def log_bytes(home: Home) -> int:
    """PostgreSQL: bytes of its log (WAL) so far; SQLite: bytes given to the disk, log and file together."""
    if home.sqlite:
        return sum(map(_written, (program.process.pid for program in home.programs)))
    with psycopg.connect(home.url.replace("+psycopg", ""), autocommit=True) as asked:
        row = asked.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    return int(row[0]) if row else 0


def _written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


def server_cpu_s() -> float:
    """CPU seconds of the server's processes, those that ended included by their parent; 0 where it is far."""
    if not SERVER:
        return 0.0
    with psycopg.connect(SERVER, autocommit=True) as asked:
        row = asked.execute("SELECT pg_backend_pid()").fetchone()
        first = _stat(int(row[0]) if row else 0)[1]
    found = [_stat(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")]
    return sum(cpu for pid, parent, cpu in found if first and first in (pid, parent))


def _stat(pid: int) -> tuple[int, int, float]:
    """(the process, its parent, CPU seconds of it and of its children that ended); zeros where it is gone."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return 0, 0, 0.0
    fields = rest.split()
    ours = name.partition("(")[2] == "postgres"
    return (pid, int(fields[1]), sum(int(field) for field in fields[11:15]) / TICKS) if ours else (0, 0, 0.0)


def analyze(db: Database) -> None:
    """Give PostgreSQL's planner the statistics that autovacuum would bring within a minute."""
    if not db.sqlite:
        with db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")


def now() -> float:
    """Seconds on a clock for short times."""
    return time.perf_counter()
