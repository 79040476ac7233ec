"""The import of a messy file beside a bare COPY or executemany of the same rows, in the same run."""

from __future__ import annotations

import csv
import gc
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import psycopg
from sqlalchemy import Connection, select

from app.batches.import_job import counts_of
from app.batches.importer import import_batch, register
from app.core import gc_tuning
from app.database.connection import Database
from app.database.models import batches, subscribers
from app.devtools.sample_data import HEADER, sample_lines
from app.file_import.upload import UploadedFile

CARRIER = "viettel"


def run(url: str, lines: int) -> dict[str, float]:
    """Import `lines` messy lines into the migrated database at `url`, then their good rows bare.

    lines_per_second and peak_mb are those of the importing process, which does nothing else.
    """
    with tempfile.TemporaryDirectory(prefix="loa-bench-") as folder:
        file = Path(folder) / "messy.csv"
        write_messy(file, lines, seed=1)
        child = [sys.executable, "-m", "tests.bench.import_bench", url, str(file)]
        imported: dict[str, float] = json.loads(
            subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout
        )
    bare = bare_rows_per_second(url, int(imported.pop("batch")))
    return imported | {"bare_rows_per_second": bare, "ratio": round(imported["lines_per_second"] / bare, 3)}


def write_messy(file: Path, lines: int, seed: int) -> None:
    """A CSV of that many lines below its header, 3% of them bad and 1% repeats."""
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER)
        writer.writerows(islice(sample_lines(CARRIER, lines, seed), lines))


def _executemany(connection: Connection, rows: list[tuple[object, ...]]) -> None:
    connection.exec_driver_sql("INSERT INTO subscribers VALUES (?, ?, ?, ?)", rows)


def _copy(connection: Connection, rows: list[tuple[object, ...]]) -> None:
    """As the import does it, without its columns."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor() as cursor, cursor.copy("COPY subscribers FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def bare_rows_per_second(url: str, batch_id: int) -> float:
    """The same rows again, under another batch, from memory and in one transaction."""
    db = Database(url)
    try:
        other = db.write(register, CARRIER, UploadedFile("bare", "0" * 64, 0), "bench").id
        rows = [(other, *row[1:]) for row in db.read(_rows, batch_id)]
        gc.disable()  # nothing else here makes garbage, and the list is long
        started = time.perf_counter()
        db.write(_executemany if db.sqlite else _copy, rows)
        return round(len(rows) / (time.perf_counter() - started))
    finally:
        gc.enable()
        db.close()


def _rows(connection: Connection, batch_id: int) -> list[tuple[object, ...]]:
    query = select(subscribers).where(subscribers.c.batch_id == batch_id).order_by(subscribers.c.seq)
    return [tuple(row) for row in connection.execute(query)]


def import_here(url: str, file: Path) -> dict[str, float]:
    """Import in this process, and say how fast it was and how much memory it took."""
    db = Database(url)
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        batch = db.write(register, CARRIER, UploadedFile(file.name, digest, file.stat().st_size), "bench")
        started = time.perf_counter()
        counts = import_batch(db, batch.id, file)
        taken = time.perf_counter() - started
        stored = db.read(
            lambda c: counts_of(c.execute(select(batches).where(batches.c.id == batch.id)).one())
        )
    finally:
        db.close()
    if counts != stored or counts.accepted + counts.rejected + counts.repeated != counts.lines:
        raise SystemExit(f"The counts do not add up: {counts}, stored {stored}.")
    return {
        "batch": batch.id,
        "lines": counts.lines,
        "lines_per_second": round(counts.lines / taken),
        "peak_mb": round(peak_kb() / 1024, 1),
    }


def peak_kb() -> int:
    """The most memory that this process has held; getrusage would count its parent's before the exec too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    gc_tuning.exempt_loaded()  # as `loa up` and `loa serve` do
    print(json.dumps(import_here(sys.argv[1], Path(sys.argv[2]))))
