"""The bench's part `packed`: what packed journals take, each figure beside what today's rows take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.bench.figures import Figure, Limit, label
from tests.bench.packed.measure import packed

_BESIDE = (
    *("messages_per_second", "cpu_s_per_1000", "bytes_per_message"),
    *("tally_ms", "person_ms", "report_s", "verify_s", "erase_s"),
)


def figures(engine: str, counts: Sequence[int]) -> Iterator[Figure]:
    """No bars: nothing of it is shipped."""
    for count in counts:
        got, name = packed(engine, count), f"{engine}_{label(count)}"
        for each in _BESIDE:
            rows = Limit(f"{name}_in_rows_{each}", got["today"][each])
            yield Figure(f"{name}_packed_{each}", got["packed"][each], rows)
        for kind, of in (("today", "in_rows"), ("packed", "packed")):
            yield Figure(f"{name}_{of}_synced_messages_per_second", got[kind]["synced_messages_per_second"])
        for each, value in got["restart"].items():
            yield Figure(f"{name}_packed_{each}", value)
