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

Written by `python -m tests.bench --write-docs`; do not edit by hand. Each rate is shown with its limit,
measured in the same run on the same machine. The bars apply to the ratio of the two.

`make bench` measures everything except the long parts **person** and **scale**, which `make bench SIZE=full`
measures in about half an hour. `make bench PEER=kannel` measures **against kannel**, and
`make bench PART="path pace"` only the named parts: any of {parts}. `make bench PART=path BASE=88bd714`
compares that commit with this tree in alternating runs, with a message centre in C at the far end; add
`PEER=kannel` to include Kannel. `build/bench.json` has all figures; this page shows the latest result of
each part.

{table}

## The run

| | |
|---|---|
{run}

## What is measured

- **pump**: Loa's SMPP client alone sends {pumped:,} one-segment messages over one bind (window {window}) to
  the simulator in a process of its own, until the last receipt. **smpplib** does the same, with a window kept
  by hand and Nagle's algorithm off. Medians of three alternating runs.
- **import**: a process of its own reads, checks and stores a CSV file of {lines:,} lines, 3% of them bad and
  1% repeats. **bare**: the accepted rows are written again from memory by one COPY or executemany. Medians of
  three alternating runs.
- **complete**: {messages:,} one-segment messages from claim to tally: reserved, sent to the simulator (one
  bind, window {window}), answered, receipts committed and acknowledged. One `loa worker` does this on
  PostgreSQL, `loa up` on SQLite; then the ledger is recounted. **database alone**: the same statements, fed
  from memory.
- **cpu_s_per_1000**: CPU seconds of Loa, the simulator and the PostgreSQL server for 1,000 messages of the
  complete path. **wal_bytes_per_message**: growth of the server's log; **written_bytes_per_message** on
  SQLite: what its process wrote to the disk (`write_bytes`).
- **scale**: the complete path with **2 and 4 workers** on one link of PostgreSQL, each with its own bind; and
  {large} messages with one worker. **all_cpu_s_per_1000** may be 15% above the mean of six campaigns of
  {messages:,}.
- **pace**: how evenly one worker, and four, keep a link at {rate} segments/s for {seconds} s, with a round
  trip of {round_trip} ms. **most and least in a second** cover every one-second window that begins with a
  message.
- **webhook**: {clients} keep-alive clients post {receipts:,} signed receipts as JSON to `loa serve`:
  **single**, one per post; **array**, {per_array} per post. **empty**: the same posts to an endpoint of
  the framework that authenticates and writes nothing. **bare**: posts to a minimal application on the same
  server, which checks the signature. The runs alternate. **cpu_ms_above_bare**: CPU time of the API's process
  for a single post, minus that for a bare one.
- **page**: the median of 30 times to first byte, with {reported:,} deliveries, their receipts, and 500 other
  campaigns. **person found**: one person, who is in 50 campaigns, among {people:,} deliveries (part
  **person**: 5 million).
- **year**: groups of 200 receipts, alternating between a ledger with one campaign and a ledger with {past}
  more from the last year, each missing some receipts, and {recent} that ended two days ago and went to
  the same numbers: at most 1.3 times the first. **mixed**: two of the 200 belong to no message of Loa;
  **foreign**: one such receipt by itself; each at most twice. Then what a worker asks every second (runs) and
  every five (tallies, of {keys:,} keys) when nothing has come: at most 2 ms, and nothing is written.
- **report**: a process of its own builds, checks and renders the carrier's report in all formats, for a
  finished run of {reported:,} one-segment messages in 75 communes.
- **against kannel**: 50,000 one-segment messages go through Kannel (Debian's package) and Loa in turn to the
  same simulator, and every receipt is followed to the end. Medians of three runs; CPU includes both of
  Kannel's boxes, or the database server.

All share the cores above with whatever else the machine was doing. SQLite runs with synchronous=FULL;
PostgreSQL runs as its server is configured.
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
