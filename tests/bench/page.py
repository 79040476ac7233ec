"""Writes docs/performance.md from a run of the bench."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psycopg
import sqlalchemy

from app import clock
from tests.bench.figures import Figure, as_markdown
from tests.bench.machinery import SERVER
from tests.bench.path_bench import WINDOW
from tests.bench.pump_bench import MOST

PAGE = Path("docs/performance.md")
_TEXT = """# Performance

Written by `make bench` (`python -m tests.bench --write-docs`); do not edit by hand. A rate by itself says
little about a machine that one does not know, so each stands beside its limit, measured in the same run
on the same machine, and the bars are ratios.

{table}

## The run

| | |
|---|---|
{run}

## What is measured

- **pump**: Loa's SMPP client by itself, no database: one bind, window {window}, {pumped:,} one-segment
  messages to the simulator in a process of its own, from the first submit to the last receipt.
  **smpplib** does the same with the same simulator, its window kept by hand and Nagle's algorithm off.
  Three runs each, in turns; medians.
- **import**: a CSV file of {lines:,} lines, 3% of them bad and 1% repeats, read, normalised, sifted and
  stored in a process of its own, whose peak memory is shown. **bare**: the accepted rows again from
  memory, by one COPY or executemany in one transaction, nothing read or checked. Three runs each, in
  turns; medians.
- **complete**: {messages:,} one-segment messages from claim to tally: declared, sent to the simulator
  (one bind, window {window}), results recorded, receipts matched, committed and acknowledged; from the
  start of the worker to the last receipt committed. The tallies are then recounted from the rows.
  **database alone**: the same statements, fed from memory, without SMPP.
- **cpu_s_per_1000**: CPU seconds for 1,000 messages of the complete path: Loa's process (which also looks
  ten times a second whether all is done), the simulator, and all PostgreSQL processes of the machine.

All share the cores above, with whatever else the machine did (see its load before the run): on a quiet host
of its own each part is faster. SQLite runs with synchronous=FULL,
PostgreSQL as its server is configured.
"""


def write(found: Sequence[Figure], messages: int, lines: int, load_before: float) -> None:
    """Replace the page with this run; load_before: load_average() at its start."""
    run = "\n".join(f"| {name} | {value} |" for name, value in _facts(load_before).items())
    text = _TEXT.format(
        table=as_markdown(found),
        run=run,
        window=WINDOW,
        pumped=min(messages, MOST),
        messages=messages,
        lines=lines,
    )
    PAGE.write_text(text, encoding="utf-8")


def load_average() -> float:
    """Of the last minute: how many processes wanted a core, ours and others'."""
    return os.getloadavg()[0]


def _facts(load_before: float) -> dict[str, str]:
    facts = {
        "Date": clock.local(clock.now()).date().isoformat(),
        "Cores": str(os.cpu_count()),
        "Load average before the run": f"{load_before:.1f}",
        "Machine": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "SQLAlchemy": sqlalchemy.__version__,
        "SQLite": sqlite3.sqlite_version,
        "psycopg": version("psycopg"),
        "smpplib": version("smpplib"),
    }
    return facts | _server_facts()


def _server_facts() -> dict[str, str]:
    if not SERVER:
        return {}
    with psycopg.connect(SERVER, autocommit=True) as connection:
        names = ("server_version", "synchronous_commit", "fsync", "shared_buffers")
        shown = {name: connection.execute(f"SHOW {name}").fetchone() for name in names}
    return {f"PostgreSQL {name}": str(row[0]) for name, row in shown.items() if row}
