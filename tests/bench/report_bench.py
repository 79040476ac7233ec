"""A report over a large ledger: built and rendered in every format, beside one bare reading of its rows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from sqlalchemy import Connection, insert, text

from app.core import areas, clock
from app.database.connection import Database
from app.database.models import batches, campaigns, directives, links, run_batches, runs
from app.ledger.ledger import ledger_for
from app.reports.export.formats import prepare
from app.reports.figures.version import PREVIEW
from app.reports.forms import letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release import freeze
from tests.bench.import_bench import peak_kb
from tests.bench.machinery import analyze

_T0 = clock.now_ms() - 30 * clock.DAY_MS  # when the first message was sent
_LATE_EVERY = 200  # one receipt in so many comes after the earlier cut-off
_AT = f"{_T0} + cast(i AS bigint) * 10"  # when message i is sent
_SERIES = "SELECT i FROM generate_series(1, cast(:n AS int)) AS g(i)"
_TALLIES = """
    INSERT INTO tallies (campaign_id, run_id, batch_id, area, state, reason, n, segments)
    SELECT 1, 1, 1, area, state, reason, count(*), sum(segments) FROM deliveries GROUP BY area, state, reason
"""


def run(url: str, messages: int) -> dict[str, float]:
    """Fill the migrated database at `url`, then report on it in a process of its own.

    report_s: a report of now; bare_s: every row read once.
    """
    fill(url, messages)
    child = [sys.executable, "-m", "tests.bench.report_bench", url]
    found: dict[str, float] = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout)
    return found


def fill(url: str, messages: int, journals: bool = True) -> None:
    """A finished run of so many messages in 75 areas, one segment each: 97 of 100 received.

    journals: with subscribers, submissions and receipts; without them it is there in a quarter of the time.
    """
    db = Database(url)
    try:
        db.write(_heads, messages)
        db.write(ledger_for(db).open_campaign, 1)
        rows = _rows(db.sqlite)
        for statement in rows if journals else (rows[1], _TALLIES):
            db.write(_execute, statement, messages)
        analyze(db)
    finally:
        db.close()


def _execute(connection: Connection, statement: str, messages: int) -> None:
    connection.execute(text(statement), {"n": messages} if ":n" in statement else {})


def _heads(connection: Connection, messages: int) -> None:
    made = {"created_at": _T0, "created_by": "bench"}
    letter = {"number": "1/X", "issued_on": "2030-06-01", "issuer": "X", "subject": "X", "addressees": []}
    campaign = {
        "name": "Bench",
        "purpose": "tuyen_truyen",
        "sender": "CONG AN",
        "texts": {"": "Canh giac lua dao."},
    }
    campaign |= {"day_starts": "00:00", "day_ends": "24:00", "state": "approved", "directive_id": 1}
    batch = {"carrier": "viettel", "name": "x", "sha256": "0" * 64, "state": "ready", "lines": messages}
    link = {
        "name": "v",
        "carrier": "viettel",
        "receipt_group": "v",
        "group_id": 1,
        "segments_per_second": 100.0,
    }
    link |= {"receipt_level": 2, "state": "running", "changed_at": _T0}
    own_run = {"campaign_id": 1, "carrier": "viettel", "state": "sent", "started_at": _T0, "created_at": _T0}
    rows: list[tuple[Any, dict[str, Any]]] = [
        (directives, letter | made),
        (campaigns, campaign | made),
        (batches, batch | {"accepted": messages} | made),
        (links, link),
        (runs, own_run),
        (
            run_batches,
            {"campaign_id": 1, "batch_id": 1, "run_id": 1, "fanned_upto": messages, "fanned_all": True},
        ),
    ]
    for table, row in rows:
        connection.execute(insert(table).values(row))


def _rows(sqlite: bool) -> list[str]:
    """Statements that make the large tables out of a row of numbers `i`, alike on both engines."""
    codes = [area.code for area in areas.current(clock.local(clock.from_ms(_T0)).date())]
    area = f"CASE i % 75 {' '.join(f'WHEN {n} THEN {code!r}' for n, code in enumerate(codes))} END"
    own = {"batch_id": "1", "seq": "i", "phone": "84910000000 + i"}
    good, told, done = "i % 1000 < 970", "i % 1000 < 995", f"{_AT} + 5000"
    reason = f"CASE WHEN {good} OR NOT {told} THEN 0 ELSE 7 END"
    delivery = {
        **own,
        "campaign_id": "1",
        "run_id": "1",
        "link_id": "1",
        "area": area,
        "reason": reason,
        "submitted_at": _AT,
        "done_at": f"CASE WHEN {told} THEN {done} END",
        "state": f"CASE WHEN {good} THEN 7 WHEN {told} THEN 4 ELSE 1 END",
        "delivered": f"CASE WHEN {good} THEN 1 ELSE 0 END",
        "failed": f"CASE WHEN {told} AND NOT ({good}) THEN 1 ELSE 0 END",
    }
    journal = {"campaign_id": "1", "batch_id": "1", "seq": "i", "part": "0", "link_id": "1", "group_id": "1"}
    submission = {**journal, "attempt": "1", "at": _AT, "result": "1", "reference": "'r' || i"}
    receipt = {
        **journal,
        "changed": "1" if sqlite else "true",
        "level": "2",
        "reference": "'r' || i",
        "reason": reason,
        "phone": own["phone"],
        "done_at": done,
        "received_at": f"{done} + CASE WHEN i % {_LATE_EVERY} = 1 THEN {10 * clock.DAY_MS} ELSE 0 END",
        "status": f"CASE WHEN {good} THEN 'delivered' ELSE 'undelivered' END",
    }
    return [
        made(sqlite, "subscribers", {**own, "area": area}),
        made(sqlite, "deliveries", delivery),
        made(sqlite, "submissions", submission),
        made(sqlite, "receipts", receipt, f"WHERE {told}"),
        _TALLIES,
    ]


def made(sqlite: bool, table: str, columns: dict[str, str], which: str = "") -> str:
    """The INSERT of rows 1 .. :n, whose columns are expressions of the row's number `i`."""
    series = "SELECT 1 AS i UNION ALL SELECT i + 1 FROM s WHERE i < :n" if sqlite else _SERIES
    verb = "WITH RECURSIVE" if sqlite else "WITH"
    what = ", ".join(columns.values())
    return f"INSERT INTO {table} ({', '.join(columns)}) {verb} s AS ({series}) SELECT {what} FROM s {which}"


def report_here(url: str) -> dict[str, float]:
    """Build and render in this process; how long each took, and the most memory that was held."""
    db = Database(url)
    try:
        bare_s = _timed(lambda: db.read(_bare))
        heads, subject = letterhead.load(None), ReportSubject(SubjectKind.RUN, 1)
        report_s = _timed(lambda: _write(db, heads, subject))
    finally:
        db.close()
    return {
        "report_s": report_s,
        "bare_s": bare_s,
        "peak_mb": round(peak_kb() / 1024, 1),
    }


def _write(db: Database, heads: letterhead.Letterheads, subject: ReportSubject) -> None:
    report = db.read(freeze.as_of, subject, None)
    files = dict(freeze.made(prepare(report), heads, PREVIEW))
    if min(map(len, files.values())) < 500:
        raise SystemExit("A file of the report is empty.")


def _bare(connection: Connection) -> None:
    """Every row of the large tables read once."""
    for sums in (
        "sum(state + segments) FROM deliveries",
        "sum(result) FROM submissions",
        "sum(level) FROM receipts",
    ):
        connection.execute(text(f"SELECT {sums}")).scalar_one()


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 3)


if __name__ == "__main__":
    print(json.dumps(report_here(sys.argv[1])))
