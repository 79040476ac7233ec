"""Writes docs/performance.md from a run of the bench."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Collection
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import psycopg
import sqlalchemy

from app.core import clock
from tests.bench.figures import as_markdown
from tests.bench.kept import Shelf
from tests.bench.machinery import SERVER
from tests.bench.pace_bench import RATE, ROUND_TRIP_S
from tests.bench.parts import PARTS, Sizes
from tests.bench.path_bench import WINDOW
from tests.bench.pump_bench import MOST
from tests.bench.webhook_bench import CLIENTS, PER_ARRAY

PAGE = Path("docs/performance.md")
_TEXT = """# Performance

Written by `python -m tests.bench --write-docs`; do not edit by hand. Each rate stands beside its limit,
measured in the same run on the same machine, and the bars are ratios.

`make bench` measures all but the long parts **person** and **scale**; `make bench SIZE=full` does these in
half an hour or so; `make bench PEER=kannel` measures **against kannel**; `make bench PART="path pace"` the
named parts alone, of {parts}. `make bench PART=path BASE=88bd714` measures the path of that commit and of
this tree in turns, with a message centre in C as the far end; with `PEER=kannel` Kannel's in the same run.
All figures are in `build/bench.json`; the page has what each part gave last, with the same sizes.

{table}

## The run

| | |
|---|---|
{run}

## What is measured

- **pump**: Loa's SMPP client alone: one bind, window {window}, {pumped:,} one-segment messages to the
  simulator in a process of its own, to the last receipt. **smpplib** does the same, its window kept by hand
  and Nagle's algorithm off. Three runs each, in turns; medians.
- **import**: a CSV file of {lines:,} lines, 3% bad and 1% repeats, read, checked and stored in a process of
  its own. **bare**: the accepted rows again from memory, by one COPY or executemany. Three runs each, in
  turns; medians.
- **complete**: {messages:,} one-segment messages from claim to tally: reserved, sent to the simulator (one
  bind, window {window}), answered, receipts committed and acknowledged; by one `loa worker` on PostgreSQL,
  by `loa up` on SQLite; then recounted. **database alone**: the same statements, fed from memory.
- **cpu_s_per_1000**: CPU seconds for 1,000 messages of the complete path: Loa, the simulator, and that
  PostgreSQL server. **wal_bytes_per_message**: by how much the server's log grew;
  **written_bytes_per_message** on SQLite: what its process gave to the disk (`write_bytes`).
- **scale**: the same by **2 and 4 workers** on one link, each with its own bind, on PostgreSQL; and {large}
  messages by one. **all_cpu_s_per_1000** may be 15% above the mean of six campaigns of {messages:,}.
- **pace**: how evenly a link of {rate} segments/s with a round trip of {round_trip} ms is held for
  {seconds} s, by one worker and by four: **most and least in a second** are of all windows of one second
  that begin with a message.
- **webhook**: {receipts:,} signed receipts as JSON to `loa serve`, by {clients} keep-alive clients:
  **single**, one in a post; **array**, {per_array} in a post. **empty**: the same posts to an endpoint of
  the framework that authenticates and writes nothing. **bare**: to the least application on the same
  server, which checks the signature. These take turns. **cpu_ms_above_bare**: CPU of the API's process for
  a single post less that for a bare one.
- **page**: the median of 30 times to the first byte over {reported:,} deliveries with their receipts,
  beside 500 campaigns. **person found**: one person, who is in 50 campaigns, among {people:,} deliveries
  (part **person**: 5 million).
- **year**: groups of 200 receipts, in turns on a ledger with one campaign and on one with {past} more of
  the last year, each with receipts that never came, and {recent} that ended two days ago, whose messages
  went to the same numbers: at most 1.3 times alone. **mixed**: two of the 200 are of no message of ours;
  **foreign**: one such receipt by itself; each at most twice alone. Then what a worker asks each second
  (runs) and each five (tallies, of {keys:,} keys) where nothing has come: at most 2 ms, and nothing is
  written.
- **report**: a finished run of {reported:,} one-segment messages in 75 communes: the carrier's report
  built, checked and rendered in all formats, in a process of its own.
- **against kannel**: 50,000 one-segment messages through Kannel (Debian's package) and through Loa in
  turns, to the same simulator, every receipt followed to the end; three runs each, medians. CPU with both
  boxes, or the database server.

All share the cores above, with whatever else the machine did. SQLite runs with synchronous=FULL, PostgreSQL
as its server is configured.
"""


def lost(shelf: Shelf, measured: Collection[str]) -> list[str]:
    """Return the parts that stand on the page, but would not on a new one: kept nowhere and not measured."""
    there = re.findall(r"^\| (.+) \| \d{4}-\d\d-\d\d, load ", PAGE.read_text("utf-8"), re.MULTILINE)
    return [name for name in there if name not in shelf.held and name not in measured]


def write(shelf: Shelf, sizes: Sizes) -> None:
    """Replace the page with what is kept."""
    kept = list(shelf.in_order())
    facts = _facts() | {name: f"{each.date}, load {each.load:.1f}" for name, each in kept}
    run = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    text = _TEXT.format(
        table=as_markdown([figure for _, each in kept for figure in each.figures if figure.limit]),
        run=run,
        window=WINDOW,
        pumped=min(sizes.messages, MOST),
        parts=", ".join(PARTS),
        rate=RATE,
        round_trip=round(1000 * ROUND_TRIP_S),
        clients=CLIENTS,
        per_array=PER_ARRAY,
        **asdict(sizes) | {"large": " and ".join(f"{count:,}" for count in sizes.large)},
    )
    PAGE.write_text(text, encoding="utf-8")


def load_average() -> float:
    """Of the last minute: how many processes wanted a core, ours and others'."""
    return os.getloadavg()[0]


def today() -> str:
    """As in 2024-01-29."""
    return clock.local(clock.now()).date().isoformat()


def _facts() -> dict[str, str]:
    facts = {
        "Cores": str(os.cpu_count()),
        "Machine": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "SQLAlchemy": sqlalchemy.__version__,
        "SQLite": sqlite3.sqlite_version,
        "psycopg": version("psycopg"),
        "smpplib": version("smpplib"),
    }
    return facts | _server_facts()


_SERVER_SETTINGS = (
    *("server_version", "synchronous_commit", "fsync", "autovacuum", "shared_buffers"),
    *("max_wal_size", "checkpoint_timeout", "wal_compression"),
)


def _server_facts() -> dict[str, str]:
    if not SERVER:
        return {}
    with psycopg.connect(SERVER, autocommit=True) as connection:
        shown = {name: connection.execute(f"SHOW {name}").fetchone() for name in _SERVER_SETTINGS}
    return {f"PostgreSQL {name}": str(row[0]) for name, row in shown.items() if row}
