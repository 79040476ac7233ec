"""The parts of the bench: each measures one thing and gives its figures, each beside its limit."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.bench.figures import Figure, Limit, label
from tests.bench.import_bench import run as import_lines
from tests.bench.machinery import fresh_url
from tests.bench.pace_bench import RATE, pace
from tests.bench.pages_bench import pages, person
from tests.bench.path_bench import complete, path
from tests.bench.pump_bench import ROUNDS, pump
from tests.bench.report_bench import run as report
from tests.bench.webhook_bench import webhooks
from tests.bench.year_bench import claim_ms, year

_PEAK_MB = 300.0
_REPORT_S = 15.0
_FIRST_BYTE_MS = {"overview": 40.0, "campaign": 60.0}
_PERSON_MS = 100.0
_OF_BARE, _ABOVE_BARE_MS = 0.6, 0.15  # of a bare application's posts; above its CPU for each
_OF_ALONE = 0.7  # of the rate of the database alone
_CONSTANT = 1.15  # times the CPU of a small campaign's message
# Times what it takes alone: a group of receipts, one with two foreign ones, one foreign receipt.
_BESIDE = {"receipts": 1.3, "mixed": 2.0, "foreign": 2.0}
_AT_REST_MS = 2.0
_WIDEST = 0.01  # of the contract's rate
_WRITTEN, _WRITTEN_LARGE = 3000.0, 5000.0  # bytes a message on SQLite, of 100 thousand and of 5 million


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: messages, lines, receipts and deliveries, and seconds of an even pace.

    workers: that share a link on PostgreSQL, beside one alone; large: messages of large campaigns.
    past: campaigns of a year, with so many keys of the tallies; recent: of the last days; groups: of receipts
    that come beside them.
    people: deliveries, of 50 campaigns, among which a person is found.
    """

    messages: int = 100_000
    lines: int = 1_000_000
    receipts: int = 50_000
    reported: int = 1_000_000
    people: int = 500_000
    workers: tuple[int, ...] = (2, 4)
    large: tuple[int, ...] = (1_000_000, 5_000_000)
    past: int = 300
    recent: int = 120
    keys: int = 200_000
    groups: int = 50
    seconds: int = 15
    rounds: int = ROUNDS


QUICK = Sizes(
    500,
    5000,
    500,
    5000,
    people=5000,
    workers=(),
    large=(1000,),
    past=6,
    recent=6,
    keys=60,
    groups=5,
    seconds=2,
    rounds=1,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what it says before it begins, and its figures. own: once, without an engine of its own."""

    said: str
    measure: Callable[[str, Sizes], Iterable[Figure]]
    own: bool = False
    long: bool = False  # not in a plain run, unless it is asked for


def _pump(_: str, sizes: Sizes) -> Iterator[Figure]:
    rates = pump(sizes.messages, sizes.rounds)
    limit = Limit("smpplib_messages_per_second", rates["smpplib_messages_per_second"], bar=4)
    yield Figure("pump_messages_per_second", rates["pump_messages_per_second"], limit)


def _import(engine: str, sizes: Sizes) -> list[Figure]:
    """Medians of several rounds: a neighbour on the machine weighs more on the import's two threads."""
    all_rounds = []
    for _ in range(sizes.rounds):
        with fresh_url(engine) as url:
            all_rounds.append(import_lines(url, sizes.lines))
    got = {name: statistics.median(each[name] for each in all_rounds) for name in all_rounds[0]}
    bare = "bare_copy" if engine == "postgresql" else "bare_executemany"
    limit = Limit(f"{engine}_{bare}_rows_per_second", got["bare_rows_per_second"], bar=0.6)
    return [
        Figure(f"{engine}_import_lines_per_second", got["lines_per_second"], limit),
        Figure(f"{engine}_import_peak_mb", got["peak_mb"], Limit("most_mb", _PEAK_MB, bar=1, ceiling=True)),
    ]


def _path(engine: str, sizes: Sizes) -> list[Figure]:
    got = path(engine, sizes.messages)
    alone = "database_alone_messages_per_second"
    limit = Limit(f"{engine}_{alone}", got.pop(alone), bar=_OF_ALONE)
    complete = "complete_messages_per_second"
    found = [Figure(f"{engine}_{complete}", got.pop(complete), limit)]
    return found + _path_by(engine, got, _WRITTEN)


def _report(engine: str, sizes: Sizes) -> list[Figure]:
    with fresh_url(engine) as url:
        got = report(url, sizes.reported)
    limit = Limit("most_report_s", _REPORT_S, bar=1, ceiling=True)
    return [
        Figure(f"{engine}_report_s", got["report_s"], limit),
        Figure(f"{engine}_report_peak_mb", got["peak_mb"], Limit("most_mb", _PEAK_MB, bar=1, ceiling=True)),
    ]


def _webhook(engine: str, sizes: Sizes) -> list[Figure]:
    got = webhooks(engine, sizes.receipts)
    bare, empty, single, array = got["bare"], got["empty"], got["single"], got["array"]
    name = f"{engine}_webhook_{{}}_per_second"
    in_posts, in_arrays = name.format("single_receipts"), name.format("array_receipts")
    most = Limit("most_cpu_ms_above_bare", _ABOVE_BARE_MS, bar=1, ceiling=True)
    found = [
        Figure(in_posts, single.rate, Limit(name.format("bare_posts"), bare.rate, bar=_OF_BARE)),
        Figure(f"{engine}_webhook_single_cpu_ms_above_bare", single.cpu_ms - bare.cpu_ms, most),
        Figure(name.format("empty_posts"), empty.rate, Limit(in_posts, single.rate, 1.67, ceiling=True)),
        Figure(in_arrays, array.rate, Limit(in_posts, single.rate, bar=3)),
    ]
    for kind, each in got.items():
        found += [Figure(f"{engine}_webhook_{kind}_{name}", value) for name, value in each.figures().items()]
    return found


def _pages(engine: str, sizes: Sizes) -> Iterator[Figure]:
    """Medians are held to the limits; the best is what a neighbour on the machine has not slowed."""
    got = pages(engine, sizes.reported)
    yield Figure(f"{engine}_page_sign_in_ms", statistics.median(got.pop("sign_in")))
    for name, times in got.items():
        most = Limit("most_ms_to_first_byte", _FIRST_BYTE_MS[name], bar=1, ceiling=True)
        yield Figure(f"{engine}_page_{name}_ms", statistics.median(times), most)
        yield Figure(f"{engine}_page_{name}_best_ms", min(times))
    yield from _person(engine, sizes.people, "person")


def _person(engine: str, deliveries: int, name: str) -> Iterator[Figure]:
    got = person(engine, deliveries)
    most = Limit("most_ms_until_found", _PERSON_MS, bar=1, ceiling=True)
    yield Figure(f"{engine}_{name}_found_ms", statistics.median(got["person"]), most)
    yield Figure(f"{engine}_{name}_found_best_ms", min(got["person"]))
    yield Figure(f"{engine}_{name}_select_1_ms", statistics.median(got["select"]))


def _large_person(engine: str, sizes: Sizes) -> Iterator[Figure]:
    return _person(engine, sizes.large[-1], f"{label(sizes.large[-1])}_person")


def _pace(engine: str, sizes: Sizes) -> Iterator[Figure]:
    """The fullest and the emptiest second, against the contract's rate; by one worker, and by the most."""
    for workers in (1, *sizes.workers[-1:]) if engine == "postgresql" else (1,):
        held, name = pace(engine, workers, sizes.seconds), f"{engine}_pace_{_by(workers)}"
        most = Limit("contract_segments_per_second", RATE, bar=1 + _WIDEST, ceiling=True)
        least = Limit("contract_segments_per_second", RATE, bar=1 - _WIDEST)
        yield Figure(f"{name}_most_in_a_second", held.most, most)
        yield Figure(f"{name}_least_in_a_second", held.least, least)
        yield Figure(f"{name}_mean_per_second", held.mean)


def _scale(engine: str, sizes: Sizes) -> Iterator[Figure]:
    """Several workers, and larger campaigns, whose messages must cost no more than those of small ones.

    Small ones go before and after each: a shared machine's speed is not the same ten minutes later.
    """
    for workers in sizes.workers if engine == "postgresql" else ():
        yield from _path_by(f"{engine}_{_by(workers)}", complete(engine, sizes.messages, workers))
    small = label(sizes.messages)
    before = _small(engine, sizes)
    for count in sizes.large:
        name, got = f"{engine}_{label(count)}", complete(engine, count)
        after = _small(engine, sizes)
        yield from _path_by(name, got)
        base = Limit(
            f"{name}_beside_{small}_all_cpu_s_per_1000", (before + after) / 2, _CONSTANT, ceiling=True
        )
        yield Figure(f"{name}_all_cpu_s_per_1000", _all_cpu(got), base)
        before = after


def _small(engine: str, sizes: Sizes) -> float:
    """The mean of several small campaigns: one lasts seconds only, which may be fast or slow ones."""
    return statistics.mean(_all_cpu(complete(engine, sizes.messages)) for _ in range(sizes.rounds))


def _path_by(prefix: str, got: dict[str, float], most_written: float = _WRITTEN_LARGE) -> list[Figure]:
    """All of them; what SQLite writes for a message has a bar."""
    most = {"written_bytes_per_message": Limit("most_bytes_written", most_written, bar=1, ceiling=True)}
    return [Figure(f"{prefix}_{name}", value, most.get(name)) for name, value in got.items()]


def _all_cpu(got: dict[str, float]) -> float:
    """Of Loa's processes and of the database server."""
    return got["loa_cpu_s_per_1000"] + got.get("server_cpu_s_per_1000", 0.0)


def _year(engine: str, sizes: Sizes) -> Iterator[Figure]:
    """Receipts beside the campaigns of a year and alone, in turns; the sweeps that look at all, at rest."""
    got = year(engine, sizes.past, sizes.recent, sizes.keys, sizes.groups)
    for kind, bar in _BESIDE.items():
        alone = Limit(f"{engine}_year_{kind}_alone_ms", got[f"{kind}_alone"], bar, ceiling=True)
        yield Figure(f"{engine}_year_{kind}_beside_ms", got[f"{kind}_beside"], alone)
    most = Limit("most_ms_at_rest", _AT_REST_MS, bar=1, ceiling=True)
    for name in ("runs_at_rest", "tallies_at_rest"):
        yield Figure(f"{engine}_year_{name}_ms", got[name], most)
    limit = Limit("most_ms_of_a_claim", _AT_REST_MS, bar=1, ceiling=True)
    yield Figure(f"{engine}_year_claim_at_50_million_ms", claim_ms(engine), limit)


def _by(workers: int) -> str:
    return f"{workers}_worker{'s' if workers > 1 else ''}"


PARTS = {
    "pump": Part("Loa's SMPP client and smpplib in turns, without a database", _pump, own=True),
    "import": Part("import of {lines:,} lines", _import),
    "path": Part("{messages:,} messages, complete, and the database alone", _path),
    "webhook": Part("{receipts:,} receipts by webhook, one in a post and in arrays", _webhook),
    "report": Part("a report over {reported:,} deliveries, built and rendered", _report),
    "pages": Part("pages beside 500 campaigns; a person among {people:,} deliveries", _pages),
    "person": Part("a person found among the most deliveries", _large_person, long=True),
    "pace": Part("a link's rate held for {seconds} s, by one worker and by four", _pace),
    "year": Part("receipts beside {past} old campaigns and {recent} of the last days, and alone", _year),
    "scale": Part("complete with several workers, and larger campaigns with one", _scale, long=True),
}
