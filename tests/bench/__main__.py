"""`make bench`: Loa's speed, each figure beside its limit of the same run; exit 1 where a bar is missed."""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from tests.bench import figures, page
from tests.bench.figures import Figure, Limit
from tests.bench.import_bench import run as import_lines
from tests.bench.machinery import SERVER, fresh_url
from tests.bench.path_bench import path
from tests.bench.pump_bench import ROUNDS, pump

ENGINES = ("sqlite", "postgresql")
LEFT_OUT = "PostgreSQL is left out: LOA_TEST_DATABASE_URL names no server."
NOT_JUDGED = "A quick run is too short to be judged: the bars are shown, and missing one is no failure."
_PEAK_MB = 300.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write build/bench.json; 0, or 1 where a bar is missed."""
    options = _parser().parse_args(argv)
    if options.quick:
        options.messages, options.lines = 500, 5000
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    load = page.load_average()
    found = _measure(options)
    flat = {"messages": options.messages, "lines": options.lines} | figures.as_json(found)
    _show(found)
    options.build.parent.mkdir(exist_ok=True)
    options.build.write_text(json.dumps(flat, indent=2) + "\n", encoding="utf-8")
    if options.write_docs:
        page.write(found, options.messages, options.lines, load)
    if options.quick:
        _say(NOT_JUDGED)
    if options.json:
        print(json.dumps(flat))
    return 1 if figures.unmet(found) and not options.quick else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--messages", type=int, default=100_000, help="messages that are sent and reported (default 100000)")
    add("--lines", type=int, default=1_000_000, help="lines of the file that is imported (default 1000000)")
    add("--engine", choices=(*ENGINES, "both"), default="both")
    add("--quick", action="store_true", help="500 messages and 5,000 lines: that everything works")
    add("--json", action="store_true", help="the last line printed is one JSON object")
    add("--build", type=Path, default=Path("build/bench.json"), metavar="FILE", help="where the JSON goes")
    add("--write-docs", action="store_true", help="write the result to docs/performance.md")
    return parser


def _measure(options: argparse.Namespace) -> list[Figure]:
    _say("pump: Loa's SMPP client and smpplib in turns, without a database")
    rounds = 1 if options.quick else ROUNDS
    found = _pump_figures(options.messages, rounds)
    for engine in _engines(options.engine):
        _say(f"{engine}: import of {options.lines:,} lines")
        found += _import_figures(engine, options.lines, rounds)
        _say(f"{engine}: {options.messages:,} messages, complete, and the database alone")
        found += _path_figures(engine, options.messages)
    return found


def _engines(wanted: str) -> list[str]:
    engines = list(ENGINES) if wanted == "both" else [wanted]
    if "postgresql" in engines and not SERVER:
        _say(LEFT_OUT)
        engines.remove("postgresql")
    return engines


def _pump_figures(count: int, rounds: int) -> list[Figure]:
    rates = pump(count, rounds)
    limit = Limit("smpplib_messages_per_second", rates["smpplib_messages_per_second"], bar=4)
    return [Figure("pump_messages_per_second", rates["pump_messages_per_second"], limit)]


def _import_figures(engine: str, lines: int, rounds: int) -> list[Figure]:
    """Medians of several rounds: a neighbour on the machine weighs more on the import's two threads."""
    all_rounds = []
    for _ in range(rounds):
        with fresh_url(engine) as url:
            all_rounds.append(import_lines(url, lines))
    got = {name: statistics.median(each[name] for each in all_rounds) for name in all_rounds[0]}
    bare = "bare_copy" if engine == "postgresql" else "bare_executemany"
    limit = Limit(f"{engine}_{bare}_rows_per_second", got["bare_rows_per_second"], bar=0.3)
    return [
        Figure(f"{engine}_import_lines_per_second", got["lines_per_second"], limit),
        Figure(f"{engine}_import_peak_mb", got["peak_mb"], Limit("most_mb", _PEAK_MB, bar=1, ceiling=True)),
    ]


def _path_figures(engine: str, messages: int) -> list[Figure]:
    got = path(engine, messages)
    alone = "database_alone_messages_per_second"
    limit = Limit(f"{engine}_{alone}", got.pop(alone), bar=0.3)
    complete = "complete_messages_per_second"
    found = [Figure(f"{engine}_{complete}", got.pop(complete), limit)]
    return found + [Figure(f"{engine}_{name}", value) for name, value in got.items()]


def _show(found: Sequence[Figure]) -> None:
    print(figures.as_text(found))
    for figure in figures.unmet(found):
        print(f"Missed: {figure.name} is {figure.ratio:.2f} of {figure.limit and figure.limit.name}.")


def _say(sentence: str) -> None:
    """What is going on, for people who wait: stdout belongs to the answer."""
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
