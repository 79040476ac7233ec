"""A sorted map from a number to places, written in runs: few pages are touched, whatever the keys are.

Each addition is a run of its own. Sixteen runs of one level become one of the next (a log-structured merge
tree), so an entry is written as often as there are levels, and a look reads a block of each run.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from sqlalchemy import Connection, delete, func, insert, select

from tests.bench.packed.layout import blocks

REFERENCES, PHONES = 1, 2
_FAN = 16
_TOP = 2  # runs of this level stay
_BLOCK = 120  # entries of 16 bytes

Entry = tuple[int, int]


def key_of(reference: str) -> int:
    """Eight bytes for a reference: whoever finds one looks whether it is meant."""
    return int.from_bytes(blake2b(reference.encode(), digest_size=8).digest(), "little", signed=True)


class SortedRuns:
    """The runs of one kind; which there are is kept in memory."""

    def __init__(self, connection: Connection, kind: int) -> None:
        b = blocks.c
        query = select(b.run, func.max(b.level)).where(b.kind == kind).group_by(b.run).order_by(b.run)
        self._kind = kind
        self._levels = {int(run): int(level) for run, level in connection.execute(query)}

    def add(self, connection: Connection, entries: Iterable[Entry]) -> None:
        """Write them as a run, and merge what has become too many."""
        self._write(connection, sorted(entries), 0)
        for level in range(_TOP):
            runs = [run for run, of in self._levels.items() if of == level]
            if len(runs) >= _FAN:
                self._merge(connection, runs, level + 1)

    def find(self, connection: Connection, key: int) -> list[int]:
        """The places of a key, of the newest run first."""
        return [place for run in reversed(self._levels) for place in self._in_run(connection, run, key)]

    def _in_run(self, connection: Connection, run: int, key: int) -> list[int]:
        b = blocks.c
        of_run = (b.kind == self._kind, b.run == run)
        last = select(func.max(b.first)).where(*of_run, b.first <= key).scalar_subquery()
        body = connection.execute(select(b.body).where(*of_run, b.first == last)).scalar()
        if body is None:
            return []
        keys, places = _columns(body)
        at = bisect_left(keys, key)
        return [place for found, place in zip(keys[at:], places[at:], strict=True) if found == key]

    def _merge(self, connection: Connection, runs: Sequence[int], level: int) -> None:
        b = blocks.c
        of_runs = (b.kind == self._kind, b.run.in_(runs))
        bodies = connection.execute(select(b.body).where(*of_runs)).scalars().all()
        entries = sorted(entry for body in bodies for entry in zip(*_columns(body), strict=True))
        connection.execute(delete(blocks).where(*of_runs))
        for run in runs:
            del self._levels[run]
        self._write(connection, entries, level)

    def _write(self, connection: Connection, entries: Sequence[Entry], level: int) -> None:
        """Equal keys share a block, or a look at one block would miss some."""
        run = max(self._levels, default=0) + 1
        rows = [
            {"kind": self._kind, "run": run, "first": some[0][0], "level": level, "body": _body(some)}
            for some in _blocks(entries)
        ]
        if rows:
            connection.execute(insert(blocks), rows)
            self._levels[run] = level


def _blocks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    left: list[Entry] = []
    for start in range(0, len(entries), _BLOCK):
        left += entries[start : start + _BLOCK]
        last = left[-1][0]
        cut = next(n for n, entry in enumerate(left) if entry[0] == last)
        if cut:
            yield left[:cut]
            left = left[cut:]
    if left:
        yield left


def _body(entries: Sequence[Entry]) -> bytes:
    keys, places = zip(*entries, strict=True)
    return array("q", keys).tobytes() + array("q", places).tobytes()


def _columns(body: bytes) -> tuple[array[int], array[int]]:
    half = len(body) // 2
    return array("q", body[:half]), array("q", body[half:])
