"""`make bench`: Loa's speed, each figure beside its limit of the same run; exit 1 where a bar is missed."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import structlog

from tests.bench import figures, page
from tests.bench.figures import Figure
from tests.bench.kannel_bench import MISSING, compare, installed
from tests.bench.kept import Kept, Shelf
from tests.bench.machinery import SERVER
from tests.bench.parts import PARTS, QUICK, Sizes
from tests.bench.pump_bench import ROUNDS

ENGINES = ("sqlite", "postgresql")
PEERS = ("kannel",)
LEFT_OUT = "PostgreSQL is left out: LOA_TEST_DATABASE_URL names no server."
LOST = "docs/performance.md would lose {}: measure these as well, or put their figures into {} first."
NOT_JUDGED = "A quick run is too short to be judged: the bars are shown, and missing one is no failure."
_PEER_MESSAGES = {True: 500, False: 50_000}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write build/bench.json after each part; 0, or 1 where a bar is missed."""
    parser = _parser()
    options = parser.parse_args(argv)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    sizes, found = _sizes(options), list[Figure]()
    if options.write_docs and (lost := page.lost(_shelf(options, sizes), _measured(options))):
        parser.error(LOST.format(", ".join(lost), _shelf(options, sizes).file))
    measure = _peer if options.peer else _measure
    for some in measure(options, sizes):
        found += some
        _say(figures.as_text(some))
        _leave(options.build, _flat(sizes, found))
    _show(found)
    if options.quick:
        _say(NOT_JUDGED)
    if options.json:
        print(json.dumps(_flat(sizes, found)))
    return 1 if figures.unmet(found) and not options.quick else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--size", choices=("plain", "full"), default="plain", help="full: the long parts, half an hour or so")
    add("--part", nargs="+", choices=PARTS, metavar="PART", help=f"these alone: {', '.join(PARTS)}")
    for name, value in asdict(Sizes()).items():
        if isinstance(value, int):
            add(f"--{name}", type=int, help=f"instead of {value}")
    add("--workers", type=int, nargs="*", help="that share a link, instead of 2 4")
    add("--large", type=int, nargs="*", help="messages of the large campaigns, instead of 1 and 5 million")
    add("--engine", choices=(*ENGINES, "both"), default="both")
    add("--quick", action="store_true", help="a few of everything: that it works")
    add("--peer", choices=PEERS, help="Loa and this gateway in turns, and nothing else")
    add("--json", action="store_true", help="the last line printed is one JSON object")
    add("--build", type=Path, default=Path("build/bench.json"), metavar="FILE", help="where the JSON goes")
    add("--write-docs", action="store_true", help="write docs/performance.md, with what parts gave before")
    return parser


def _sizes(options: argparse.Namespace) -> Sizes:
    base = QUICK if options.quick else Sizes()
    given = {name: getattr(options, name) for name in asdict(base)}
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return replace(base, **{name: value for name, value in given.items() if value is not None} | lists)


def _measure(options: argparse.Namespace, sizes: Sizes) -> Iterator[list[Figure]]:
    """The figures of each part and engine as they come, which are kept for the page."""
    load = page.load_average()
    for name in _measured(options):
        part, _, engine = name.partition(" ")
        _say(f"{name}: {PARTS[part].said.format(**asdict(sizes))}")
        some = list(PARTS[part].measure(engine, sizes))
        _keep(options, sizes, name, Kept(page.today(), load, asdict(sizes), some))
        yield some


def _measured(options: argparse.Namespace) -> list[str]:
    """The parts, each with its engine, that these options ask for."""
    if options.peer:
        return [options.peer]
    long = options.size == "full"
    wanted = options.part or [name for name, part in PARTS.items() if part.long is long]
    return [name for name in _names(_engines(options.engine)) if name.partition(" ")[0] in wanted]


def _shelf(options: argparse.Namespace, sizes: Sizes) -> Shelf:
    """What was measured before with the same sizes; other gateways' figures lie there as well."""
    return Shelf.open(options.build.with_name("bench.parts.json"), [*_names(ENGINES), *PEERS], asdict(sizes))


def _keep(options: argparse.Namespace, sizes: Sizes, name: str, kept: Kept) -> None:
    shelf = _shelf(options, sizes)
    shelf.put(name, kept)
    if options.write_docs:
        page.write(shelf, sizes)


def _names(engines: Sequence[str]) -> list[str]:
    """Each part that has no engine of its own, and each other one on each engine."""
    return [
        f"{name} {engine}".strip()
        for name, part in PARTS.items()
        for engine in ([""] if part.own else engines)
    ]


def _peer(options: argparse.Namespace, sizes: Sizes) -> Iterator[list[Figure]]:
    if not installed():
        _say(MISSING)
        return
    engines, load = _engines(options.engine), page.load_average()
    count = options.messages or _PEER_MESSAGES[options.quick]
    _say(f"{options.peer} and Loa in turns: {count:,} messages each, complete")
    some = compare(engines, count, 1 if options.quick else ROUNDS)
    _keep(options, sizes, options.peer, Kept(page.today(), load, asdict(sizes), some))
    yield some


def _engines(wanted: str) -> list[str]:
    engines = list(ENGINES) if wanted == "both" else [wanted]
    if "postgresql" in engines and not SERVER:
        _say(LEFT_OUT)
        engines.remove("postgresql")
    return engines


def _leave(file: Path, flat: dict[str, object]) -> None:
    """What there is so far: a run that is cut off loses the part that it was at."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(flat, indent=2) + "\n", encoding="utf-8")


def _flat(sizes: Sizes, found: Sequence[Figure]) -> dict[str, object]:
    return asdict(sizes) | figures.as_json(found)


def _show(found: Sequence[Figure]) -> None:
    print(figures.as_text(found))
    for figure in figures.unmet(found):
        print(f"Missed: {figure.name} is {figure.ratio:.2f} of {figure.limit and figure.limit.name}.")


def _say(sentence: str) -> None:
    """What is going on, for people who wait: stdout belongs to the answer."""
    print(sentence, file=sys.stderr, flush=True)


def _ended(number: int, _frame: object) -> None:
    """End as at Ctrl-C: programs are stopped, databases dropped, and the server's settings are as before."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _ended)
    sys.exit(main())
