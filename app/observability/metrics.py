"""Prometheus metrics: counters kept by the process, and gauges read from the database at each scrape."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Select, and_, func, select

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.states import DeliveryState, LinkState, RunState
from app.database.connection import Database, shared_ms
from app.database.models import LINK_GONE_AFTER_MS, link_health, links, quarantine, runs, tallies, unknowns
from app.database.server_waits import takes_changes

KEPT_S = 1.0  # how long a database reading is reused
# Receipts come within seconds, or days later when a phone is switched on again.
_LATENCY_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 86_400, 3 * 86_400)


class Metrics:
    """One registry per application, so that several can run in one process."""

    def __init__(self, db: Database | None = None) -> None:
        self.registry = CollectorRegistry()
        self._results = Counter(
            "loa_results", "Messages by the carrier's answer", ["link", "result"], registry=self.registry
        )
        self._receipts = Counter(
            "loa_receipts", "Receipts by what became of them", ["outcome"], registry=self.registry
        )
        came = "Messages to us, by what became of them"
        self._inbound = Counter("loa_inbound_messages", came, ["link", "outcome"], registry=self.registry)
        called = "Calls of carriers, by what was answered"
        webhooks = Counter("loa_webhooks", called, ["answer"], registry=self.registry)
        self._webhook = cache(webhooks.labels)
        self._questions = Counter(
            "loa_questions",
            "Questions to carriers about messages, by what was answered",
            ["link", "answer"],
            registry=self.registry,
        )
        self._latency = _Latencies()
        self.registry.register(self._latency)
        met = "Unexpected errors, by the part of Loa in which they occurred"
        self._faults = Counter("loa_faults", met, ["source"], registry=self.registry)
        self._in_flight = Gauge(
            "loa_in_flight", "Messages waiting for the carrier's answer", ["link"], registry=self.registry
        )
        if db is not None:
            self.registry.register(DatabaseGauges(db))

    def submitted(self, link: str, kind: str, n: int) -> None:
        """Count `n` messages by result: accepted, partial, rejected, deferred ..."""
        self._results.labels(link, kind).inc(n)

    def receipts(self, kind: str, n: int) -> None:
        """Count `n` receipts: applied, repeated or quarantined."""
        self._receipts.labels(kind).inc(n)

    def inbound(self, link: str, outcome: str, n: int) -> None:
        """Count inbound messages: kept, repeated (same content as an earlier one) or refused for now."""
        self._inbound.labels(link, outcome).inc(n)

    def webhook(self, answer: str) -> None:
        """Count a carrier's call: taken, refused (credentials), unreadable or busy (to be repeated)."""
        self._webhook(answer).inc()

    def question(self, link: str, answer: str) -> None:
        """Count a question to a carrier: final, open (nothing final yet), none (no answer) or failed."""
        self._questions.labels(link, answer).inc()

    def fault(self, source: str) -> None:
        self._faults.labels(source).inc()

    def latency(self, *seconds: float) -> None:
        self._latency.observe(seconds)

    def in_flight(self, link: str, n: int) -> None:
        """Set how many messages of a link await their answer."""
        self._in_flight.labels(link).set(n)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Latencies(Collector):
    """A histogram that is told of a whole group of receipts at once: one by one it would cost them dear."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(_LATENCY_S) + 1)
        self._sum = 0.0

    def observe(self, seconds: Sequence[float]) -> None:
        with self._lock:
            for each in seconds:
                self._counts[bisect_left(_LATENCY_S, each)] += 1
            self._sum += sum(seconds)

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            counts, total = list(accumulate(self._counts)), self._sum
        bounds = [*(str(float(bound)) for bound in _LATENCY_S), "+Inf"]
        found = HistogramMetricFamily("loa_receipt_latency_seconds", "Time from submission to receipt")
        found.add_metric([], list(zip(bounds, counts, strict=True)), total)
        yield found


class DatabaseGauges(Collector):
    """Gauges from the database; while it is unreachable, report that and the remaining metrics."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: list[Metric] = []
        self._until = 0.0
        self._asking = threading.Lock()

    def describe(self) -> list[Metric]:
        """Return nothing, because registering must not query the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return a consistent view of queue, runs, links, unknowns and quarantine, at most a second old."""
        with self._asking:
            if clock.monotonic() >= self._until:
                self._kept = list(self._look())
                self._until = clock.monotonic() + KEPT_S
            return iter(self._kept)

    def _look(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("loa_database_up", "Whether the database answers and confirms writes")
        try:
            found = self._db.read(_gauges)
            up.add_metric([], self._db.read(takes_changes))
        except DatabaseUnavailable:
            found = []
            up.add_metric([], 0)
        yield up
        yield from found


def _gauges(connection: Connection) -> list[Metric]:
    return [_queue(connection), _runs(connection), *_waiting(connection), *_links(connection)]


def _queue(connection: Connection) -> Metric:
    query = (
        select(runs.c.state, func.sum(tallies.c.n))
        .join(runs, runs.c.id == tallies.c.run_id)
        .where(tallies.c.state == DeliveryState.QUEUED)
        .group_by(runs.c.state)
    )
    return _by_state(connection, "loa_queued_deliveries", "Deliveries not yet sent, by state of run", query)


def _runs(connection: Connection) -> Metric:
    query = select(runs.c.state, func.count()).group_by(runs.c.state)
    return _by_state(connection, "loa_runs", "Runs by state", query)


def _by_state(connection: Connection, name: str, what: str, query: Select[Any]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=["run_state"])
    found = {state: int(n) for state, n in connection.execute(query)}
    for state in RunState:
        family.add_metric([state], found.get(state, 0))
    return family


def _waiting(connection: Connection) -> Iterator[Metric]:
    unknown = select(func.count()).select_from(unknowns).where(unknowns.c.written_off_by.is_(None))
    yield GaugeMetricFamily(
        "loa_unknown_deliveries",
        "Deliveries with an unknown outcome",
        value=connection.scalar(unknown),
    )
    yield GaugeMetricFamily(
        "loa_quarantined_receipts",
        "Receipts that match no submission yet",
        value=connection.scalar(select(func.count()).select_from(quarantine)),
    )


def _links(connection: Connection) -> Iterator[Metric]:
    running = GaugeMetricFamily("loa_link_running", "1, or 0 when halted", labels=["link", "carrier"])
    rate = GaugeMetricFamily(
        "loa_link_segments_per_second", "The contract's rate", labels=["link", "carrier"]
    )
    for row in connection.execute(select(links).where(links.c.left_at.is_(None)).order_by(links.c.id)):
        running.add_metric([row.name, row.carrier], int(row.state != LinkState.HALTED))
        rate.add_metric([row.name, row.carrier], row.segments_per_second)
    yield running
    yield rate
    yield from _link_health(connection)


def _link_health(connection: Connection) -> Iterator[Metric]:
    """Yield link gauges: alarms need only 0 connected processes, or a probing one."""
    labels = ["link", "carrier"]
    connected = GaugeMetricFamily("loa_link_connected", "Processes that can send by the link", labels=labels)
    probing = GaugeMetricFamily("loa_link_probing", "Processes to which no answers come", labels=labels)
    answered = GaugeMetricFamily(
        "loa_link_last_answer_timestamp_seconds", "The newest answer to a message", labels=labels
    )
    refusing = GaugeMetricFamily(
        "loa_link_refusing_seconds",
        "For how long the carrier has put off whatever it was sent",
        labels=labels,
    )
    now, h = shared_ms(connection), link_health.c
    since = now - LINK_GONE_AFTER_MS
    here = and_(h.link_id == links.c.id, h.seen_at > since)
    up, bad = func.count(h.connected_since), func.count(h.probing)
    own = select(links.c.name, links.c.carrier, up, bad, func.max(h.answered_at), func.max(h.refusing_since))
    query = own.add_columns(func.count(h.refusing_since))
    joined = query.select_from(links).outerjoin(link_health, here).where(links.c.left_at.is_(None))
    for name, carrier, n, stuck, at, put_off, refusers in connection.execute(
        joined.group_by(links.c.id).order_by(links.c.id)
    ):
        connected.add_metric([name, carrier], n)
        probing.add_metric([name, carrier], stuck)
        refusing.add_metric(
            [name, carrier], max(0, now - put_off) / 1000 if refusers and refusers == n else 0
        )
        if at is not None:
            answered.add_metric([name, carrier], at / 1000)
    yield from (connected, probing, refusing, answered)
